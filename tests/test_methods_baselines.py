"""The baselines: floors, ceilings, springs."""

import itertools

import pytest
import tiny
import torch
from reference_loop import learn, solve

from forgetless.data import Stream, compile_layouts
from forgetless.methods import METHODS

RECIPE = {"momentum": 0.9, "weight_decay": 0.01}


def learned(name, scenario, tasks, *, net=None, **fields):
    stream = tiny.stream(scenario)
    method = METHODS[name](net or tiny.net(dropout=0.5), **fields)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, stream.task(index, with_past=method.needs_past), **RECIPE)
    return method


def changed(before, module):
    after = module.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_registered_name_is_its_files_name_and_says_what_it_is(name):
    kind = METHODS[name]
    assert kind.__module__ == f"forgetless.methods.{name}"
    assert kind.name == name
    assert kind.__doc__.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_every_term_moves_a_weight_and_no_task_is_touched(name, scenario):
    if scenario not in METHODS[name].scenarios:
        return
    method = learned(name, scenario, 1)
    task = tiny.stream(scenario).task(1, with_past=method.needs_past)
    x, y = task.train.x.clone(), task.train.y.clone()
    for fit in method.learn(task):
        solve(method, fit, task, epochs=1)
        out = (fit.loss or method.loss)(tiny.batch(task.train), task)
        terms = out[0] if isinstance(out, tuple) else out
        weights = list(method.parameters())  # some Fits train what is the method's own
        for value in terms.values():
            parts = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
            assert any(part is not None and part.any() for part in parts)
    assert torch.equal(task.train.x, x)
    assert torch.equal(task.train.y, y)


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_a_saved_state_goes_on_the_same(name, scenario):
    if scenario not in METHODS[name].scenarios:
        return
    method, other = learned(name, scenario, 2), METHODS[name](tiny.net(4, dropout=0.5))
    other.load_state_dict(method.state_dict())
    for one in (method, other):
        torch.manual_seed(3)
        learn(one, tiny.stream(scenario).task(2, with_past=one.needs_past), **RECIPE)
    assert tiny.same(tiny.bits(method), tiny.bits(other))


def test_only_the_ceilings_need_old_data():
    assert {name for name, kind in METHODS.items() if kind.needs_past} == {"joint", "cumulative"}


def test_finetune_leaves_heads_alone_that_cannot_compete():
    for scenario, kept in (("task", True), ("class", False)):
        method = learned("finetune", scenario, 1)
        before = tiny.bits(method.model.head)
        learn(method, tiny.stream(scenario).task(1), **RECIPE)
        assert (not changed(before, method.model.head)) == kept


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_joint_begins_each_task_with_the_same_initial_weights_and_statistics(scenario):
    stream, method = tiny.stream(scenario), METHODS["joint"](tiny.net())
    first = tiny.bits(method.model)
    torch.manual_seed(1)
    starts = []
    for index in range(3):
        task = stream.task(index, with_past=True)
        fit = next(method.learn(task))
        starts.append(tiny.bits(method.model))
        assert fit.only is None
        solve(method, fit, task, **RECIPE)
    assert changed(first, method.model), "training moved them"
    assert all(torch.equal(starts[0][name], value) for name, value in first.items())
    for earlier, later in itertools.pairwise(starts):
        assert all(torch.equal(later[name], value) for name, value in earlier.items())
    assert len(fit.data) == 3 * len(stream.task(0).train)


def test_joint_is_what_training_on_everything_at_once_gives():
    late = learned("joint", "domain", 3)
    task = tiny.stream("domain").task(2, with_past=True)
    once = METHODS["finetune"](tiny.net(dropout=0.5))
    torch.manual_seed(8)
    late.model.eval()
    fit = next(late.learn(task))
    once.model.grow(task.classes)
    once.model.load_state_dict(late.model.state_dict())
    for method in (late, once):
        torch.manual_seed(8)
        solve(method, fit if method is late else next(once.learn(task)), task, **RECIPE)
    assert not changed(tiny.bits(once.model), late.model)


