"""The engine does what a plain loop does, step for step, and can go on from any step."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from reference_loop import select as reference_select
from reference_loop import step as reference_step
from torch import nn

from forgetless.checks.reads import HostReads
from forgetless.checks.toys import PLAN, RECIPE, SEED, Case, accelerated, ignore
from forgetless.data import Batch
from forgetless.engine import Engine, Progress, capture, evaluate, hash_of_tensors, restore
from forgetless.engine.optimizers import rate
from forgetless.engine.selection import select
from forgetless.engine.terms import LOG_EVERY
from forgetless.errors import DivergedError, SettingsError
from forgetless.methods import METHODS, Fit, Method
from forgetless.models import Snapshot
from forgetless.ops import cross_entropy
from forgetless.randomness import derive, generator, seeded
from forgetless.settings.recipe import Recipe


def case(method="finetune", scenario="class", network="mlp", **hyper):
    return Case(
        METHODS[method] if isinstance(method, str) else dataclass(eq=False)(method), hyper, scenario, network
    )


def learn(method, task, recipe=RECIPE, *, seed=SEED, plan=PLAN, watch=ignore):
    Engine(recipe, seed, plan).learn(method, task, Progress(capture(method)), watch)


# Against the plainest loop there is.

OPTIMIZERS = {
    "sgd": lambda weights, r, fused: torch.optim.SGD(
        weights, lr=r.lr, momentum=r.momentum, weight_decay=r.weight_decay, fused=fused
    ),
    "adam": lambda weights, r, fused: torch.optim.Adam(
        weights, lr=r.lr, weight_decay=r.weight_decay, fused=fused
    ),
    "adamw": lambda weights, r, fused: torch.optim.AdamW(
        weights, lr=r.lr, weight_decay=r.weight_decay, fused=fused
    ),
}


def learn_plainly(method, task, recipe, seed, *, fused):
    """Oracle: one loop over the Fits, one over the epochs, one over the batches, each draw seeded where it is made."""
    plan, number = method.learn(task), 0
    while True:
        with seeded(seed, "init", task.index, number):
            fit = next(plan, None)
        if fit is None:
            break
        solve_plainly(method, task, fit, recipe, seed, fused=fused)
        number += 1
    method.requires_grad_(False).eval()


def solve_plainly(method, task, fit, recipe, seed, *, fused):
    mine = replace(recipe, lr=fit.lr or recipe.lr)
    weights = reference_select(method, fit.only)
    shares = [
        next(
            (share for part, share in fit.rates.items() if any(weight is one for one in part.parameters())),
            1.0,
        )
        for weight in weights
    ]
    optimizer = OPTIMIZERS[recipe.optimizer]([{"params": [weight]} for weight in weights], mine, fused)
    epochs = int(recipe.epochs if fit.epochs is None else fit.epochs)
    total, done = epochs * math.ceil(len(fit.data) / recipe.batch), 0
    for epoch in range(epochs):
        about = (task.index, fit.name, epoch)
        order = torch.randperm(len(fit.data), generator=generator(seed, "order", *about))
        augment = generator(seed, "augment", *about)
        torch.manual_seed(derive(seed, "dropout", *about))
        for rows in order.split(recipe.batch):
            for group, share in zip(optimizer.param_groups, shares, strict=True):
                group["lr"] = share * rate(mine, fit, done, total)
            for visit in range(fit.visits):
                x, progress = fit.data.inputs(rows, augment), torch.tensor(done / total)
                batch = Batch(x, fit.data.y[rows], rows, progress, visit=visit)
                reference_step(method, fit, task, batch, optimizer)
            done += 1


METHODS_TO_COMPARE = [
    ("finetune", {}),
    ("finetune", {"warmup": 1.0, "shared_lr": 0.25}),
    ("lwf", {"warmup": 1.0, "warmup_lr": 0.01}),
    ("lwf", {"update": "alternating"}),
    ("l2_anchor", {}),
    ("joint", {}),
]


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "hyper"), METHODS_TO_COMPARE)
def test_the_engine_equals_the_plain_loop_to_the_bit(name, hyper, optimizer, network):
    recipe = replace(RECIPE, optimizer=optimizer, lr=0.02, schedule="cosine")
    these = case(name, network=network, **hyper)
    ours, plain, other = these.fresh(), these.fresh(), these.fresh()
    for index in range(2):
        learn(ours, these.task(index), recipe)
        learn_plainly(plain, these.task(index), recipe, SEED, fused=True)
        learn_plainly(other, these.task(index), recipe, SEED, fused=False)
    assert hash_of_tensors(capture(ours)) == hash_of_tensors(capture(plain))
    for name_of, value in capture(other).items():  # torch's loops over single weights round otherwise
        torch.testing.assert_close(value, capture(ours)[name_of], rtol=2e-3, atol=2e-4)


def test_a_wrong_order_would_be_noticed():
    these = case()
    ours, plain = these.fresh(), these.fresh()
    learn(ours, these.task(0))
    learn_plainly(plain, these.task(0), RECIPE, SEED + 1, fused=True)
    assert hash_of_tensors(capture(ours)) != hash_of_tensors(capture(plain))


# Rates and steps.


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0] * 20),
        ("step", [1.0] * 12 + [0.1] * 5 + [0.01] * 3),
        ("cosine", [(1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)]),
    ],
)
def test_rates(schedule, expected):
    recipe = Recipe(steps=20, batch=10, lr=0.5, schedule=schedule, optimizer="sgd")
    seen = []
    these = case()
    learn(these.fresh(), these.task(0), recipe, watch=lambda step: seen.append(step.rate))
    assert seen == pytest.approx([0.5 * share for share in expected])


def test_milestones_of_a_published_schedule():
    """iCaRL's: a fifth after 49 and after 63 of 70 epochs."""
    recipe = replace(RECIPE, schedule="step", milestones=(0.7, 0.9), step_factor=0.2, lr=2.0)
    rates = [rate(recipe, Fit(None), epoch, 70) for epoch in range(70)]
    assert rates == pytest.approx([2.0] * 49 + [0.4] * 14 + [0.08] * 7)


