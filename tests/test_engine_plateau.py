"""Held-out examples: the rate is lowered, a Fit ends early, its best weights are kept; and what a Fit overrules."""

import math
from dataclasses import dataclass, replace

import pytest
import torch

from forgetless.checks.toys import PLAN, RECIPE, SEED, Case
from forgetless.engine import Engine, Progress, capture
from forgetless.engine.draws import Draws
from forgetless.engine.optimizers import rate, recipe_for
from forgetless.engine.plateau import Plateau, validation_loss
from forgetless.errors import SettingsError
from forgetless.memory import Memory
from forgetless.methods import Fit, Method
from forgetless.ops import cross_entropy
from forgetless.settings.recipe import Recipe

BEST = replace(RECIPE, keep="best", epochs=6)
FALLING = replace(RECIPE, schedule="plateau", keep="best", epochs=30, patience=1, lr_floor=0.02)


@dataclass(eq=False)
class Plain(Method):
    """Fine-tuning."""


class Told(Plain):
    """A method whose validation losses are given beforehand; it keeps its weights at each look."""

    def setup(self):
        self.losses, self.looks = [], []

    def validation_loss(self, batch, task):
        if not len(batch.index) or batch.index[0] == 0:
            self.looks.append(capture(self))
        return torch.tensor(self.losses[len(self.looks) - 1])


def held(case, index=0):
    """A task with its test data as the held-out examples: good enough to be looked at."""
    stream = case.stream
    return replace(stream.task(index), validation=stream.tests[index])


def learn(method, task, recipe, progress=None, watch=lambda step: None):
    progress = progress or Progress(capture(method))
    Engine(recipe, SEED, PLAN).learn(method, task, progress, watch)
    return progress


def told(losses):
    case = Case(Told, {}, "class", "mlp")
    method = case.fresh()
    method.losses = losses
    return method, held(case)


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_weights_of_the_smallest_loss_are_kept_the_first_of_equals():
    method, task = told([3.0, 1.0, 2.0, 1.0, 4.0, 5.0])
    learn(method, task, BEST)
    assert len(method.looks) == 6
    assert equal(capture(method), method.looks[1])
    assert not equal(method.looks[1], method.looks[3])


def test_the_last_weights_are_kept_by_default_and_nobody_looks():
    method, task = told([])
    learn(method, task, replace(BEST, keep="last"))
    assert method.looks == []


def test_the_rate_falls_after_patience_is_used_up_and_ends_below_its_floor():
    method, task = told([1.0] * 40)
    rates = []
    recipe = replace(FALLING, patience=2, lr=0.05, lr_factor=0.5, lr_floor=0.02)
    learn(
        method,
        task,
        recipe,
        watch=lambda step: rates.append((step.epoch, step.rate, step.step == step.steps)),
    )
    per_epoch = math.ceil(len(task.train) / recipe.batch)
    # looks: 1 is best; 2, 3 are not: halved; 4, 5 are not: a quarter, which is below the floor
    assert [epoch for epoch, _, _ in rates] == [epoch for epoch in range(5) for _ in range(per_epoch)]
    assert {epoch: lr for epoch, lr, _ in rates} == {0: 0.05, 1: 0.05, 2: 0.05, 3: 0.025, 4: 0.025}
    assert [last for _, _, last in rates] == [False] * (5 * per_epoch - 1) + [True]


def test_a_smaller_loss_gives_patience_back():
    method, task = told([5.0, 6.0, 4.0, 6.0, 3.0, 6.0, 6.0] + [9.0] * 40)
    rates = []
    learn(
        method,
        task,
        replace(FALLING, patience=2, lr_floor=0.03),
        watch=lambda s: rates.append((s.epoch, s.rate)),
    )
    assert max(epoch for epoch, _ in rates) == 6  # looks 6 and 7 used it up


def test_the_log_ends_with_what_is_left_over_when_a_fit_ends_early():
    method, task = told([1.0] * 40)
    means = []
    learn(method, task, FALLING, watch=lambda step: means.append(step.terms))
    assert means[-1] is not None


@pytest.mark.parametrize("recipe", [BEST, FALLING], ids=["best", "plateau"])
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_stopped_at_any_step_it_goes_on_to_the_same_bits(recipe, network):
    case = Case(Plain, {}, "class", network)
    moments, whole = [], case.fresh()
    learn(whole, held(case), recipe, watch=lambda step: moments.append(step.moment()))
    assert len(moments) > 10
    for moment in (moments[0], *moments[4::7], moments[-1]):
        again = case.fresh()
        start = capture(again)
        learn(again, held(case), recipe, Progress(start, [], moment))
        assert equal(capture(again), capture(whole))


def test_looking_disturbs_nothing():
    plain, watched = (Case(Plain, {}, "class", "conv") for _ in range(2))
    a, b = plain.fresh(), watched.fresh()
    learn(a, held(plain), RECIPE)
    # a plateau that never falls: the floor is far below, patience longer than the run
    learn(b, held(watched), replace(RECIPE, schedule="plateau", patience=99))
    assert equal(capture(a), capture(b))


def test_the_loss_is_the_mean_over_all_held_out_examples_in_evaluation_mode():
    case = Case(Plain, {}, "task", "mlp")
    method, task = case.fresh(), held(case)
    learn(method, task, RECIPE)
    method.train()
    found = validation_loss(method, task, PLAN)
    assert all(module.training for module in method.modules())
    method.eval()
    data = task.validation
    expected = cross_entropy(method.model(data.inputs(slice(None))), data.y, task.rivals)
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_nothing_held_out_is_refused():
    case = Case(Plain, {}, "class", "mlp")
    with pytest.raises(SettingsError, match="held out"):
        learn(case.fresh(), case.stream.task(0), BEST)


