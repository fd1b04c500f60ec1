"""Networks in other forms: layers of each task's own, and layers that gain nodes with each task."""

from copy import deepcopy

import pytest
import tiny
import torch
from reference_loop import learn, solve
from torch import nn

from forgetless.data import Stream, compile_layouts
from forgetless.errors import SettingsError
from forgetless.methods import METHODS
from forgetless.models import BACKBONES, Model, build_model
from forgetless.models.wide import Wide

SHAPE = (3, 8, 8)
X = torch.randn(9, *SHAPE, generator=torch.Generator().manual_seed(2))


def built(name="mlp", classes=3, seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_model(name, SHAPE, **options)
        if classes:
            model.grow(range(classes))
    return model.eval()


def names(module):
    return [name for name, _ in module.named_parameters()]


def train(module, steps=3):
    """Move every weight that may move."""
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    for _ in range(steps):
        module(X).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("name", ["mlp", "lenet", "lenet-wsn"])
@pytest.mark.parametrize("own", [2, 3])
def test_layers_that_are_given_up_begin_each_block_of_the_head(name, own):
    options = {"hidden": (20, 16, 12)} if name == "mlp" else {}
    plain, model = built(name, **options), built(name, head_layers=own, **options)
    model.grow(range(5))
    x = torch.randn(2, *SHAPE)
    sizes = [
        (layer.in_features, layer.out_features) for layer in plain.modules() if isinstance(layer, nn.Linear)
    ]
    for block, labels in zip(model.head.blocks, (3, 2), strict=True):
        layers = [*block.below, block]
        assert [(layer.in_features, layer.out_features) for layer in layers] == [
            *sizes[-own:-1],
            (sizes[-1][0], labels),
        ]
        assert block.reads == model.backbone.width == sizes[-own][0]
        y = model.features(x)
        for layer in block.below:
            y = torch.relu(y @ layer.weight.T + layer.bias)
        torch.testing.assert_close(block(model.features(x)), y @ block.weight.T + block.bias)
    shared = dict(plain.backbone.named_parameters())
    assert all(torch.equal(weight, shared[key]) for key, weight in model.backbone.named_parameters())
    assert sum(w.numel() for w in model.backbone.parameters()) + sum(
        w.numel() for w in model.head.blocks[0].parameters()
    ) == sum(w.numel() for w in plain.parameters()), "the first task's network is as large as ever"


def test_hidden_layers_of_a_block_begin_as_a_backbones_do():
    block = built("mlp", hidden=(400, 300), head_layers=2).head.blocks[0]
    bound = 400**-0.5
    for drawn in (block.below[0].weight, block.below[0].bias):
        assert 0.95 * bound < drawn.abs().max() <= bound


def test_old_answers_stay_as_they_are_when_a_block_with_layers_is_added_and_trained():
    model = built(head_layers=2, hidden=(20, 16))
    before = model(X)
    assert model.grow(range(5)) is model.head.blocks[1]
    train(nn.Sequential(deepcopy(model.backbone), model.head.blocks[1]))
    assert torch.equal(model(X)[:, :3], before)


@pytest.mark.parametrize("hidden", [(20,), (20, 16), (20, 16, 12, 10)])
def test_new_nodes_are_copies_and_change_no_old_answer(hidden):
    model = built(hidden=hidden, widen=6)
    features, answers = model.features(X), model(X)
    random = torch.get_rng_state()
    fresh = model.grow(range(5))
    assert not torch.equal(random, torch.get_rng_state()), "which nodes are copied is drawn"
    assert model.head.width == model.features(X).shape[1] == hidden[-1] + 6
    assert torch.equal(model(X)[:, :3], answers)
    now = model.features(X)
    assert torch.equal(now[:, : hidden[-1]], features)
    for column in now[:, hidden[-1] :].unbind(1):
        assert any(torch.allclose(column, old) for old in features.unbind(1)), (
            "a new node answers as an old one does"
        )
    widened = [layer for layer in model.backbone.layers if isinstance(layer, Wide)]
    assert len(widened) == min(len(hidden), 3)
    assert list(fresh) == [*(layer.blocks[1] for layer in widened), model.head.blocks[1]]
    for place, layer in enumerate(widened):
        assert layer.blocks[1].in_features == layer.blocks[0].in_features + (6 if place else 0)


def test_training_what_was_added_changes_no_old_answer_and_training_all_does():
    model = built(hidden=(20, 16), widen=6)
    before = model(X)
    fresh = model.grow(range(5))
    old = {id(weight) for weight in model.parameters()} - {id(weight) for weight in fresh.parameters()}
    for weight in model.parameters():
        weight.requires_grad_(id(weight) not in old)
    optimizer = torch.optim.SGD(fresh.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        model(X)[:, 3:].square().sum().backward()
        assert all(weight.grad is not None for weight in fresh.parameters())
        optimizer.step()
        optimizer.zero_grad()
    assert torch.equal(model(X)[:, :3], before)
    assert not torch.allclose(model(X)[:, 3:], before[:, :2])
    train(model.requires_grad_(True))
    assert not torch.equal(model(X)[:, :3], before)


@pytest.mark.parametrize("options", [{}, {"widen": 6}, {"head_layers": 2}, {"head_layers": 2, "widen": 5}])
@pytest.mark.parametrize("grown", [(), (3,), (3, 4, 9)])
def test_a_state_brings_its_own_form_and_loading_draws_nothing(options, grown):
    model = built(hidden=(20, 16, 12), **options)
    for classes in (5, 6, 8):
        model.grow(range(classes))
    other = build_model("mlp", SHAPE, hidden=(20, 16, 12), **options)
    for classes in grown:
        other.grow(range(classes))
    random = torch.get_rng_state()
    other.load_state_dict(model.state_dict())
    assert torch.equal(random, torch.get_rng_state())
    assert tiny.same(tiny.bits(model), tiny.bits(other))
    assert other.head.groups == model.head.groups
    assert torch.equal(model(X), other.eval()(X))


def test_what_scores_depend_on_is_named_whole_and_nothing_else():
    """Of a widened network: moving a tensor changes a task's scores exactly where it is among those that are named."""
    model = built(hidden=(20, 16, 12), widen=6)
    for classes in (5, 6):
        model.grow(range(classes))
    with torch.no_grad():
        for weight in model.parameters():  # away from the zeros that copies have
            weight.add_(0.1 * torch.randn_like(weight))
    for labels in ((0, 1, 2), (3, 4), (5,)):
        read = {id(weight) for part in model.read_by(labels) for weight in part.parameters()}
        before = model(X)[:, list(labels)]
        for name, weight in model.named_parameters():
            with torch.no_grad():
                kept = weight.clone()
                weight.add_(1.0)
                changed = not torch.equal(model(X)[:, list(labels)], before)
                weight.copy_(kept)
            assert changed == (id(weight) in read), name


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_which_networks_have_layers_to_give_is_told_without_building_them(name):
    """What is offered, on the command line too, is what the backbone has."""
    body = build_model(name, (3, 32, 32)).backbone
    spare = len(body.linear)
    if spare:
        built(name, head_layers=1 + spare)
    with pytest.raises(
        SettingsError, match=rf"head_layers: {name} can give its tasks {spare + 1} layers? of their own"
    ):
        built(name, head_layers=2 + spare)
    if name != "mlp":
        with pytest.raises(SettingsError, match="widen: only an mlp"):
            built(name, widen=4)


@pytest.mark.parametrize("options", [{"head_layers": 0}, {"head_layers": -2}, {"widen": -5}])
def test_fewer_layers_or_nodes_than_none_are_refused(options):
    (name, asked) = next(iter(options.items()))
    with pytest.raises(SettingsError, match=rf"{name}: .* not {asked}\."):
        built(**options)


def task_stream():
    parts = [tiny.split(classes, dtype=torch.float32) for classes in ((0, 1), (2, 3), (4, 5))]
    makers = tuple(lambda part=part: part for part in parts)
    layouts = compile_layouts("task", [(0, 1), (2, 3), (4, 5)])
    return Stream("tiny", 1, "task", "none", tuple("012345"), layouts, makers, tuple(parts))


@pytest.mark.parametrize("options", [{"widen": 6}, {"head_layers": 2}])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("finetune", {"warmup": 1.0, "shared_lr": 0.1}), ("lwf", {"warmup": 1.0}), ("lfl", {"weight": 1.0}),
        ("l2_anchor", {}), ("ewc", {}), ("icarl", {"per_class": 2}), ("lfd", {}), ("frozen", {}), ("duplicate", {}),
    ],
)  # fmt: skip
def test_methods_learn_with_such_networks_and_a_saved_state_goes_on_the_same(name, fields, options):
    stream = task_stream()

    def fresh():
        return METHODS[name](built(classes=0, hidden=(20, 16), **options), **fields)

    def through(method, first, last):
        for index in range(first, last):
            torch.manual_seed(index)
            learn(method, stream.task(index, with_past=method.needs_past), momentum=0.9, weight_decay=0.01)
        return method

    whole, half = through(fresh(), 0, 3), through(fresh(), 0, 2)
    other = fresh()
    other.load_state_dict(half.state_dict())
    assert tiny.same(tiny.bits(whole), tiny.bits(through(other, 2, 3)))


