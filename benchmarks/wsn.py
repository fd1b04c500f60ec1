"""A WSN step against one of fine-tuning, and what its parts take: `python -m benchmarks.wsn [alexnet-small mlp]`.

Both learn a second task, so that a part of the weights is owned, with the official settings of their benchmark:
Split CIFAR-100 for the small AlexNet, Permuted MNIST for the fully connected network. Images are random.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import results, timing
from benchmarks.timing import Reading
from benchmarks.workloads import plan
from forgetless.data import Pixels, Source, Stream
from forgetless.data.cut import compile_stream, hold_out, share_out, split_cuts
from forgetless.engine import Engine, Progress, Step, capture, optimizers
from forgetless.methods import METHODS
from forgetless.models import build_model
from forgetless.ops import Selected
from forgetless.randomness import generator, seeded
from forgetless.settings.recipe import Recipe
from forgetless.weights import Subnet, subnets

SECONDS = 1.5  # of each variant in each round, at least two steps
IMAGES = 6400


@dataclass(frozen=True)
class Network:
    """A network and how it is trained."""

    name: str
    shape: tuple[int, int, int]  # (H, W, K)
    batch: int
    capacity: float
    hidden: tuple[int, ...] | None = None

    @property
    def recipe(self) -> Recipe:
        """Adam at 1e-3."""
        return Recipe(batch=self.batch, lr=1e-3, optimizer="adam")

    def stream(self) -> Stream:
        """Two tasks of ten classes each, random bytes."""
        draw = generator(0, "benchmark", self.name)
        x = [torch.randint(0, 256, (n, *self.shape), dtype=torch.uint8, generator=draw) for n in (IMAGES, 20)]
        y = [torch.arange(n) % 20 for n in (IMAGES, 20)]
        source = Source(x[0], y[0], x[1], y[1], tuple(map(str, range(20))), "random")
        cuts = split_cuts(range(20), share_out(20, 2), "task")
        return compile_stream("random", 1, source, cuts, "task", Pixels(), hold_out(source, None, 0.0))


NETWORKS = {
    "alexnet-small": Network("alexnet-small", (32, 32, 3), 64, 0.5),
    "mlp": Network("mlp", (28, 28, 1), 10, 0.3, (100, 100)),
}


class Learning:
    """Steps of a method on the second task, through the engine."""

    def __init__(self, network: Network, method: str, precision: str) -> None:
        self.network, self.plan, stream = network, plan(precision), network.stream()
        height, width, channels = network.shape
        with seeded(0, "model"):
            model = build_model(network.name, (channels, height, width), hidden=network.hidden)
            self.method = METHODS[method](
                model, **({"capacity": network.capacity} if method == "wsn" else {})
            )
        first, self.task = stream.task(0), stream.task(1)
        self.engine(20).learn(self.method, first, Progress(capture(self.method)), lambda _: None)
        self.problems = self.method.learn(self.task)
        self.fit = next(self.problems)

    def engine(self, steps: int) -> Engine:
        """An engine for so many steps."""
        return Engine(Recipe(**vars(self.network.recipe) | {"steps": steps}), 0, self.plan)

    def steps(self, number: int) -> Reading:
        """The time of so many steps; the first of a Fit, which makes moments, is not counted."""
        times: list[tuple[float, float]] = []

        def watch(step: Step) -> None:
            if step.step in (1, number + 1):
                times.append((time.perf_counter(), time.process_time()))

        self.engine(number + 1).fit(self.method, self.task, self.fit, None, watch)
        (wall, cpu), (wall_end, cpu_end) = times
        return Reading(wall_end - wall, cpu_end - cpu, number)


def measure(network: Network, precision: str, rounds: int) -> dict[str, Any]:
    """The ratio of the two, and milliseconds of the parts."""
    learning = {name: Learning(network, name, precision) for name in ("finetune", "wsn")}
    for one in learning.values():
        one.steps(2)
    number = max(2, math.ceil(SECONDS / (learning["wsn"].steps(5).wall / 5)))
    variants = {name: (lambda one=one: one.steps(number)) for name, one in learning.items()}
    readings = timing.interleave(variants, rounds, f"{network.name} {precision}")
    each = {name: [1e3 * r.cpu / r.samples for r in found] for name, found in readings.items()}
    ratios = [ours / base for ours, base in zip(each["wsn"], each["finetune"], strict=True)]
    parts = {name: taken(one, number, rounds) for name, one in learning.items()}
    figures = parts["wsn"] | {"scores": parts["wsn"]["optimiser"] - parts["finetune"]["optimiser"]}
    del figures["optimiser"]
    whole = statistics.median(each["wsn"])
    return {
        "network": network.name,
        "precision": precision,
        "finetune, ms": statistics.median(each["finetune"]),
        "wsn, ms": whole,
        "ratio": statistics.median(ratios),
        "range": f"{min(ratios):.2f} to {max(ratios):.2f}",
    } | {f"{name}, share": value / whole for name, value in figures.items()}


def taken(learning: Learning, number: int, rounds: int) -> dict[str, float]:
    """Milliseconds of each part of a step, medians over the rounds."""
    found = []
    for _ in range(rounds):
        with timed_parts() as seconds:
            learning.steps(number)
        found.append({name: 1e3 * value / (number + 1) for name, value in seconds.items()})
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


@contextmanager
def timed_parts() -> Iterator[dict[str, float]]:
    """Inside: the CPU time of what a WSN step adds is summed up by part."""
    parts = {
        "selection": (Subnet, "select"),
        "masks": (Selected, "through"),
        "gradients": (subnets._Masked, "backward"),
        "restoring": (Subnet, "restore"),
        "optimiser": (optimizers._Adam, "step"),
    }
    seconds = dict.fromkeys(parts, 0.0)
    kept = {name: owner.__dict__[word] for name, (owner, word) in parts.items()}

    def summed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            start, inner = time.process_time(), seconds["masks"]
            made = work(*given, **named)
            seconds[name] += time.process_time() - start
            if name == "gradients":  # what masks take in it is counted there
                seconds[name] -= seconds["masks"] - inner
            return made

        return timed

    for name, (owner, word) in parts.items():
        work = summed(name, getattr(owner, word))
        setattr(owner, word, staticmethod(work) if isinstance(kept[name], staticmethod) else work)
    try:
        yield seconds
    finally:
        for name, (owner, word) in parts.items():
            setattr(owner, word, kept[name])


def main() -> None:
    """Measure, print, write `results/wsn.json`."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("networks", nargs="*", default=list(NETWORKS))
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--name", default="wsn", help="of the result")
    options = asked.parse_args()
    rows = [
        measure(NETWORKS[name], precision, options.rounds)
        for name in options.networks
        for precision in ("fp32", "bf16")
    ]
    note = (
        "CPU milliseconds of a step; medians of interleaved rounds. `masks`: weights and gradients let through; "
        "`gradients`: the rest of both gradients; `scores`: their share of the optimiser."
    )
    results.write(options.name, "benchmarks.wsn", {"rounds": options.rounds, "note": note, "rows": rows})
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