@pytest.mark.parametrize(
    ("recipe", "sizes"),
    [
        ({"epochs": 2, "batch": 10}, [10, 10, 4] * 2),
        ({"epochs": 1, "batch": 24}, [24]),
        ({"epochs": 1, "batch": 100}, [24]),
        ({"epochs": 0.5, "batch": 10}, [10, 10]),
        ({"epochs": 1.5, "batch": 8}, [8, 8, 8, 8]),
        ({"epochs": 0.01, "batch": 8}, [8]),
        ({"steps": 7, "batch": 10, "epochs": 100}, [10, 10, 4, 10, 10, 4, 10]),
        ({"steps": 2, "batch": 10}, [10, 10]),
    ],
)
def test_steps(recipe, sizes):
    batches, steps = batches_of(Recorder, Recipe(optimizer="sgd", lr=0.01, **recipe))
    assert [len(batch.y) for batch in batches] == sizes
    assert [step.step for step in steps] == list(range(1, len(sizes) + 1))
    assert {step.steps for step in steps} == {len(sizes)}
    assert [batch.progress.item() for batch in batches] == pytest.approx(
        [i / len(sizes) for i in range(len(sizes))]
    )


def test_an_epoch_is_every_example_once_in_an_order_of_its_own():
    batches, steps = batches_of(Recorder, Recipe(epochs=3, batch=10, optimizer="sgd"))
    epochs = [
        torch.cat([b.index for b, s in zip(batches, steps, strict=True) if s.epoch == e]) for e in range(3)
    ]
    for order in epochs:
        assert order.sort().values.tolist() == list(range(24))
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


class Recorder(Method):
    """Fine-tuning that shows each batch to the test."""

    def setup(self):
        self.seen = []

    def loss(self, batch, task):
        self.seen.append((batch, torch.get_rng_state()))
        return super().loss(batch, task)


class WithWarmup(Recorder):
    def learn(self, task):
        fresh = self.model.grow(task.classes)
        yield Fit(task.train, only=fresh, name="warmup", epochs=1.3, lr=0.001)
        torch.rand(5)
        yield Fit(task.train)


