"""A step of LwM against a step of LwF and of fine-tuning, in their second task: `python -m benchmarks.lwm`.

Costs are seconds of a step over LwF's with the same form of L_old (`old_loss=bce`), both by wall and by CPU time;
LwM also with its maps by double backward, as where a head is not linear on averaged maps.
"""

import argparse
from dataclasses import replace
from typing import Any

from benchmarks import results, timing
from benchmarks.step import paced
from benchmarks.workloads import WORKLOADS, SecondTask

CLASSES = 20  # half of them in each of two tasks
IMAGES = 4096
BEFORE = 2  # steps of the first task: what the weights are does not matter to the time
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
    workload = replace(WORKLOADS[name], classes=CLASSES, images=IMAGES)
    steps = {
        label: paced(SecondTask(workload, precision, *what, "class", BEFORE).steps)
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


if __name__ == "__main__":
    main()
