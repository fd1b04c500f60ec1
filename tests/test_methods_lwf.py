"""LwF step for step: what it equals, what it leaves alone, and when its targets are made."""

from copy import deepcopy
from itertools import pairwise

import pytest
import tiny
import torch
from reference_loop import learn, select, solve
from torch import nn
from torch.nn import functional as F

from forgetless.data import Task, compile_layouts
from forgetless.engine import Engine, Plan, Progress, capture
from forgetless.methods import METHODS
from forgetless.ops import distill
from forgetless.randomness import seeded
from forgetless.settings.recipe import Recipe

LwF, Finetune = METHODS["lwf"], METHODS["finetune"]
RECIPE = {"momentum": 0.9, "weight_decay": 0.01}
OWN_WAY = {
    "lwf_mc",
    "icarl",
    "wsn",
}  # sigmoids, or masks: another first task than by cross-entropy on the weights
FLOOR = {"weight": 0.0, "scope": "seen", "train_old_heads": False}


def learned(kind, scenario, tasks=2, *, dropout=0.5, recipe=RECIPE, **fields):
    """A method that has learned so many tasks, and the state of the global generator at the end."""
    stream = tiny.stream(scenario)
    method = kind(tiny.net(dropout=dropout), **fields)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, stream.task(index), **recipe)
        return method, torch.get_rng_state()


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_without_weight_it_is_finetune_to_the_last_bit(scenario):
    lwf, draws = learned(LwF, scenario, 3, **FLOOR)
    floor, expected = learned(Finetune, scenario, 3)
    assert tiny.same(tiny.bits(lwf), tiny.bits(floor))
    assert torch.equal(draws, expected), "as many random numbers"


@pytest.mark.parametrize("teacher", ["online", "recorded"])
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_the_old_network_draws_nothing_and_touches_nothing_of_the_new(scenario, teacher):
    lwf, draws = learned(LwF, scenario, 3, teacher=teacher, weight=1e-300)
    other, expected = learned(LwF, scenario, 3, weight=0.0)
    assert torch.equal(draws, expected)
    assert tiny.same(tiny.bits(lwf), tiny.bits(other)), (
        "with next to no weight, the same weights and statistics"
    )
    heavy, _ = learned(LwF, scenario, 3, teacher=teacher)
    assert not tiny.same(tiny.bits(heavy), tiny.bits(other))