def batches_of(made, recipe=RECIPE, *, seed=SEED, index=0, fit="main"):
    """What a method was shown in one Fit of a task, and the steps."""
    these, steps = case(made), []
    method = these.fresh()
    learn(method, these.task(index), recipe, seed=seed, watch=steps.append)
    own = [place for place, step in enumerate(steps) if step.fit == fit]
    return [method.seen[place][0] for place in own], [steps[place] for place in own]


def test_a_warm_up_shifts_neither_order_nor_augmentation_nor_dropout():
    shown = []
    for made in (Recorder, WithWarmup):
        these = case(made)
        method = these.fresh()
        steps = []
        learn(method, these.task(0), watch=steps.append)
        shown.append([seen for seen, step in zip(method.seen, steps, strict=True) if step.fit == "main"])
    assert len(shown[0]) == len(shown[1]) == 6
    for (batch, dropout), (other, other_dropout) in zip(*shown, strict=True):
        assert torch.equal(batch.index, other.index)
        assert torch.equal(batch.x, other.x)
        assert torch.equal(dropout, other_dropout)


def test_order_and_augmentation_differ_between_seeds_tasks_fits_and_epochs():
    def order(**where):
        return torch.cat([batch.index for batch in batches_of(**where)[0]])[:20].tolist()

    plain = order(made=WithWarmup)
    others = [
        order(made=WithWarmup, seed=1),
        order(made=WithWarmup, index=1),
        order(made=WithWarmup, fit="warmup"),
    ]
    assert all(other != plain for other in others)
    first = batches_of(Recorder)[0][0]
    untouched = case(Recorder).task(0).train.inputs(first.index)
    assert not torch.equal(first.x, untouched)


def test_a_fit_may_leave_augmentation_out():
    class Stored(Recorder):
        def learn(self, task):
            self.model.grow(task.classes)
            yield Fit(task.train, augment=False)

    for batch in batches_of(Stored)[0]:
        assert torch.equal(batch.x, case(Stored).task(0).train.inputs(batch.index))


# Several visits of each batch.


class Visited(Recorder):
    """Meets each batch several times, with a memory beside it."""

    visits: int = 3

    def learn(self, task):
        self.model.grow(task.classes)
        yield Fit(task.train, replay=task.train, replay_batch=5, visits=self.visits)


def test_each_visit_meets_the_same_examples_augmented_anew():
    these, recipe = case(Visited), replace(RECIPE, optimizer="adam", schedule="cosine")
    method, once = these.fresh(), case(Visited, visits=1).fresh()
    told, updates = [], []
    for one in (method, once):
        steps = []
        learn(one, these.task(0), recipe, watch=steps.append)
        told.append([(step.step, step.steps, step.epoch, step.rate) for step in steps])
        moments = steps[-1].moment().optimizer
        updates.append({value.item() for name, value in moments.items() if name.endswith("step")})
    assert told[0] == told[1], "steps, epochs and schedule count batches"
    assert updates == [{18.0}, {6.0}], "the optimiser counts visits"
    assert len(method.seen) == 3 * len(once.seen) == 18
    for place, (single, _) in enumerate(once.seen):
        batches, dropout = zip(*method.seen[3 * place : 3 * place + 3], strict=True)
        assert [batch.visit for batch in batches] == [0, 1, 2]
        assert {batch.progress.item() for batch in batches} == {single.progress.item()}
        for part, other in ((batches, single), ([b.replay for b in batches], single.replay)):
            assert all(torch.equal(batch.index, other.index) for batch in part)
            assert all(torch.equal(batch.y, other.y) for batch in part)
            assert not any(torch.equal(part[0].x, batch.x) for batch in part[1:])
        assert not any(torch.equal(dropout[0], state) for state in dropout[1:])