def test_cumulative_goes_on_from_the_last_weights():
    method = learned("cumulative", "class", 1)
    before = tiny.bits(method.model.backbone)
    task = tiny.stream("class").task(1, with_past=True)
    fit = next(method.learn(task))
    assert method.needs_past
    assert not changed(before, method.model.backbone)
    assert (fit.only, len(fit.data), task.classes) == (None, 24, (0, 1, 2, 3))


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_frozen_answers_as_before_to_the_last_bit(scenario):
    method = learned("frozen", scenario, 1)
    before, x = tiny.bits(method.model), tiny.split((0, 1)).x
    answers, fresh = method.logits(x), tiny.stream(scenario)
    for index in (1, 2):
        task = fresh.task(index)
        for fit in method.learn(task):
            assert fit.only is method.model.head.blocks[-1]
            rows = tiny.bits(fit.only)
            solve(method, fit, task, **RECIPE)
            assert not any(part.training for part in method.model.backbone.modules())
            assert changed(rows, fit.only) == {"weight", "bias"}
        assert torch.equal(method.eval().logits(x)[:, :2], answers)
    assert not changed(before, method.model)
    assert len(method.model.head.blocks) == (1 if scenario == "domain" else 3)


def test_frozen_has_something_to_learn_in_the_first_task():
    method = METHODS["frozen"](tiny.net())
    before = tiny.bits(method.model)
    learn(method, tiny.stream("class").task(0), **RECIPE)
    assert changed(before, method.model)


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_the_anchors_gradient_is_its_closed_form_and_new_rows_are_free(scenario):
    method = learned("l2_anchor", scenario, 1, alpha=0.3)
    last = tiny.bits(method.model)
    task = tiny.stream(scenario).task(1)
    fit = next(method.learn(task))
    assert method.loss(tiny.batch(task.train), task)["anchor"].item() == 0
    solve(method, fit, task, **RECIPE)
    weights = dict(method.model.named_parameters())
    value = method.loss(tiny.batch(task.train), task)["anchor"]
    moved = sum((weight - last[name]).square().sum() for name, weight in weights.items() if name in last)
    torch.testing.assert_close(value, 0.3 * moved)
    parts = torch.autograd.grad(value, list(weights.values()), allow_unused=True)
    for (name, weight), part in zip(weights.items(), parts, strict=True):
        if name in last:
            torch.testing.assert_close(part, 0.6 * (weight - last[name]).detach(), rtol=1e-12, atol=1e-15)
        else:
            assert part is None


def test_the_anchor_is_fastened_again_after_each_task():
    method = learned("l2_anchor", "task", 2)
    weights = dict(method.model.named_parameters())
    assert list(method.anchor) == list(weights)
    assert all(torch.equal(method.anchor[name], weight) for name, weight in weights.items())


def test_a_stiffer_spring_moves_less_and_none_is_finetune():
    ways = {}
    for alpha in (0.0, 0.5, 2.0):
        method = learned("l2_anchor", "class", 1, net=tiny.net(), alpha=alpha)
        last = tiny.bits(method.model.backbone.second)
        learn(method, tiny.stream("class").task(1), lr=0.1, epochs=20)
        ways[alpha] = (method.model.backbone.second.weight - last["weight"]).norm().item()
    assert ways[0.0] > 1.1 * ways[0.5] > 1.1 * ways[2.0]
    free, floor = learned("l2_anchor", "task", 3, alpha=0.0), learned("finetune", "task", 3)
    assert tiny.same(tiny.bits(free.model), tiny.bits(floor.model))


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_joint_can_meet_each_task_as_often_as_any_other(scenario):
    parts = [tiny.split((0, 1), 6), tiny.split((0, 1) if scenario == "domain" else (2, 3), 2)]
    layouts = compile_layouts(scenario, [(0, 1), (0, 1) if scenario == "domain" else (2, 3)])
    makers = tuple(lambda part=part: part for part in parts)
    stream = Stream("uneven", 1, scenario, "none", tuple("0123"), layouts, makers, tuple(parts))
    for balance, size in (("examples", 16), ("tasks", 24)):
        method = METHODS["joint"](tiny.net(), balance=balance)
        for index in (0, 1):
            task = stream.task(index, with_past=True)
            fit = next(method.learn(task))
        assert len(fit.data) == size
    assert torch.equal(fit.data.x[12:], parts[1].x.repeat(3, 1, 1, 1))
    if scenario == "task":  # each head learns from its own task's images alone
        batch = tiny.batch(fit.data, slice(0, 12))
        found = torch.autograd.grad(
            method.loss(batch, task)["new"], list(method.model.head.blocks[1].parameters())
        )
        assert not any(part.any() for part in found)
