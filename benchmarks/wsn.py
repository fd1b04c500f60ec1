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
from typing import Any

from benchmarks import results, timing
from benchmarks.workloads import SecondTask, Workload
from forgetless.data import Pixels
from forgetless.engine import optimizers
from forgetless.ops import Selected
from forgetless.settings.recipe import Recipe
from forgetless.weights import Subnet, subnets

SECONDS = 1.5  # of each variant in each round, at least two steps
IMAGES = 6400


CLASSES = 20  # half of them in each of two tasks
BEFORE = 20  # steps of the first task
WORKLOADS = {
    "alexnet-small": Workload(
        "alexnet-small",
        (32, 32, 3),
        CLASSES,
        Recipe(batch=64, lr=1e-3, optimizer="adam"),
        Pixels(),
        images=IMAGES,
    ),
    "mlp": Workload(
        "mlp", (28, 28, 1), CLASSES, Recipe(batch=10, lr=1e-3, optimizer="adam"), Pixels(), (100, 100), IMAGES
    ),
}
CAPACITY = {"alexnet-small": 0.5, "mlp": 0.3}


def measure(name: str, precision: str, rounds: int) -> dict[str, Any]:
    """The ratio of the two, and milliseconds of the parts."""
    workload = WORKLOADS[name]
    learning = {
        method: SecondTask(workload, precision, method, fields, "task", BEFORE)
        for method, fields in (("finetune", {}), ("wsn", {"capacity": CAPACITY[name]}))
    }
    for one in learning.values():
        one.steps(2)
    number = max(2, math.ceil(SECONDS / (learning["wsn"].steps(5).wall / 5)))
    variants = {name: (lambda one=one: one.steps(number)) for name, one in learning.items()}
    readings = timing.interleave(variants, rounds, f"{name} {precision}")
    each = {
        method: [1e3 * workload.recipe.batch * r.cpu / r.samples for r in found]
        for method, found in readings.items()
    }
    ratios = [ours / base for ours, base in zip(each["wsn"], each["finetune"], strict=True)]
    parts = {name: taken(one, number, rounds) for name, one in learning.items()}
    figures = parts["wsn"] | {"scores": parts["wsn"]["optimiser"] - parts["finetune"]["optimiser"]}
    del figures["optimiser"]
    whole = statistics.median(each["wsn"])
    return {
        "network": name,
        "precision": precision,
        "finetune, ms": statistics.median(each["finetune"]),
        "wsn, ms": whole,
        "ratio": statistics.median(ratios),
        "range": f"{min(ratios):.2f} to {max(ratios):.2f}",
    } | {f"{name}, share": value / whole for name, value in figures.items()}


def taken(learning: SecondTask, number: int, rounds: int) -> dict[str, float]:
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
    asked.add_argument("networks", nargs="*", default=list(WORKLOADS))
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--name", default="wsn", help="of the result")
    options = asked.parse_args()
    rows = [
        measure(name, precision, options.rounds)
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