class InTurn(Method):
    """One term in the first visit, two in the second; the second breaks where it is told to."""

    at: int = 999

    def learn(self, task):
        self.model.grow(task.classes)
        yield Fit(task.train, visits=2)

    def setup(self):
        self.told = []

    def loss(self, batch, task):
        (new,) = super().loss(batch, task).values()
        terms = {"late": 2 * new, "new": 3 * new} if batch.visit else {"new": new}
        self.told.append({name: value.item() for name, value in terms.items()})
        broken = (batch.progress * 120 >= self.at - 0.5) & (batch.visit == 1)
        return terms | {"new": torch.where(broken, math.nan, terms["new"])}


def test_the_log_tells_of_all_visits_of_a_step_together():
    these, steps = case(InTurn), []
    method = these.fresh()
    learn(method, these.task(0), LONG, watch=steps.append)
    told = [step.terms for step in steps if step.terms]
    assert [step.step for step in steps if step.terms] == [50, 100, 120]
    for start, terms in zip((0, 50, 100), told, strict=True):
        part = method.told[2 * start : 2 * start + 100]
        assert list(terms) == ["new", "late"]
        for name, mean in terms.items():
            total = sum(visit.get(name, 0.0) for visit in part)
            assert mean == pytest.approx(total / (len(part) / 2))


@pytest.mark.parametrize("plan", [PLAN, accelerated()], ids=["cpu", "accelerator"])
def test_what_breaks_in_a_later_visit_is_found(plan):
    these = case(InTurn, at=3)
    with pytest.raises(DivergedError, match=r"'new' is not a finite number in task 1, fit 'main', step"):
        learn(these.fresh(), these.task(0), LONG, plan=plan)


def test_no_visit_at_all_is_refused():
    with pytest.raises(SettingsError, match="'main' was asked for 0 visits of each batch"):
        Fit(None, visits=0)


# What is not finite.


class Breaks(Method):
    """A term that is not finite from one step on."""

    at: int = 3
    value: object = math.nan  # of no type that settings know: as a number it would be refused

    def loss(self, batch, task):
        terms = super().loss(batch, task)
        logits = self.model(batch.x)
        reached = batch.progress * 120 >= self.at - 0.5
        broken = torch.where(reached, torch.tensor(self.value), torch.tensor(0.0))
        return terms | {"quiet": 0 * logits.sum(), "broken": logits.square().mean() * 0 + broken}


LONG = Recipe(steps=120, batch=10, optimizer="sgd", lr=0.01, momentum=0.9)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_on_a_cpu_training_stops_before_the_weights_are_spoilt(value):
    these = case(Breaks, value=value)
    method, before = these.fresh(), {}

    def watch(step):
        before.update(capture(method))
        before["step"] = step.step

    with pytest.raises(
        DivergedError, match=r"'broken' is not a finite number in task 1, fit 'main', step 4"
    ) as caught:
        learn(method, these.task(0), LONG, watch=watch)
    assert caught.value.exit_code == 4
    assert "quiet" not in str(caught.value)
    assert before.pop("step") == 3
    assert hash_of_tensors(before) == hash_of_tensors(capture(method))


@pytest.mark.parametrize("at", [0, 1, 49, 50, 60, 99, 100, 119])
def test_on_an_accelerator_it_is_found_within_fifty_steps(at):
    these, done = case(Breaks, at=at), []
    with pytest.raises(DivergedError, match=r"'broken'.* not a finite number in task 1, fit 'main', steps"):
        learn(
            these.fresh(), these.task(0), LONG, plan=accelerated(), watch=lambda step: done.append(step.step)
        )
    assert at <= len(done) < at + LOG_EVERY


ONE_STEP = Recipe(steps=1, batch=10, optimizer="sgd", lr=1e300)
SPOILT = r"Task 1, fit 'main', left weights that are not finite"


@pytest.mark.parametrize("plan", [PLAN, accelerated()], ids=["cpu", "accelerator"])
def test_weights_that_the_last_step_spoils_are_found(plan):
    """Each loss was finite, for a loss is of the weights before its step."""
    these, steps = case(), []
    with pytest.raises(DivergedError, match=SPOILT):
        learn(these.fresh(), these.task(0), ONE_STEP, plan=plan, watch=steps.append)
    assert [math.isfinite(step.terms["new"]) for step in steps] == [True]


