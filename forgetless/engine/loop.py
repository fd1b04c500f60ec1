"""The loop. It solves the `Fit`s that a method yields, one after the other, and can go on from any step."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

import torch
from torch import Tensor

from ..data import Batch, Task
from ..errors import DivergedError, SettingsError
from ..methods import Fit, Method
from ..randomness import derive, generator, seeded
from ..settings.recipe import Recipe
from .optimizers import make_optimizer, rate, recipe_for, steps_per_epoch, total_steps
from .plan import Plan
from .selection import select
from .state import State, capture, capture_optimizer, restore, restore_optimizer

LOG_EVERY = 50  # steps between two lines of the log; on an accelerator also between two looks at the loss


@dataclass
class Moment:
    """The inside of an unfinished Fit, after `step` steps."""

    step: int
    method: State
    optimizer: State
    augment: Tensor  # state of the augmentation's generator
    ambient: Tensor  # state of torch's global generator: dropout's
    losses: Tensor  # sums of the loss terms since the last line of the log, (K,); empty just after one


@dataclass
class Progress:
    """How far a task is learned: enough to go on from, wherever it stopped."""

    start: State  # the method at the start of the task
    finished: list[State] = field(default_factory=list)  # the method at the end of each finished Fit
    now: Moment | None = None  # the unfinished Fit


@dataclass(frozen=True)
class Step:
    """What a watcher is told after a step; the loss terms only every LOG_EVERY steps, as means since the last."""

    fit: str
    step: int  # steps made, this one included
    steps: int
    epoch: int
    rate: float
    terms: dict[str, float] | None
    moment: Callable[[], Moment]  # everything needed to go on from here; costs a copy


Watcher = Callable[[Step], None]
"""Called after each step. May raise to stop the run: the state is as after the step."""


class Engine:
    """Solves Fits under one recipe, seed and plan."""

    def __init__(self, recipe: Recipe, seed: int, plan: Plan) -> None:
        self.recipe = recipe
        self.seed = seed
        self.plan = plan

    def learn(self, method: Method, task: Task, progress: Progress, watch: Watcher) -> None:
        """Take a method through a task, from where `progress` says it is.

        The method's `learn` is run from the task's start even when resuming; Fits that are finished already are
        not solved again but replaced by the state at their end. So code between two yields must be a function
        of the method's state and of derived randomness alone.

        Raises:
            DivergedError: a loss is not finite.
            SettingsError: the method has a loss of its own, but `learn` yields no Fit.
        """
        restore(method, progress.start)
        count = 0
        for fit in self._plan(method, task):
            if count < len(progress.finished):
                restore(method, progress.finished[count])
            else:
                self.fit(method, task, fit, progress.now, watch)
                progress.finished.append(capture(method))
                progress.now = None
            count += 1
        if not count and type(method).loss is not Method.loss:
            raise SettingsError(f"{type(method).__name__}.learn ran no Fit: was a `yield` forgotten?")
        method.requires_grad_(False).eval()

    def _plan(self, method: Method, task: Task) -> Iterator[Fit]:
        """The method's Fits; whatever it draws between them comes from a seed of its own."""
        with seeded(self.seed, "init", task.index, 0):
            plan = method.learn(task)
            if not isinstance(plan, GeneratorType):
                return  # nothing is optimised: `learn` is an ordinary function, and has run
        number = 0
        while True:
            with seeded(self.seed, "init", task.index, number):
                fit = next(plan, None)
            if fit is None:
                return
            yield fit
            number += 1

    def fit(self, method: Method, task: Task, fit: Fit, now: Moment | None, watch: Watcher) -> None:
        """Solve one Fit, from its start or from a moment inside it."""
        recipe = recipe_for(self.recipe, fit)
        steps, per_epoch = total_steps(recipe, len(fit.data)), steps_per_epoch(recipe, len(fit.data))
        weights = select(method, fit)
        optimizer = make_optimizer(recipe, weights)
        objective = fit.loss or method.loss
        draws = _Draws(self.seed, task.index, fit, recipe.batch, per_epoch)
        losses = _Losses(self.plan.checks_every_step, task.index, fit.name)
        with seeded(self.seed, "dropout", task.index, fit.name):
            if now is not None:
                restore(method, now.method)
                restore_optimizer(optimizer, now.optimizer)
                draws.go_to(now)
                losses.go_to(now)
            for step in range(now.step if now else 0, steps):
                lr = optimizer.param_groups[0]["lr"] = rate(recipe, step, steps)
                batch = draws.batch(step, steps)
                with self.plan.computing():
                    terms, aux = _split(method(objective, batch, task))
                    total = losses.add(terms, step)
                total.backward()  # type: ignore[no-untyped-call]
                if method.after_backward is not None:
                    method.after_backward(batch, task)
                optimizer.step()
                if method.after_step is not None:
                    with torch.no_grad():
                        method.after_step(batch, task, aux)
                optimizer.zero_grad(set_to_none=True)
                done = step + 1
                means = losses.read() if done % LOG_EVERY == 0 or done == steps else None

                def moment(done: int = done) -> Moment:
                    return Moment(
                        done,
                        capture(method),
                        capture_optimizer(optimizer),
                        draws.state(),
                        torch.get_rng_state(),
                        losses.state(),
                    )

                watch(Step(fit.name, done, steps, draws.epoch, lr, means, moment))


