"""What methods are checked on: tiny streams made by the real code, and two tiny networks."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..data import Batch, Pixels, Scenario, Source, Split, Stream, Task
from ..data.cut import compile_stream, hold_out, share_out, split_cuts
from ..data.source import hash_tensors
from ..engine import Engine, Plan, Progress, Step, capture
from ..methods import Fit, Method
from ..models import Backbone, ConvBackbone, Model
from ..models.resnet import ConvNorm
from ..randomness import generator, seeded
from ..settings.recipe import Recipe

TASKS = 3
SEED = 0
# Momentum and decay, so that whatever is said to be frozen would move; a batch that does not divide the data.
RECIPE = Recipe(epochs=2, batch=10, lr=0.05, optimizer="sgd", momentum=0.9, weight_decay=1e-3)
PLAN = Plan(torch.device("cpu"), "fp32", "for checks", 1, False)


class Dense(Backbone):
    """Two linear layers with dropout between them. (B, K, H, W) -> (B, 12)"""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 16), nn.Linear(16, 12)
        self.dropout = nn.Dropout(0.2)
        self.width = 12

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 8, 8) -> (B, 12)"""
        return self.second(self.dropout(self.first(x.flatten(1)).relu())).relu()  # type: ignore[no-any-return]


class Conv(ConvBackbone):
    """Two convolutions with batch normalisation and the mean over the pixels. (B, K, H, W) -> (B, 8)"""

    averages = True

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = ConvNorm(1, 6), ConvNorm(6, 8, stride=2)
        self.width = 8

    def maps(self, x: Tensor) -> Tensor:
        """(B, 1, 8, 8) -> (B, 8, 4, 4)"""
        return self.second(self.first(x).relu()).relu()  # type: ignore[no-any-return]

    def pool(self, maps: Tensor) -> Tensor:
        """(B, 8, 4, 4) -> (B, 8)"""
        return maps.mean((2, 3))


NETWORKS: Mapping[str, Callable[[], Backbone]] = {"mlp": Dense, "conv": Conv}


def toy_stream(scenario: Scenario) -> Stream:
    """Three tasks of two classes each: 12 images of 8 x 8 per class, cropped and mirrored.

    A class has a pattern and a brightness of its own; those of one task are far apart, so that it is easy.
    """
    draw = generator(SEED, "toy source")
    brightness = torch.tensor([0, 3, 1, 4, 2, 5]).view(-1, 1, 1, 1) * 25
    pattern = torch.randint(0, 2, (2 * TASKS, 8, 8, 1), generator=draw) * 60 + brightness
    train_y, test_y = (torch.arange(2 * TASKS).repeat(count) for count in (12, 8))
    train_x, test_x = (
        (pattern[y] + torch.randint(0, 60, (len(y), 8, 8, 1), generator=draw)).to(torch.uint8)
        for y in (train_y, test_y)
    )
    names = tuple(map(str, range(2 * TASKS)))
    source = Source(train_x, train_y, test_x, test_y, names, hash_tensors(train_x, train_y, test_x, test_y))
    cuts = split_cuts(range(2 * TASKS), share_out(2 * TASKS, TASKS), scenario)
    pixels = Pixels((0.5,), (0.25,), crop=1, flip=True)
    return compile_stream("toy", 1, source, cuts, scenario, pixels, hold_out(source, None, 0.0))


@dataclass(eq=False)
class Case:
    """One method in one of its scenarios on one network."""

    make: type[Method]
    hyper: dict[str, Any]
    scenario: Scenario
    network: str
    device: str = "cpu"
    _learned: dict[int, Method] = field(default_factory=dict, repr=False, init=False)

    def __str__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.hyper.items())
        place = "" if self.device == "cpu" else f", {self.device}"
        return f"{self.scenario} scenario, {self.network}{place}{given}"

    @property
    def plan(self) -> Plan:
        """How it computes."""
        return replace(PLAN, device=torch.device(self.device))

    @property
    def stream(self) -> Stream:
        """The tasks to learn, made anew: what a check does to them does not reach the next."""
        made = toy_stream(self.scenario)
        return replace(made, tests=tuple(test.to(self.device) for test in made.tests))

    def task(self, index: int) -> Task:
        """One task, made anew."""
        return self.stream.task(index, self.device, with_past=self.make.needs_past)

    def told(self, index: int) -> Task | None:
        """What the method is told at test time."""
        return self.task(index) if self.scenario == "task" else None

    def fresh(self, seed: int = SEED) -> Method:
        """The method around a new network; equal for equal seeds."""
        with seeded(seed, "model"):
            body = NETWORKS[self.network]()
            made = self.make(Model(body, body.width).to(memory_format=torch.channels_last), **self.hyper)  # type: ignore[call-overload]
            return made.to(self.device)

    def learn(self, method: Method, index: int, engine: Engine | None = None) -> None:
        """Take a method through one task."""
        (engine or self.engine()).learn(method, self.task(index), Progress(capture(method)), ignore)

    def engine(self) -> Engine:
        """What solves its Fits."""
        return Engine(RECIPE, SEED, self.plan)

    def learned(self, tasks: int) -> Method:
        """A method that has learned the first tasks: a copy of its own."""
        if tasks not in self._learned:
            method = self.learned(tasks - 1) if tasks else self.fresh()
            if tasks:
                self.learn(method, tasks - 1)
            self._learned[tasks] = method
        return deepcopy(self._learned[tasks])

    @torch.no_grad()
    def answers(self, method: Method, tasks: int) -> list[Tensor]:
        """Its scores on the first tasks' tests, (N, C) each."""
        method.eval()
        tests = self.stream.tests[:tasks]
        return [method.logits(test.inputs(slice(None)), self.told(j)) for j, test in enumerate(tests)]


class Posed(NamedTuple):
    """A Fit, and who poses it where."""

    method: Method
    task: Task
    fit: Fit


Look = Callable[[Posed], None]


class Probe(Engine):
    """An engine that shows each Fit before it is solved and after."""

    def __init__(self, plan: Plan, before: Look, after: Look | None = None) -> None:
        super().__init__(RECIPE, SEED, plan)
        self.before, self.after = before, after

    def fit(self, method: Method, task: Task, fit: Fit, now: Any, watch: Callable[[Step], None]) -> None:
        """Show it, solve it, show it."""
        self.before(Posed(method, task, fit))
        super().fit(method, task, fit, now, watch)
        if self.after is not None:
            self.after(Posed(method, task, fit))


def ignore(_: Step) -> None:
    """A watcher that sees nothing."""


def samples(fit: Fit, size: int = 32) -> list[Batch]:
    """A batch of a Fit's data, spread over all of it, at each of its visits."""

    def of(data: Split) -> Batch:
        rows = torch.arange(len(data), device=data.y.device)[:: max(1, len(data) // size)]
        return Batch(data.inputs(rows), data.y[rows], rows, torch.tensor(0.5, device=rows.device))

    batch = of(fit.data)._replace(replay=None if fit.replay is None else of(fit.replay))
    return [batch._replace(visit=visit) for visit in range(fit.visits)]


class Accelerated(Plan):
    """Any device, treated as an accelerator is: the loss is not read at every step."""

    @property
    def checks_every_step(self) -> bool:
        """Never."""
        return False


def accelerated(plan: Plan = PLAN) -> Plan:
    """A plan that waits for nothing, on a CPU either."""
    return Accelerated(plan.device, plan.precision, plan.reason, plan.threads, plan.deterministic)