def test_they_are_found_where_a_run_was_stopped_after_that_step_too():
    these = case()
    method, moments = these.fresh(), []
    progress = Progress(capture(method))
    with pytest.raises(DivergedError):
        learn(method, these.task(0), ONE_STEP, watch=lambda step: moments.append(step.moment()))
    progress.now = moments[-1]
    with pytest.raises(DivergedError, match=SPOILT):
        Engine(ONE_STEP, SEED, PLAN).learn(these.fresh(), these.task(0), progress, ignore)
    assert not progress.finished


def test_weights_that_rest_may_be_what_they_are():
    class Bounded(Method):
        def setup(self):
            self.bound = nn.Parameter(torch.tensor(math.inf))

        def learn(self, task):
            self.model.grow(task.classes)
            yield Fit(task.train, only=self.model)

    these = case(Bounded)
    method = these.fresh()
    learn(method, these.task(0))
    assert method.bound.isinf()


# Waiting for an accelerator.


def reads_of(plan, made=Recorder, recipe=LONG):
    """How many values the host has read during each step, where the loss is told and where not."""
    these, counts = case(made), []
    method = these.fresh()
    with HostReads() as reads:

        def watch(step):
            counts.append((len(reads.places), step.terms is not None))
            reads.places.clear()

        learn(method, these.task(0), recipe, plan=plan, watch=watch)
    return counts


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_on_an_accelerator_no_step_waits_between_two_lines_of_the_log(optimizer):
    counts = reads_of(accelerated(), recipe=replace(LONG, optimizer=optimizer))
    assert [place + 1 for place, (_, told) in enumerate(counts) if told] == [50, 100, 120]
    assert [reads for reads, told in counts if not told][1:] == [
        0
    ] * 116  # the first one is after `learn` began
    assert all(reads == 1 for reads, told in counts if told)


def test_on_a_cpu_a_step_reads_one_number():
    counts = reads_of(PLAN)
    assert [reads for reads, told in counts if not told][1:] == [1] * 116
    assert all(reads == 2 for reads, told in counts if told)


@pytest.mark.parametrize("plan", [PLAN, accelerated()], ids=["cpu", "accelerator"])
def test_after_its_last_step_a_fit_reads_one_number(plan):
    these = case()
    method, task = these.fresh(), these.task(0)
    method.model.grow(task.classes)
    with HostReads() as reads:
        Engine(LONG, SEED, plan).fit(method, task, Fit(task.train), None, lambda _: reads.places.clear())
    assert len(reads.places) == 1


def test_a_read_is_seen_whatever_its_form():
    x = torch.arange(6.0)
    forms = [
        lambda: x[0].item(), lambda: x.tolist(), lambda: float(x[0]), lambda: int(x[0]), lambda: bool(x[0] > 1),
        lambda: x.numpy(), lambda: x.nonzero(), lambda: x[x > 2], lambda: torch.equal(x, x), lambda: x.unique(),
        lambda: x.cpu(), lambda: x.masked_select(x > 1), lambda: torch.where(x > 1), lambda: list(range(x[3].long())),
    ]  # fmt: skip
    for number, form in enumerate(forms):
        with HostReads() as reads:
            form()
        assert reads.places, f"form {number}"
    with HostReads() as reads:
        torch.where(x > 1, x, 0 * x).softmax(0)[torch.tensor([1, 2])].sum().clamp(max=1)
    assert not reads.places


def test_the_log_holds_means_since_it_was_last_read():
    steps, values = [], []

    class Told(Method):
        def loss(self, batch, task):
            terms = super().loss(batch, task)
            values.append(terms["new"].item())
            return terms

    these = case(Told)
    learn(these.fresh(), these.task(0), LONG, watch=steps.append)
    told = [step.terms["new"] for step in steps if step.terms]
    assert told == pytest.approx(
        [sum(part) / len(part) for part in (values[:50], values[50:100], values[100:])]
    )


# What is trained, and what rests.


