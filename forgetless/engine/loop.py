"""The loop. It solves the `Fit`s that a method yields, one after the other, and can go on from any step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

import torch
from torch import Tensor

from ..data import Batch, Task
from ..errors import SettingsError
from ..methods import Fit, Method
from ..randomness import ambient_state, seeded
from ..settings.recipe import Recipe
from .draws import Draws
from .graphs import Graphs
from .optimizers import make_optimizer, rate, recipe_for, set_rate, steps_per_epoch, total_steps
from .plan import Plan
from .plateau import Plateau
from .selection import select
from .state import State, capture, capture_optimizer, restore, restore_optimizer
from .terms import FORM_OF_TERMS, LOG_EVERY, Losses, called, fault_of

_OVER = object()  # in place of a Fit: `learn` has ended


@dataclass
class Moment:
    """The inside of an unfinished Fit, after `step` steps."""

    step: int
    method: State
    optimizer: State
    augment: Tensor  # state of the augmentation's generator
    ambient: Tensor  # states of torch's global generators: dropout's
    losses: Tensor  # sums of the loss terms since the last line of the log, (K,); empty just after one
    best: State = field(default_factory=dict)  # what the validation losses were so far, and the best weights


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
            DivergedError: a loss is not finite, or what a Fit trained is not at its end.
            SettingsError: the method has a loss of its own, but `learn` yields no Fit; or it yields something else, or
                a loss gives no terms.
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
            if plan is None:
                return  # nothing is optimised: `learn` is an ordinary function, and has run
            if not isinstance(plan, GeneratorType):
                raise SettingsError(
                    f"{type(method).__name__}.learn returned {called(plan)}. It yields Fits, as in "
                    "`yield Fit(task.train)`, or returns nothing."
                )
        number = 0
        while True:
            with seeded(self.seed, "init", task.index, number):
                fit = next(plan, _OVER)
            if fit is _OVER:
                return
            if not isinstance(fit, Fit):
                raise SettingsError(
                    f"{type(method).__name__}.learn yielded {called(fit)}. It yields Fits, as in "
                    "`yield Fit(task.train)`."
                )
            yield fit
            number += 1

    def fit(self, method: Method, task: Task, fit: Fit, now: Moment | None, watch: Watcher) -> None:
        """Solve one Fit, from its start or from a moment inside it."""
        problem = _Problem(self, method, task, fit)
        with seeded(self.seed, "dropout", task.index, fit.name):
            if now is not None:
                problem.go_to(now)
            for step in range(now.step if now else 0, problem.steps):
                if problem.plateau.over:
                    break
                watch(problem.step(step))
        problem.end()


class _Problem:
    """One Fit while it is being solved."""

    def __init__(self, engine: Engine, method: Method, task: Task, fit: Fit) -> None:
        self.method, self.task, self.fit, self.plan = method, task, fit, engine.plan
        self.recipe = recipe_for(engine.recipe, fit)
        self.steps = total_steps(self.recipe, len(fit.data))
        self.per_epoch = steps_per_epoch(self.recipe, len(fit.data))
        self.weights = select(method, fit)
        self.optimizer = make_optimizer(self.recipe, self.weights, fit.rates)
        self.objective = fit.loss or method.loss
        self.after_backward = fit.after_backward or method.after_backward
        self.after_step = fit.after_step or method.after_step
        self.draws = Draws(engine.seed, task.index, fit, self.recipe.batch, self.per_epoch)
        self.losses = Losses(engine.plan.checks_every_step, task.index, fit.name)
        self.plateau = Plateau(self.recipe, fit, task, engine.plan)
        self.graphs = Graphs(self._update) if engine.plan.captures and method.capturable else None
        self.update = self.graphs or self._update

    def step(self, step: int) -> Step:
        """One batch, an update of the weights at each of its visits, and what a watcher is told of it."""
        lr = rate(self.recipe, self.fit, step, self.steps) * self.plateau.factor
        set_rate(self.optimizer, lr)
        self.losses.begin_step(step)
        for visit in range(self.fit.visits):
            self.losses.tell(self.update(self.draws.batch(step, self.steps, visit)))
        self.losses.end_step()
        done = step + 1
        if done % self.per_epoch == 0 or done == self.steps:
            self.plateau.look(self.method, self.task)
        last = done if self.plateau.over else self.steps
        means = self.losses.read() if done % LOG_EVERY == 0 or done == last else None
        return Step(self.fit.name, done, last, self.draws.epoch, lr, means, lambda: self.moment(done))

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        """One update of the weights; the terms of its loss."""
        with self.plan.computing():
            terms, aux = self.split(self.method(self.objective, batch, self.task))
            total = self.losses.total(terms)
        total.backward()  # type: ignore[no-untyped-call]
        if self.after_backward is not None:
            self.after_backward(batch, self.task)
        self.optimizer.step()
        if self.after_step is not None:
            with torch.no_grad():
                self.after_step(batch, self.task, aux)
        self.optimizer.zero_grad(set_to_none=True)
        return {name: value.detach() for name, value in terms.items()}

    def split(self, out: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """A loss returns its terms, or its terms and what it hands to `after_step`."""
        terms, aux = out if isinstance(out, tuple) and len(out) == 2 else (out, {})
        if fault := fault_of(terms):
            raise SettingsError(
                f"{type(self.method).__name__}: the loss of the Fit {self.fit.name!r} gave {fault}. It gives "
                f"{FORM_OF_TERMS}."
            )
        return terms, aux

    def end(self) -> None:
        """Leave the weights as the recipe keeps them, and finite."""
        if self.graphs is not None:
            self.graphs.close()
        self.plateau.keep_best(self.method)
        self.losses.end(self.weights)

    def moment(self, done: int) -> Moment:
        """Everything needed to go on after so many steps."""
        return Moment(
            done,
            capture(self.method),
            capture_optimizer(self.optimizer),
            self.draws.state(),
            ambient_state(),
            self.losses.state(),
            self.plateau.state(),
        )

    def go_to(self, now: Moment) -> None:
        """Go on from there."""
        restore(self.method, now.method)
        restore_optimizer(self.optimizer, now.optimizer)
        self.draws.go_to(now.step, now.augment, now.ambient)
        self.losses.go_to(now.step, now.losses)
        self.plateau.go_to(now.best)
