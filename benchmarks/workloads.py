"""What is trained and evaluated for speed: networks on random images of the right shape, through the real engine."""

import math
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.timing import Reading
from forgetless.cell import Cell
from forgetless.data import Pixels, Source, Stream, Task
from forgetless.data.cut import compile_stream, hold_out, share_out, split_cuts
from forgetless.engine import Account, Engine, Plan, Progress, Saved, Step, capture
from forgetless.engine.loop import Watcher
from forgetless.events import silent
from forgetless.interrupts import Stop
from forgetless.methods import METHODS, Fit, Method
from forgetless.methods.registry import make_method
from forgetless.models import Model, build_model
from forgetless.randomness import generator, seeded
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Scenario, Settings

_SGD = Recipe(batch=128, lr=0.05, optimizer="sgd", momentum=0.9, weight_decay=5e-4)


@dataclass(frozen=True)
class Workload:
    """A network, its images and its recipe."""

    model: str
    shape: tuple[int, int, int]  # (H, W, K)
    classes: int
    recipe: Recipe
    pixels: Pixels
    hidden: tuple[int, ...] | None = None
    images: int = 50_000

    def settings(self) -> Settings:
        """Those of a run; the stream is made here and has no name of its own."""
        return Settings(
            "finetune", "split-cifar100/1", "class", recipe=self.recipe, model=self.model, hidden=self.hidden
        )

    def stream(self, tests: int = 256, tasks: int = 1, scenario: Scenario = "class") -> Stream:
        """Random bytes, the classes shared out over so many tasks."""
        draw = generator(0, "benchmark", self.model)
        sizes = (self.images, tests)
        x = [torch.randint(0, 256, (size, *self.shape), dtype=torch.uint8, generator=draw) for size in sizes]
        y = [torch.randperm(size, generator=draw) % self.classes for size in sizes]  # every class occurs
        source = Source(x[0], y[0], x[1], y[1], tuple(map(str, range(self.classes))), "random")
        cuts = split_cuts(range(self.classes), share_out(self.classes, tasks), scenario)
        return compile_stream("random", 1, source, cuts, scenario, self.pixels, hold_out(source, None, 0.0))

    def model_alone(self) -> Model:
        """Fresh, without a head row."""
        height, width, channels = self.shape
        with seeded(0, "model"):
            return build_model(self.model, (channels, height, width), hidden=self.hidden)

    def network(self) -> nn.Module:
        """Fresh, with a head for all classes."""
        model = self.model_alone()
        with seeded(0, "head"):
            model.grow(range(self.classes))
        return model


_CIFAR = Pixels((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762), crop=4, flip=True)
WORKLOADS = {
    "mlp": Workload(
        "mlp", (28, 28, 1), 10, Recipe(batch=256, lr=1e-3, optimizer="adamw", weight_decay=1e-4), Pixels(),
        hidden=(400, 400, 400), images=60_000,
    ),
    "resnet32": Workload("resnet32", (32, 32, 3), 100, _SGD, _CIFAR),
    "resnet18": Workload("resnet18", (32, 32, 3), 100, _SGD, _CIFAR),
}  # fmt: skip


def plan(precision: str) -> Plan:
    """One thread of the CPU, as a run of one cell has it."""
    made = Plan(torch.device("cpu"), precision, "benchmark", 1, deterministic=False)
    torch.set_num_threads(made.threads)
    torch.set_flush_denormal(True)  # as a run does, here for the conventional loop too
    return made


class Training:
    """Steps of the engine, with all that a run does at each step: augmentation, checks, log, progress."""

    def __init__(self, workload: Workload, precision: str) -> None:
        settings, self.stream, self.plan = workload.settings(), workload.stream(), plan(precision)
        self.workload = workload
        self.method = make_method(settings, workload.network())  # type: ignore[arg-type]
        self.task = self.stream.task(0)
        self.fit = next(iter(self.method.learn(self.task)))
        self.cell = Cell(settings, Path(tempfile.gettempdir()), self.plan, silent, Stop(), math.inf)
        self.cell.stream = self.stream
        self.cell.saved = Saved(0, Progress({}), Account(), {}, {}, "")

    def steps(self, number: int) -> Reading:
        """The time of so many steps. A Fit is begun for them; its first step, which makes moments, is not counted."""
        with self.cell.clock.during("train"):
            reading = read_steps(
                Engine(_for_steps(self.workload.recipe, number), 0, self.plan), self.method, self.task, self.fit,
                self.cell._watch,
            )  # fmt: skip
        self.cell.log.clear()
        return reading


class SecondTask:
    """Steps of a method's second task, through the engine, after a few of the first."""

    def __init__(
        self,
        workload: Workload,
        precision: str,
        name: str,
        fields: dict[str, Any],
        scenario: Scenario,
        before: int,
    ) -> None:
        self.workload, self.plan = workload, plan(precision)
        stream = workload.stream(tests=workload.classes, tasks=2, scenario=scenario)
        with seeded(0, "model"):
            self.method = METHODS[name](workload.model_alone(), **fields)
        engine = Engine(replace(workload.recipe, steps=before), 0, self.plan)
        engine.learn(self.method, stream.task(0), Progress(capture(self.method)), lambda _: None)
        self.task = stream.task(1)
        with seeded(0, "init"):
            self.problems = self.method.learn(self.task)  # kept: what stands below its yield is for the end
            self.fit = next(self.problems)

    def steps(self, number: int) -> Reading:
        """The time of so many steps, after one that is not counted."""
        engine = Engine(_for_steps(self.workload.recipe, number), 0, self.plan)
        return read_steps(engine, self.method, self.task, self.fit)


def _for_steps(recipe: Recipe, number: int) -> Recipe:
    """A Fit of so many steps that are counted, and one before them, which makes moments."""
    return replace(recipe, steps=number + 1)


def read_steps(
    engine: Engine, method: Method, task: Task, fit: Fit, watch: Watcher = lambda _: None
) -> Reading:
    """The time of a Fit's steps from the second on; examples are counted as if every batch were full."""
    times: list[tuple[float, float]] = []
    last = engine.recipe.steps or 0

    def timed(step: Step) -> None:
        watch(step)
        if step.step in (1, last):
            times.append((time.perf_counter(), time.process_time()))

    engine.fit(method, task, fit, None, timed)
    (wall, cpu), (wall_end, cpu_end) = times
    return Reading(wall_end - wall, cpu_end - cpu, (last - 1) * engine.recipe.batch)