class Watched(Method):
    """Trains what the test says, and notes which modules are in training mode."""

    def setup(self):
        self.modes = []
        self.teacher = None

    def learn(self, task):
        self.teacher = Snapshot(self.model) if task.index else None
        self.model.grow(task.classes)
        yield Fit(task.train, only=self.chosen())

    def loss(self, batch, task):
        self.modes.append({name for name, module in self.named_modules() if module.training})
        if self.teacher is not None:
            self.teacher(batch.x)
        return super().loss(batch, task)


ONLY = {
    "the head": lambda self: self.model.head,
    "a list": lambda self: [self.model.head.blocks[-1]],
    "a tuple": lambda self: (self.model.head.blocks[-1], self.model.backbone.second),
    "a weight": lambda self: self.model.head.blocks[-1].weight,
    "a weight in a list": lambda self: [self.model.head.blocks[-1].weight],
}


@pytest.mark.parametrize("chosen", ONLY)
def test_what_is_left_out_rests_to_the_bit(chosen):
    made = type("Chosen", (Watched,), {"chosen": ONLY[chosen]})
    these = case(made, network="conv")
    method = these.fresh()
    method.chosen = lambda: None
    learn(method, these.task(0))
    method.chosen, method.modes = lambda: ONLY[chosen](method), []
    before = capture(method)
    learn(method, these.task(1), replace(RECIPE, momentum=0.9, weight_decay=0.1))
    after = capture(method)
    named = ONLY[chosen](method)
    named = list(named) if isinstance(named, list | tuple) else [named]
    trained = {
        id(w) for item in named for w in ([item] if isinstance(item, nn.Parameter) else item.parameters())
    }
    own = {name for name, w in method.named_parameters() if id(w) in trained}
    running = {name for name in after if "running" in name or "batches" in name}
    active = {name for name in running if chosen == "a tuple" and ".second." in name}
    for name, value in before.items():
        assert torch.equal(value, after[name]) == (name not in own | active), name
    assert not any("teacher" in name or name in ("", "model") for mode in method.modes for name in mode)


def test_a_snapshot_named_to_be_trained_stays_at_rest():
    class Misled(Watched):
        def chosen(self):
            return None if self.teacher is None else [self.model, self.teacher.module]

    these = case(Misled, network="conv")
    method = these.fresh()
    learn(method, these.task(0))
    learn(method, these.task(1))
    kept = dict(method.teacher.module.named_buffers())
    assert not any("teacher" in name for mode in method.modes for name in mode)
    assert all(not w.requires_grad for w in method.teacher.parameters())
    again = these.fresh()
    learn(again, these.task(0))
    for name, value in again.model.named_buffers():
        assert torch.equal(value, kept[name]), name


def test_training_nothing_is_refused():
    class Nothing(Watched):
        def chosen(self):
            return []

    these = case(Nothing)
    with pytest.raises(SettingsError, match="'main' of Nothing names nothing that can be trained"):
        learn(these.fresh(), these.task(0))
    method = these.fresh()
    method.teacher = Snapshot(method.model)
    with pytest.raises(SettingsError, match="nothing that can be trained"):
        select(method, Fit(these.task(0).train, only=list(method.teacher.parameters())))


def test_after_a_task_nothing_is_trained_and_no_gradient_is_left():
    method = case().learned(2)
    assert not any(module.training for module in method.modules())
    assert not any(weight.requires_grad or weight.grad is not None for weight in method.parameters())


def test_hooks_come_in_their_order():
    events = []

    class Hooked(Method):
        def loss(self, batch, task):
            events.append("loss")
            return super().loss(batch, task), {"size": torch.tensor(len(batch.y))}

        def after_backward(self, batch, task):
            assert self.model.head.blocks[0].weight.grad is not None
            self.before = self.model.head.blocks[0].weight.detach().clone()
            events.append("backward")

        def after_step(self, batch, task, aux):
            assert not torch.is_grad_enabled()
            assert aux["size"] == len(batch.y)
            assert not torch.equal(self.before, self.model.head.blocks[0].weight)
            assert self.model.head.blocks[0].weight.grad is not None
            events.append("step")

    these = case(Hooked)
    learn(these.fresh(), these.task(0), Recipe(steps=2, batch=8))
    assert events == ["loss", "backward", "step"] * 2


