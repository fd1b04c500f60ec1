"""A step of LwM against a step of LwF and of fine-tuning, in their second task: `python -m benchmarks.lwm`.

Costs are seconds of a step over LwF's with the same form of L_old (`old_loss=bce`), both by wall and by CPU time;
LwM also with its maps by double backward, as where a head is not linear on averaged maps.
"""

import argparse
import time
from typing import Any

import torch

from benchmarks import results, timing
from benchmarks.step import paced
from benchmarks.timing import Reading
from benchmarks.workloads import WORKLOADS, Workload, plan
from forgetless.data import Source, Stream
from forgetless.data.cut import compile_stream, hold_out, share_out, split_cuts
from forgetless.engine import Engine, Step
from forgetless.methods import METHODS
from forgetless.models import build_model
from forgetless.randomness import generator, seeded
from forgetless.settings.recipe import Recipe

CLASSES = 20  # half of them in each of two tasks
IMAGES = 4096
BASE = "lwf"
METHODS_TIMED: dict[str, tuple[str, dict[str, Any]]] = {
    "finetune": ("finetune", {}),
    BASE: ("lwf", {"old_loss": "bce"}),
    "lwm": ("lwm", {}),
    "lwm, double backward": ("lwm", {"cam": "autograd"}),
}


def main() -> None:
    """Measure, print, write `results/lwm.json`."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("workloads", nargs="*", default=["resnet32"])
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    asked.add_argument("--name", default="lwm", help="of the result")
    options = asked.parse_args()
    rows = [row for name in options.workloads for row in measure(name, options.precision, options.rounds)]
    note = f"Cost of a step, 1 being that of {BASE} with old_loss=bce; batch 128, second task, augmented."
    content = {"rounds": options.rounds, "precision": options.precision, "note": note, "rows": rows}
    results.write(options.name, "benchmarks.lwm", content)
    for row in rows:
        print(row)


def measure(name: str, precision: str, rounds: int) -> list[dict[str, Any]]:
    """A row for each method."""
    steps = {
        label: paced(SecondTask(WORKLOADS[name], precision, *what).steps)
        for label, what in METHODS_TIMED.items()
    }
    figures = timing.summarize(timing.interleave(steps, rounds, name), BASE)
    return [
        {
            "network": name,
            "variant": label,
            "ms/step": 1e3 * WORKLOADS[name].recipe.batch / found["samples_per_second"],
            "cost": 1 / found["ratio"],
            "cost (CPU)": 1 / found["ratio_cpu"],
            "range": " to ".join(f"{1 / value:.2f}" for value in reversed(found["ratio_cpu_range"])),
        }
        for label, found in figures.items()
    ]


def stream_of(workload: Workload) -> Stream:
    """Two tasks of random bytes."""
    draw = generator(0, "benchmark", workload.model)
    sizes = (IMAGES, CLASSES)
    x = [torch.randint(0, 256, (size, *workload.shape), dtype=torch.uint8, generator=draw) for size in sizes]
    y = [torch.arange(size) % CLASSES for size in sizes]
    source = Source(x[0], y[0], x[1], y[1], tuple(map(str, range(CLASSES))), "random")
    cuts = split_cuts(range(CLASSES), share_out(CLASSES, 2), "class")
    return compile_stream("random", 1, source, cuts, "class", workload.pixels, hold_out(source, None, 0.0))


class SecondTask:
    """Steps of the engine in a method's second task; what the weights are does not matter to their time."""

    def __init__(self, workload: Workload, precision: str, name: str, fields: dict[str, Any]) -> None:
        height, width, channels = workload.shape
        self.recipe, self.plan = workload.recipe, plan(precision)
        stream = stream_of(workload)
        with seeded(0, "model"):
            self.method = METHODS[name](build_model(workload.model, (channels, height, width)), **fields)
            next(iter(self.method.learn(stream.task(0))))
            self.task = stream.task(1)
            self.fit = next(iter(self.method.learn(self.task)))

    def steps(self, number: int) -> Reading:
        """The time of so many steps, after one that is not counted."""
        times: list[tuple[float, float]] = []

        def watch(step: Step) -> None:
            if step.step in (1, number + 1):
                times.append((time.perf_counter(), time.process_time()))

        recipe = Recipe(**vars(self.recipe) | {"steps": number + 1})
        Engine(recipe, 0, self.plan).fit(self.method, self.task, self.fit, None, watch)
        (wall, cpu), (wall_end, cpu_end) = times
        return Reading(wall_end - wall, cpu_end - cpu, number * recipe.batch)


if __name__ == "__main__":
    main()
