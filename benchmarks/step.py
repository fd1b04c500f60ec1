"""One training step, whole, against the conventional loop: `python -m benchmarks.step [mlp resnet32 resnet18]`."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks import conventional, machine, timing
from benchmarks.against import tabulate
from benchmarks.timing import Reading, Variant
from benchmarks.workloads import WORKLOADS, Training, Workload

SECONDS = 1.0  # of each variant in each round, at least one step


def measure(name: str, rounds: int, limits: machine.Limits) -> list[dict[str, Any]]:
    """A row for each variant of a workload."""
    workload = WORKLOADS[name]
    variants = {"conventional": usual(workload)} | {
        precision: paced(Training(workload, precision).steps) for precision in ("fp32", "bf16")
    }
    readings = timing.interleave(variants, rounds, name)
    rows = []
    for variant, figures in timing.summarize(readings, "conventional").items():
        best = limit(workload, "bf16" if variant == "bf16" else "fp32", limits)
        rows.append(timing.row(name, variant, figures, workload.recipe.batch / best["seconds"]))
    return rows


def limit(workload: Workload, precision: str, limits: machine.Limits) -> dict[str, float]:
    """Least seconds of one step."""
    height, width, channels = workload.shape
    batch = torch.zeros(workload.recipe.batch, channels, height, width)
    return machine.training_limit(limits, workload.network(), batch, precision, workload.recipe.optimizer)


def usual(workload: Workload) -> Variant:
    """The conventional loop on a workload's data; its network in torch's usual memory format."""
    data, network, recipe = workload.stream().task(0).train, workload.network(), workload.recipe
    optimizer: torch.optim.Optimizer
    examples: conventional.Examples
    if workload.model == "mlp":
        examples = conventional.Rows(data.x, data.y)
        optimizer = torch.optim.AdamW(network.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    else:
        examples = conventional.Pictures(data.x, data.y, partial(augmented, workload))
        optimizer = torch.optim.SGD(
            network.parameters(), recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    loop = conventional.Loop(network, optimizer, examples, recipe.batch)
    return paced(lambda number: timing.timed(lambda: loop.steps(number), number * recipe.batch))


def augmented(workload: Workload, picture: conventional.Picture) -> torch.Tensor:
    """Crop, flip, to tensor, normalise: one image."""
    pixels = workload.pixels
    cropped = conventional.random_flip(conventional.random_crop(picture, pixels.crop))
    return conventional.Normalize(pixels.mean, pixels.std)(conventional.to_tensor(cropped))


def paced(steps: Callable[[int], Reading]) -> Variant:
    """As many steps as take about SECONDS."""
    steps(1)
    number = max(1, math.ceil(SECONDS / steps(1).wall))
    return lambda: steps(number)


if __name__ == "__main__":
    tabulate("step", __doc__, tuple(WORKLOADS), measure)