def test_a_fits_own_loss_takes_the_place_of_the_methods():
    class Two(Method):
        def learn(self, task):
            self.model.grow(task.classes)
            yield Fit(task.train, self.first, name="first")
            yield Fit(task.train)

        def first(self, batch, task):
            return {"other": cross_entropy(self.model(batch.x), batch.y, task.rivals)}

    these, told = case(Two), {}
    learn(these.fresh(), these.task(0), watch=lambda s: told.update({s.fit: s.terms} if s.terms else {}))
    assert {fit: set(terms) for fit, terms in told.items()} == {"first": {"other"}, "main": {"new"}}


# What a method may hand over.

NO_TERMS = {
    "None": (lambda new: None, "gave None"),
    "a tensor": (lambda new: new, "gave a Tensor"),
    "no terms": (lambda new: {}, "gave no term at all"),
    "no terms, with more": (lambda new: ({}, {}), "gave no term at all"),
    "a number": (lambda new: {"new": new, "more": 0.0}, "gave a float for its term 'more'"),
    "a row": (lambda new: {"new": new.expand(3)}, r"gave a tensor of shape \(3,\) for its term 'new'"),
    "a row of one": (lambda new: {"new": new.view(1)}, r"gave a tensor of shape \(1,\) for its term 'new'"),
    "three things": (lambda new: ({"new": new}, {}, {}), "gave a tuple"),
    "what has no gradient": (lambda new: {"new": new.detach()}, "gave terms that train nothing"),
    "no tensor with more": (lambda new: (new, {}), "gave a Tensor"),
}


