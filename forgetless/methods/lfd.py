"""LFD + EP: a less forgetting direction, and an equilibrium point.

    Wen, Qiu, Wang et al., IEEE TCSVT 2024. Known from a summary of its algorithm and from its forerunner's code, [P]:
    github.com/HaitaoWen/PFCL, fa5ab80. Unknown: the paper's protocols, tables, hyper-parameters and memory.

ŵ are the old weights with fresh rows for new labels. A few old images say how one may leave them:

    1  direction    ν on a sphere of radius r,  minimising  g(ν) = mean over ρ of L_memory(ŵ + ρ ν) / ρ
    2  learn        w from ŵ,  minimising  L_new(w) + α |δ|²   with   s = w - ŵ,  δ = s - ν <s, ν> / <ν, ν>
    3  equilibrium  λ in [0, 1],  minimising  L_memory(ŵ + λ (w - ŵ)),  the new task's exemplars among the memory

All three are one vector of what stage 2 trains. Stages 1 and 3 see exemplars alone, and in evaluation mode.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Literal

import torch

from ..data import Batch, Split, Task
from ..kinds import Fraction, NonNegative, Positive, PositiveInt
from ..memory import Memory
from ..models import BufferDict
from ..ops import cross_entropy, distance_from_line, smallest, squared_distance
from ..weights import Segment, Sphere, loss_at, move_to, weights_within
from .base import Fit, Method, Terms, method

RAYS = {"all": (0.3, 0.5, 0.7, 0.9, 1.0), "single": (1.0,)}
PLACES = [place / 20 for place in range(21)]  # at which the loss is measured along ν and along the segment
# Stages 1 and 3: plain descent on exemplars as stored; a tenth of the rate after 10 of [P]'s 20 epochs and after 15
DESCENT: dict[str, Any] = {
    "optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "augment": False,
    "schedule": lambda progress: 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01,
}  # fmt: skip


@method("lfd", capturable=True)
class LFD(Method):
    """Move where the old loss rises least, then stop where old and new tasks agree best."""

    replay: bool = True  # learn from a second batch of exemplars too, as the hosts of [P] do
    # what holds w to ŵ in stage 2: nothing, |s|², or |δ|² with a random ν or the less forgetting one
    penalty: Literal["none", "l2", "random", "lfd"] = "lfd"
    # λ: 1, or ep_start, or by gradient descent from there ([P]), or by 21 points and golden sections
    ep: Literal["none", "fixed", "descent", "grid"] = "descent"
    alpha: NonNegative = 0.005  # α; half of [P]'s decay for permuted MNIST
    radius: Positive = 20.0  # r ([P]: 20 on CIFAR-100, 80 on permuted MNIST)
    # one sphere and one projection; one of each for each tensor; mixed: one sphere, a projection for each ([P]'s code)
    scope: Literal["global", "per_tensor", "mixed"] = "global"
    ray: Literal["all", "single"] = "all"  # ρ: .3, .5, .7, .9 and 1 as in [P], or 1 alone
    direction_lr: Positive = 0.01  # of ν ([P])
    direction_momentum: Fraction = 0.7  # of ν ([P])
    direction_epochs: Positive = 20.0  # of stage 1, over the memory ([P])
    direction_ema: Fraction = 0.0  # share of the last task's ν in the next one's ([P]: .3 on CIFAR-100)
    ep_start: Fraction = 0.5  # λ at the start of stage 3 ([P])
    ep_lr: Positive = 0.1  # of λ ([P])
    ep_epochs: Positive = 20.0  # of stage 3, over the memory ([P])
    ep_clamp: bool = True  # λ from 0 to 1 (ours; [P] lets it leave the segment)
    safeguard: bool = True  # take λ = 0 or 1 if the memory's loss is lower there (ours)
    per_class: PositiveInt = 20  # exemplars of each class of each task, as in the authors' other code
    choice: Literal["herding", "random"] = "herding"  # of exemplars
    memory_batch: PositiveInt = 64  # exemplars in a step, in every stage

    def setup(self) -> None:
        """Remember exemplars, and the last ν where it is mixed into the next; all else is one task's."""
        self.memory, self.last = Memory(), BufferDict()
        self.nu = Sphere(self.radius, self.direction_momentum, per_tensor=self.scope == "per_tensor")
        self.line = Segment(self.ep_start, clamped=self.ep_clamp)  # from ŵ to w, with λ
        self.pulls = self.alpha > 0 and self.penalty != "none"
        self.descends = self.pulls and self.penalty == "lfd"
        self.remembers = self.replay or self.descends or self.ep in ("descent", "grid")

    def learn(self, task: Task) -> Iterator[Fit]:
        """Stages 1, 2 and 3; the first task is plain training."""
        self.model.grow(task.classes)
        old = self.memory.split(task.train) if len(self.memory) else None
        replay = old if self.replay else None
        parts = self.model.facing(task.competing if replay is None else task.seen)
        self.held = list(weights := weights_within(self.model, parts))
        if task.index:
            self.line.begin(self.model)
        if task.index and self.pulls and self.penalty != "l2":
            self.nu.place(weights)
            self.measured[f"r_rel/{task.index}"] = self.nu.relative(weights)
        if task.index and self.descends and old is not None:
            yield from self.find_direction(old, task)
        decay = 0.0 if task.index and self.pulls else None  # one pull at a time: this one is to zero
        yield Fit(task.train, only=parts, replay=replay, replay_batch=self.memory_batch, weight_decay=decay)
        if self.remembers:
            features = self.model.eval().features if self.choice == "herding" else None
            self.memory.add_each(task.train, self.per_class, features)
        if task.index and self.ep != "none":
            yield from self.find_equilibrium(self.memory.split(task.train), task)
        self.nu.clear()
        self.line.clear()

    def loss(self, batch: Batch, task: Task) -> Terms:
        """L_new, the same of replayed exemplars, and α |δ|²."""
        terms = {"new": cross_entropy(self.model(batch.x), batch.y, task.rivals)}
        if batch.replay is not None:
            terms["replay"] = cross_entropy(self.model(batch.replay.x), batch.replay.y, task.rivals)
        if self.line.start and self.pulls:
            w = [self.model.get_parameter(name) for name in self.held]
            start = [self.line.start.module.get_buffer(name) for name in self.held]
            nu, each = list(self.nu.parts().values()), self.scope != "global"
            off = distance_from_line(w, start, nu, per_tensor=each) if nu else squared_distance(w, start)
            terms["penalty"] = self.alpha * off
        return terms

    def find_direction(self, old: Split, task: Task) -> Iterator[Fit]:
        """Stage 1: from a random ν down g(ν)."""
        chance = deepcopy(self.nu)
        yield Fit(
            old, self.loss_direction, self.nu, "direction", self.direction_epochs, self.direction_lr,
            batch=self.memory_batch, after_backward=self.nu.descend, after_step=self.nu.come_back, **DESCENT,
        )  # fmt: skip
        if self.direction_ema:
            self.nu.lean(self.last, self.direction_ema)
            self.last.update(self.nu.parts().items())
        risks = [nu.risks(self.model, PLACES, old, task.rivals) for nu in (self.nu, chance)]
        self.measured[f"direction/{task.index}"] = torch.tensor(risks)

    def loss_direction(self, batch: Batch, task: Task) -> Terms:
        """g(ν): 1 / ρ undoes that of the chain rule, so its gradient is the mean of ∇L over the ray."""
        points = [(ρ, self.nu.at(self.model, ρ)) for ρ in RAYS[self.ray]]
        losses = [loss_at(self.model, point, batch.x, batch.y, task.rivals) / ρ for ρ, point in points]
        return {"memory": torch.stack(losses).mean()}

    def find_equilibrium(self, memory: Split, task: Task) -> Iterator[Fit]:
        """Stage 3: λ, then the weights there."""
        if self.ep == "descent":
            yield Fit(
                memory, self.loss_between, self.line, "equilibrium", self.ep_epochs, self.ep_lr,
                batch=self.memory_batch, after_backward=self.line.clip, after_step=self.line.stay, **DESCENT,
            )  # fmt: skip
        place, about = self.line.place.item(), (memory, task.rivals)
        curve = self.line.risks(self.model, PLACES, *about) if len(memory) else []
        if self.ep == "grid":
            place = smallest(lambda place: self.line.risks(self.model, [place], *about)[0], curve)
        elif self.ep == "descent" and self.safeguard:
            place = min((place, 0.0, 1.0), key=lambda place: self.line.risks(self.model, [place], *about))
        self.measured[f"segment/{task.index}"] = torch.tensor(curve)
        self.measured[f"lambda/{task.index}"] = torch.tensor(place)
        move_to(self.model, self.line.at(self.model, place))

    def loss_between(self, batch: Batch, task: Task) -> Terms:
        """L at ŵ + λ (w - ŵ)."""
        point = self.line.at(self.model, self.line.place)
        return {"memory": loss_at(self.model, point, batch.x, batch.y, task.rivals)}