def test_without_weight_old_heads_only_decay():
    recipe = {"lr": 0.05, "weight_decay": 0.01, "epochs": 3}
    method, _ = learned(LwF, "task", 1, recipe=recipe, weight=0.0, scope="seen")
    before = deepcopy(method.model.head.blocks[0])
    task = tiny.stream("task").task(1)
    learn(method, task, **recipe)
    steps = 3 * -(-len(task.train) // 6)
    factor = (1 - 0.05 * 0.01) ** steps
    torch.testing.assert_close(method.model.head.blocks[0].weight, before.weight * factor, rtol=1e-13, atol=0)
    torch.testing.assert_close(method.model.head.blocks[0].bias, before.bias * factor, rtol=1e-13, atol=0)


# One step for each part of the loss, as the authors' code makes them.

PATHS = {"task": ((0, 1), (2, 3)), "class": ((0, 1, 2, 3),), "domain": ((0, 1),)}  # old softmaxes at task 3
RATES = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.02}


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_alternating_updates_equal_their_naive_transcription(scenario):
    """Oracle: in each batch a step of torch's SGD for each old softmax, then one for the new labels; one momentum."""
    stream = tiny.stream(scenario)
    method = LwF(tiny.net(), weight=0.7, update="alternating")
    plan = Plan(torch.device("cpu"), "fp32", "a test", 1, deterministic=False)
    engine = Engine(Recipe(steps=12, batch=100, optimizer="sgd", **RATES), 0, plan)
    for index in (0, 1):
        engine.learn(method, stream.task(index), Progress(capture(method)), lambda _: None)
    task = stream.task(2)
    x, y, old = task.train.inputs(slice(None)), task.train.y, deepcopy(method.model)
    with seeded(0, "init", 2, 0):
        start = deepcopy(method)
        next(start.learn(task))
    model = start.model.requires_grad_(True).train()
    optimizer = torch.optim.SGD(model.parameters(), **RATES)
    for _ in range(12):
        for labels in PATHS[scenario]:
            p = (old(x)[:, labels] / 2).softmax(1)
            loss = -0.7 * (p * (model(x)[:, labels] / 2).log_softmax(1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        first, last = task.classes[0], task.classes[-1]
        loss = F.cross_entropy(model(x)[:, first : last + 1], y - first)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    engine.learn(method, task, Progress(capture(method)), lambda _: None)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(method.model.state_dict()[name], value, rtol=1e-12, atol=1e-12)
    assert (old(x) - model.eval()(x)[:, : old(x).shape[1]]).abs().max() > 0.1, "it has moved"


def test_weight_decay_is_applied_at_each_of_the_alternating_steps():
    recipe = {"lr": 0.05, "weight_decay": 0.01, "epochs": 3}
    method, _ = learned(LwF, "task", 2, recipe=recipe, weight=1e-300, update="alternating")
    before, task = deepcopy(method.model.head.blocks), tiny.stream("task").task(2)
    learn(method, task, **recipe)
    factor = (1 - 0.05 * 0.01) ** (
        3 * 3 * -(-len(task.train) // 6)
    )  # two old heads and the new one, three epochs
    for block, old in zip(method.model.head.blocks, before, strict=False):
        torch.testing.assert_close(block.weight, old.weight * factor, rtol=1e-13, atol=0)
        torch.testing.assert_close(block.bias, old.bias * factor, rtol=1e-13, atol=0)


@pytest.mark.parametrize(("tasks", "weight"), [(1, 1.0), (3, 0.0)])
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_with_nothing_to_alternate_with_the_sum_is_minimised_to_the_last_bit(scenario, tasks, weight):
    summed, draws = learned(LwF, scenario, tasks, weight=weight)
    alternating, same_draws = learned(LwF, scenario, tasks, weight=weight, update="alternating")
    assert torch.equal(draws, same_draws)
    assert tiny.same(tiny.bits(summed), tiny.bits(alternating))
    other, _ = learned(LwF, scenario, 2, update="alternating")
    assert not tiny.same(tiny.bits(other), tiny.bits(learned(LwF, scenario, 2)[0]))


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_a_warm_up_has_nothing_to_alternate(scenario):
    method, _ = learned(LwF, scenario, 2, update="alternating", warmup=1.0)
    fits = list(method.learn(tiny.stream(scenario).task(2)))
    assert [(fit.name, fit.visits) for fit in fits] == [("warmup", 1), ("main", len(PATHS[scenario]) + 1)]


def test_a_large_weight_brings_old_answers_back_to_the_teachers():
    stream = tiny.stream("class")
    method = LwF(tiny.net(norm=False), weight=1e6, kd_form="kl")
    learn(method, stream.task(0))
    task = stream.task(1)
    next(method.learn(task))
    batch, gap = tiny.batch(task.train), []
    with torch.no_grad():
        for weight in method.model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)))
    opt = torch.optim.SGD(method.parameters(), lr=0.02 / 1e6)
    for _ in range(50):
        gap.append(distill(method.model(batch.x)[:, :2], method.old(batch.x), form="kl").item())
        opt.zero_grad()
        sum(method.loss(batch, task).values()).backward()
        opt.step()
    assert all(later < earlier for earlier, later in pairwise(gap))
    assert gap[-1] < 0.5 * gap[0]