@pytest.mark.parametrize("what", NO_TERMS)
@pytest.mark.parametrize("plan", [PLAN, accelerated()], ids=["cpu", "accelerator"])
@pytest.mark.parametrize("late", [False, True])
def test_a_loss_that_gives_no_terms_is_refused(what, plan, late):
    given, words = NO_TERMS[what]

    class Mine(Method):
        def loss(self, batch, task):
            (new,) = super().loss(batch, task).values()
            return given(new) if batch.progress > 0 or not late else {"new": new}

    these = case(Mine)
    with pytest.raises(SettingsError, match=rf"^Mine: the loss of the Fit 'main' {words}.* each a tensor of"):
        learn(these.fresh(), these.task(0), plan=plan)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda task: None, "None"),
        (lambda task: task.train, "a Split"),
        (lambda task: [Fit(task.train)], "a list"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_is_yielded_must_be_a_fit(given, words, first):
    class Mine(Method):
        def learn(self, task):
            self.model.grow(task.classes)
            if not first:
                yield Fit(task.train)
            yield given(task)

    these = case(Mine)
    with pytest.raises(SettingsError, match=rf"^Mine.learn yielded {words}"):
        learn(these.fresh(), these.task(0))


@pytest.mark.parametrize(
    ("given", "words"),
    [(lambda fit: fit, "a Fit"), (lambda fit: [fit], "a list"), (lambda fit: iter([fit]), "a list_")],
)
def test_fits_that_are_returned_are_not_passed_over(given, words):
    class Mine(Method):
        def learn(self, task):
            self.model.grow(task.classes)
            return given(Fit(task.train))

    these = case(Mine)
    with pytest.raises(SettingsError, match=rf"^Mine.learn returned {words}"):
        learn(these.fresh(), these.task(0))


# Going on from any step.


@pytest.mark.parametrize("update", ["summed", "alternating"])
def test_stopped_after_every_single_step_it_ends_with_the_same_bits(update):
    """A warm-up, dropout, augmentation, momentum, visits; every step of both Fits, the last ones too."""
    these = case("lwf", scenario="task", warmup=1.0, update=update)
    method, steps = these.learned(1), []
    start = capture(method)
    learn(method, these.task(1), watch=steps.append)
    end = hash_of_tensors(capture(method))
    assert [step.fit for step in steps] == ["warmup"] * 3 + ["main"] * 6
    for stop in range(len(steps)):
        progress = stopped_after(these, Progress(dict(start)), stop + 1)
        assert len(progress.finished) == (stop >= 3)
        resumed, rest = these.fresh(seed=9), []
        Engine(RECIPE, SEED, PLAN).learn(resumed, these.task(1), progress, rest.append)
        assert hash_of_tensors(capture(resumed)) == end, f"stopped after step {stop + 1}"
        assert [step.terms for step in rest] == [step.terms for step in steps[stop + 1 :]], (
            "the log's means too"
        )


def test_stopped_again_and_again_it_ends_with_the_same_bits():
    these = case("lwf", network="conv", warmup=1.0)
    method = these.learned(1)
    progress = Progress(capture(method))
    learn(method, these.task(1))
    for _ in range(9):
        progress = stopped_after(these, progress, 1)
    resumed = these.fresh(seed=9)
    Engine(RECIPE, SEED, PLAN).learn(resumed, these.task(1), progress, ignore)
    assert hash_of_tensors(capture(resumed)) == hash_of_tensors(capture(method))


class StoppedError(Exception):
    """What a watcher raises."""


def stopped_after(these, progress, count):
    """Learn so many more steps of the second task, then stop."""
    made = 0

    def watch(step):
        nonlocal made
        made += 1
        if made == count:
            progress.now = step.moment()
            raise StoppedError

    with pytest.raises(StoppedError):
        Engine(RECIPE, SEED, PLAN).learn(these.fresh(seed=9), these.task(1), progress, watch)
    return progress


def test_a_moment_is_a_copy():
    these, moments = case("lwf"), []
    learn(these.fresh(), these.task(0), watch=lambda step: moments.append(step.moment()))
    assert len({hash_of_tensors(moment.method) for moment in moments}) == len(moments)
    assert len({hash_of_tensors(moment.optimizer) for moment in moments}) == len(moments)


def test_the_ambient_generator_is_left_as_it_was():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    case().learned(1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_foreign_state_is_refused():
    method, other = case("joint").learned(1), case("lwf").learned(1)
    with pytest.raises(ValueError, match="belongs to another method"):
        restore(other, capture(method))
    state = capture(other)
    state.pop("model.head.blocks.0.bias")
    with pytest.raises((ValueError, RuntimeError)):
        restore(other, state)


def test_a_hash_of_tensors_sees_names_kinds_shapes_and_every_bit():
    state = {"a": torch.arange(4.0), "b": torch.zeros(2)}
    hashes = {
        hash_of_tensors(s)
        for s in (
            state, {"a": state["a"], "c": state["b"]}, {**state, "a": state["a"].view(2, 2)},
            {**state, "b": torch.zeros(2, dtype=torch.int32)}, {**state, "b": torch.tensor([0.0, -0.0])},
        )
    }  # fmt: skip
    assert len(hashes) == 5
    assert hash_of_tensors(dict(reversed(state.items()))) == hash_of_tensors(state)


# Evaluation.


class Oracle(Method):
    """Answers with the label that the first pixel encodes, shifted by one where it is not told the task."""

    def learn(self, task):
        self.model.grow(task.classes)
        yield Fit(task.train)

    def logits(self, x, task=None):
        self.told.append(None if task is None else task.index)
        scores = torch.zeros(len(x), 6)
        scores[:, 2] = 1.0
        scores[:, 5] = 2.0
        return scores

    def setup(self):
        self.told = []


@pytest.mark.parametrize(
    ("scenario", "aware", "agnostic"),
    [("task", [0, 2], None), ("class", [0, 2], [2, 2]), ("domain", None, [0, 0])],
)
def test_who_is_told_the_task_and_which_labels_compete(scenario, aware, agnostic):
    these = case(Oracle, scenario=scenario)
    method = these.fresh()
    answers = evaluate(method, these.stream, 1, PLAN)
    assert set(method.told) == ({0, 1} if scenario == "task" else {None})
    for index, answer in enumerate(answers):
        for labels, expected in ((answer.aware, aware), (answer.agnostic, agnostic)):
            assert (labels is None) == (expected is None)
            if labels is not None:
                assert labels.tolist() == [expected[index]] * 16