def test_what_influences_a_frozen_networks_old_tasks_stays_while_it_is_widened():
    stream, method = task_stream(), METHODS["frozen"](built(classes=0, hidden=(20, 16), widen=6))
    learn(method, stream.task(0))
    kept = {name: value.clone() for name, value in method.influences(stream.task(0)).items()}
    learn(method, stream.task(1))
    now = method.influences(stream.task(0))
    assert tiny.same(kept, now)
    later = method.influences(stream.task(1))
    assert sum(v.numel() for v in later.values()) > sum(v.numel() for v in now.values())


def test_subnetworks_of_a_network_that_gains_nodes_are_refused():
    with pytest.raises(SettingsError, match="all tasks would share"):
        METHODS["wsn"](built(classes=0, widen=4))


def test_a_model_without_either_is_what_it_was():
    torch.manual_seed(0)
    model = Model(nn.Flatten(), 192)
    assert model.grow(range(2)) is model.head.blocks[0]
    assert names(model) == ["head.blocks.0.weight", "head.blocks.0.bias"]


def test_joint_training_of_a_network_that_gains_nodes_begins_anew_with_each_task():
    """New nodes are copies of initial nodes, not of trained ones."""
    stream, method = task_stream(), METHODS["joint"](built(classes=0, hidden=(20, 16), widen=6))
    begin = {}
    for index in range(3):
        task = stream.task(index, with_past=True)
        torch.manual_seed(index)
        fits = method.learn(task)
        fit = next(fits)
        now = tiny.bits(method.model)
        assert all(torch.equal(now[name], value) for name, value in begin.items())
        begin = now
        solve(method, fit, task, momentum=0.9)
        assert next(fits, None) is None
    first = begin["backbone.layers.0.blocks.0.weight"]
    for number in (1, 2):
        for row in begin[f"backbone.layers.0.blocks.{number}.weight"]:
            assert any(torch.equal(row, old) for old in first)


def test_an_empty_state_brings_an_empty_form():
    model = build_model("mlp", SHAPE, hidden=(20, 16), widen=6)
    empty = model.state_dict()
    empty = {name: value.clone() for name, value in empty.items()}
    for classes in (2, 4):
        model.grow(range(classes))
    model.load_state_dict(empty)
    model.grow(range(2))
    assert model(X).shape == (9, 2)


def test_outputs_from_the_start_and_a_network_that_gains_nodes_are_refused():
    method = METHODS["lwf_mc"](built(classes=0, widen=4), fixed_width=10)
    with pytest.raises(SettingsError, match="the head would never grow"):
        next(method.learn(tiny.stream("class").task(0)))


def test_maps_have_no_closed_form_where_a_head_has_layers():
    model = Model(tiny.net().backbone, 5, (4,))
    assert not METHODS["lwm"](model).closed
    with pytest.raises(SettingsError, match="are not linear in the average"):
        METHODS["lwm"](Model(tiny.net().backbone, 5, (4,)), cam="closed")