def test_a_fit_with_a_loss_or_a_schedule_of_its_own_is_not_watched():
    case = Case(Plain, {}, "class", "mlp")
    task = held(case)
    for fit in (Fit(task.train, case.fresh().loss), Fit(task.train, schedule="cosine")):
        plateau = Plateau(FALLING, fit, task, PLAN)
        assert not plateau.lowers
        assert not plateau.keeps


# What a Fit overrules.


def test_a_fit_overrules_each_part_of_the_recipe():
    case = Case(Plain, {}, "class", "mlp")
    own = {"epochs": 3, "lr": 0.5, "optimizer": "adam", "momentum": 0.1, "weight_decay": 0.2, "batch": 7}
    fit = Fit(case.stream.task(0).train, schedule="cosine", **own)
    base = Recipe(steps=50)
    assert recipe_for(base, fit) == replace(base, steps=None, schedule="cosine", **own)
    assert recipe_for(base, Fit(fit.data)) == base


def test_a_schedule_may_be_a_function_of_progress():
    case = Case(Plain, {}, "class", "mlp")
    fit = Fit(case.stream.task(0).train, lr=2.0, schedule=lambda progress: 0.1 if progress >= 0.5 else 1.0)
    recipe = recipe_for(Recipe(), fit)
    assert [rate(recipe, fit, step, 4) for step in range(4)] == [2.0, 2.0, 0.2, 0.2]


class Hooked(Plain):
    """Two Fits; the first has hooks of its own."""

    def setup(self):
        self.called = []

    def learn(self, task):
        self.model.grow(task.classes)
        own = {"after_backward": self.own_backward, "after_step": self.own_step}
        yield Fit(task.train, name="first", epochs=1, **own)
        yield Fit(task.train, epochs=1)

    def own_backward(self, batch, task):
        self.called.append("own backward")

    def own_step(self, batch, task, aux):
        self.called.append("own step")

    def after_step(self, batch, task, aux):
        self.called.append("step")


def test_hooks_of_a_fit_stand_in_for_those_of_the_method():
    case = Case(Hooked, {}, "class", "mlp")
    method, task = case.fresh(), case.stream.task(0)
    learn(method, task, RECIPE)
    steps = math.ceil(len(task.train) / RECIPE.batch)
    assert method.called == ["own backward", "own step"] * steps + ["step"] * steps


# Replay.


class Replays(Plain):
    """Fine-tuning with a memory of all earlier examples' first third."""

    def setup(self):
        self.memory, self.met = Memory(), []

    def learn(self, task):
        self.model.grow(task.classes)
        replay = self.memory.split(task.train) if len(self.memory) else None
        yield Fit(task.train, replay=replay, replay_batch=4)
        self.memory.add(task.train, torch.arange(len(task.train))[::3])

    def loss(self, batch, task):
        self.met.append(batch)
        terms = {"new": cross_entropy(self.model(batch.x), batch.y, task.rivals)}
        if batch.replay is not None:
            terms["old"] = cross_entropy(self.model(batch.replay.x), batch.replay.y, task.rivals)
        return terms


def test_a_second_batch_is_drawn_from_what_is_replayed_each_example_once_a_pass():
    case = Case(Replays, {}, "class", "mlp")
    method = case.fresh()
    learn(method, case.stream.task(0), RECIPE)
    assert all(batch.replay is None for batch in method.met)
    size, method.met = len(method.memory), []
    task = case.stream.task(1)
    learn(method, task, RECIPE)
    assert all(batch.replay.x.shape == (4, 1, 8, 8) for batch in method.met)
    assert set(torch.cat([batch.replay.y for batch in method.met]).tolist()) == set(task.seen) - set(
        task.classes
    )
    first = torch.cat([batch.replay.index for batch in method.met[: size // 4]])
    assert sorted(first.tolist()) == list(range(size))


def test_what_is_replayed_depends_on_seed_task_fit_and_epoch_and_comes_back_after_a_stop():
    case = Case(Replays, {}, "class", "conv")
    method = case.fresh()
    learn(method, case.stream.task(0), RECIPE)
    start = capture(method)
    moments, whole = [], case.fresh()
    learn(whole, case.stream.task(1), RECIPE, Progress(start), lambda step: moments.append(step.moment()))
    for moment in moments:
        again = case.fresh()
        learn(again, case.stream.task(1), RECIPE, Progress(start, [], moment))
        assert equal(capture(again), capture(whole))


def test_a_batch_as_large_as_the_memory_or_larger_takes_all_of_it():
    case = Case(Replays, {}, "class", "mlp")
    task = case.stream.task(0)
    small = task.train.select(torch.arange(3))
    draws = Draws(SEED, 0, Fit(task.train, replay=small, replay_batch=64), 10, 2)
    assert sorted(draws.batch(0, 2).replay.index.tolist()) == [0, 1, 2]


def test_replaying_nothing_is_refused():
    case = Case(Plain, {}, "class", "mlp")
    data = case.stream.task(0).train
    with pytest.raises(SettingsError, match="holds nothing"):
        Fit(data, replay=data.select(torch.arange(0)))