@pytest.mark.parametrize("name", sorted(set(METHODS) - OWN_WAY))
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_the_first_task_is_learned_as_by_finetune(scenario, name):
    method, draws = learned(METHODS[name], scenario, 1)
    floor, expected = learned(Finetune, scenario, 1)
    assert tiny.same(tiny.bits(method.model), tiny.bits(floor.model))
    assert torch.equal(draws, expected)


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_growth_in_a_task_keeps_old_answers_and_each_weight_once(scenario):
    method, _ = learned(LwF, scenario, 1)
    task = tiny.stream(scenario).task(1)
    x = task.train.x
    before = method.logits(x)
    fit = next(method.learn(task))
    assert torch.equal(method.eval().logits(x)[:, :2], before)
    held = select(method, fit.only)
    assert len(held) == len({id(weight) for weight in held}) == len(list(method.model.parameters()))


@pytest.mark.parametrize("teacher", ["online", "recorded"])
def test_the_teacher_stays_as_it_was_and_the_next_one_is_the_student(teacher):
    method, _ = learned(LwF, "class", 1, teacher=teacher)
    stream = tiny.stream("class")
    task, x = stream.task(1), tiny.split((0, 3)).x
    student = deepcopy(method.model).eval()
    fit = next(method.learn(task))
    torch.testing.assert_close(method.old(x), student(x), rtol=1e-13, atol=1e-13)
    before = [value.clone() for value in method.old.buffers()]
    assert not {id(value) for value in method.old.buffers()} & {id(value) for value in method.parameters()}
    solve(method, fit, task, **RECIPE)
    method.train()
    assert all(map(torch.equal, before, method.old.buffers()))
    assert not any(part.training for part in method.old.modules())
    assert not any(value.requires_grad for value in method.old.buffers())
    assert not [name for name in method.state_dict() if name.startswith("old")]
    student = deepcopy(method.model).eval()
    next(method.learn(stream.task(2)))
    torch.testing.assert_close(method.old(x), student(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_recorded_answers_equal_those_given_online_but_on_augmented_images(scenario):
    terms = {}
    for teacher in ("online", "recorded"):
        method, _ = learned(LwF, scenario, 1)
        method.teacher = teacher
        task = tiny.stream(scenario).task(1)
        next(method.learn(task))
        plain = tiny.batch(task.train, slice(3, 9))
        turned = plain._replace(x=plain.x.flip(-1))
        terms[teacher] = [method.loss(seen, task)["old"].item() for seen in (plain, turned)]
    assert terms["online"][0] == pytest.approx(terms["recorded"][0], rel=1e-13)
    assert terms["online"][1] != pytest.approx(terms["recorded"][1], rel=1e-6)


@pytest.mark.parametrize("teacher", ["online", "recorded"])
def test_the_third_task_asks_the_network_after_the_second(teacher):
    method, _ = learned(LwF, "task", 1, teacher=teacher)
    stream = tiny.stream("task")
    after_first = deepcopy(method.model).eval()
    learn(method, stream.task(1), **RECIPE)
    after_second = deepcopy(method.model).eval()
    task = stream.task(2)
    next(method.learn(task))
    batch = tiny.batch(task.train)
    answers = method.old(batch.x) if teacher == "online" else method.recorded
    torch.testing.assert_close(answers, after_second(batch.x), rtol=1e-12, atol=1e-12)
    assert (answers[:, :2] - after_first(batch.x)).abs().max() > 1e-3


def test_new_labels_alone_give_old_rows_no_gradient_and_all_labels_their_probability():
    stream = tiny.stream("class")
    for scope, touched in (("new", False), ("auto", False), ("seen", True)):
        method, _ = learned(LwF, "class", 1, dropout=0.0, scope=scope)
        task = stream.task(1)
        next(method.learn(task))
        method.eval()
        batch = tiny.batch(task.train)
        got = torch.autograd.grad(method.loss(batch, task)["new"], method.model.head.blocks[0].weight)[0]
        if not touched:
            assert not got.any()
            continue
        with torch.no_grad():
            p = method.model(batch.x).softmax(-1)[:, :2]
            expected = p.T @ method.model.features(batch.x) / len(batch.y)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_old_heads_that_do_not_compete_can_be_left_alone(scenario):
    method, _ = learned(LwF, scenario, 1, train_old_heads=False)
    before = tiny.bits(method.model.head)
    learn(method, tiny.stream(scenario).task(1), **RECIPE)
    kept = all(torch.equal(method.model.head.state_dict()[name], value) for name, value in before.items())
    assert kept == (scenario == "task")


@pytest.mark.parametrize(
    "fields", [{}, {"warmup": 1.0}, {"teacher": "recorded"}, {"teacher": "recorded", "update": "alternating"}]
)
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_a_loss_is_pure_and_a_saved_state_goes_on_the_same(scenario, fields):
    method, _ = learned(LwF, scenario, 1, dropout=0.0, **fields)
    task = tiny.stream(scenario).task(1)
    other = LwF(tiny.net(seed=9), **fields)
    other.load_state_dict(method.state_dict())
    for one in (method, other):
        torch.manual_seed(3)
        learn(one, task, **RECIPE)
    assert tiny.same(tiny.bits(method), tiny.bits(other))
    next(method.learn(tiny.stream(scenario).task(2)))
    task, method = tiny.stream(scenario).task(2), method.eval()
    before, state = method.loss(tiny.batch(task.train), task), tiny.bits(method)
    after = method.loss(tiny.batch(task.train), task)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert tiny.same(state, tiny.bits(method))


def test_labels_that_do_not_follow_one_another_are_found():
    """A stream whose second task brings the labels 1 and 3: groups are then not slices."""
    layout = compile_layouts("task", [(0, 2), (1, 3), (4,)])[2]
    data = tiny.split((4,))
    task = Task(2, *layout, lambda: data)
    method = LwF(tiny.net(norm=False))
    method.model.grow(range(4))
    next(method.learn(task))
    with torch.no_grad():
        nn.init.normal_(method.model.backbone.first.weight, generator=torch.Generator().manual_seed(1))
    logits, answers = method.model(data.x), method.old(data.x)
    expected = sum(distill(logits[:, list(g)], answers[:, list(g)]) for g in ((0, 2), (1, 3)))
    torch.testing.assert_close(method.loss(tiny.batch(data), task)["old"], expected)


def test_it_forgets_less_than_finetune():
    kept = {}
    for kind in (LwF, Finetune):
        method, _ = learned(kind, "task", 1, dropout=0.0, recipe={"lr": 0.3, "epochs": 20})
        data = tiny.stream("task").task(0).train
        before = method.logits(data.x)[:, :2].log_softmax(-1)
        learn(method, tiny.stream("task").task(1), lr=0.3, epochs=20)
        after = method.logits(data.x)[:, :2].log_softmax(-1)
        kept[kind] = (before.exp() * (before - after)).sum(-1).mean().item()
    assert kept[LwF] < 0.5 * kept[Finetune]


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_distillation_as_published_in_2018_is_a_mean_over_labels_times_t_squared(scenario):
    """Oracle: the mean over images and labels of -q log p, times T squared, for each softmax; then their mean."""
    stream = tiny.stream(scenario)
    fields = {"scope": "seen", "grouping": "zero_padded", "balance": "tasks", "kd_scale_t2": True}
    method = LwF(tiny.net(norm=False), kd_reduction="mean", **fields)
    learn(method, stream.task(0), **RECIPE)
    task = stream.task(1)
    next(method.learn(task))
    with torch.no_grad():
        for weight in method.model.parameters():
            weight.mul_(1.1)  # away from the teacher
    batch = tiny.batch(task.train)
    old = method.old(batch.x)
    values = []
    for group in task.old_groups:
        now = task.rivals[group[0]].nonzero().flatten().tolist()
        targets = torch.zeros(len(batch.y), len(now), dtype=old.dtype)
        targets[:, : len(group)] = (old[:, list(group)] / 2).softmax(-1)
        log_probabilities = (method.model(batch.x)[:, now] / 2).log_softmax(-1)
        values.append(-(targets * log_probabilities).mean() * 4)
    torch.testing.assert_close(method.loss(batch, task)["old"], torch.stack(values).mean() / 2)
