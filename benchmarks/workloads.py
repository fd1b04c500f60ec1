"""What is trained and evaluated for speed: networks on random images of the right shape, through the real engine."""

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.timing import Reading
from forgetless.cell import Cell
from forgetless.data import Pixels, Source, Stream
from forgetless.data.cut import Cut, compile_stream, hold_out
from forgetless.engine import Account, Engine, Plan, Progress, Saved, Step
from forgetless.events import silent
from forgetless.interrupts import Stop
from forgetless.methods.registry import make_method
from forgetless.models import build_model
from forgetless.randomness import generator, seeded
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Settings

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

    def stream(self, tests: int = 256) -> Stream:
        """One task of random bytes."""
        draw = generator(0, "benchmark", self.model)
        sizes = (self.images, tests)
        x = [torch.randint(0, 256, (size, *self.shape), dtype=torch.uint8, generator=draw) for size in sizes]
        y = [torch.randperm(size, generator=draw) % self.classes for size in sizes]  # every class occurs
        everything = tuple(range(self.classes))
        source = Source(x[0], y[0], x[1], y[1], tuple(map(str, everything)), "random")
        cuts = [Cut(everything, everything)]
        return compile_stream("random", 1, source, cuts, "class", self.pixels, hold_out(source, None, 0.0))

    def network(self) -> nn.Module:
        """Fresh, with a head for all classes."""
        height, width, channels = self.shape
        with seeded(0, "model"):
            model = build_model(self.model, (channels, height, width), hidden=self.hidden)
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
        times: list[tuple[float, float]] = []

        def watch(step: Step) -> None:
            self.cell._watch(step)
            if step.step in (1, number + 1):
                times.append((time.perf_counter(), time.process_time()))

        recipe = Recipe(**vars(self.workload.recipe) | {"steps": number + 1})
        with self.cell.clock.during("train"):
            Engine(recipe, 0, self.plan).fit(self.method, self.task, self.fit, None, watch)
        self.cell.log.clear()
        (wall, cpu), (wall_end, cpu_end) = times
        return Reading(wall_end - wall, cpu_end - cpu, number * recipe.batch)