def _split(out: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A loss returns its terms, or its terms and what it hands to `after_step`."""
    return out if isinstance(out, tuple) else (out, {})


class _Draws:
    """The batches of a Fit: an order for each epoch, derived from seed, task, Fit and epoch alone."""

    def __init__(self, seed: int, task: int, fit: Fit, size: int, per_epoch: int) -> None:
        self.seed, self.task, self.fit, self.size, self.per_epoch = seed, task, fit, size, per_epoch
        self.epoch = -1

    def _start(self, epoch: int) -> None:
        about = (self.task, self.fit.name, epoch)
        order = torch.randperm(len(self.fit.data), generator=generator(self.seed, "order", *about))
        self.order = order.to(self.fit.data.y.device)
        self.augment = generator(self.seed, "augment", *about)
        torch.manual_seed(derive(self.seed, "dropout", *about))
        self.epoch = epoch

    def go_to(self, moment: Moment) -> None:
        self._start((moment.step - 1) // self.per_epoch)
        self.augment.set_state(moment.augment)
        torch.set_rng_state(moment.ambient)

    def state(self) -> Tensor:
        return self.augment.get_state()

    def batch(self, step: int, steps: int) -> Batch:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self._start(epoch)
        data = self.fit.data
        rows = self.order[place * self.size : (place + 1) * self.size]
        inputs = data.inputs(rows, self.augment if self.fit.augment else None)
        return Batch(
            inputs, data.y.index_select(0, rows), rows, torch.full((), step / steps, device=data.y.device)
        )


class _Losses:
    """Sums up loss terms without waiting for them, and sees to it that they are finite."""

    def __init__(self, every_step: bool, task: int, fit: str) -> None:
        self.every_step, self.task, self.fit = every_step, task, fit
        self.names: tuple[str, ...] = ()
        self.sums: Tensor | None = None
        self.count = self.first = 0

    def add(self, terms: dict[str, Tensor], step: int) -> Tensor:
        """The sum to minimise."""
        values = list(terms.values())
        total = values[0]
        for value in values[1:]:
            total = total + value
        if self.every_step and not math.isfinite(total.item()):
            self._raise({name: value.item() for name, value in terms.items()}, step, step)
        each = torch.stack([value.detach() for value in values])
        self.names = tuple(terms)
        self.sums = each if self.sums is None else self.sums.to(each.device) + each
        if not self.count:
            self.first = step
        self.count += 1
        return total

    def state(self) -> Tensor:
        """What is summed up, on the CPU."""
        return torch.empty(0) if self.sums is None else self.sums.to("cpu", copy=True)

    def go_to(self, moment: Moment) -> None:
        """Sum up from there on."""
        self.count = moment.step % LOG_EVERY
        self.first = moment.step - self.count
        self.sums = moment.losses if len(moment.losses) else None

    def read(self) -> dict[str, float]:
        """Means since the last reading; the one place where an accelerator is waited for."""
        assert self.sums is not None
        sums = self.sums.tolist()
        means = {name: value / self.count for name, value in zip(self.names, sums, strict=True)}
        if not all(map(math.isfinite, means.values())):
            self._raise(means, self.first, self.first + self.count - 1)
        self.sums, self.count = None, 0
        return means

    def _raise(self, terms: dict[str, float], first: int, last: int) -> None:
        broken = [name for name, value in terms.items() if not math.isfinite(value)] or list(terms)
        where = f"step {last + 1}" if first == last else f"steps {first + 1} to {last + 1}"
        raise DivergedError(
            f"The loss term {', '.join(map(repr, broken))} is not a finite number in task {self.task + 1}, "
            f"fit {self.fit!r}, {where}. A lower --lr is the usual cure; the weights before it are kept."
        )
