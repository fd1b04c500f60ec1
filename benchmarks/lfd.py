"""What LFD's penalty adds to a step of an MLP: `python -m benchmarks.lfd`. 784-400-400-400-10, batch 256, AdamW."""

import argparse
import statistics
from dataclasses import replace
from typing import Any

from forgetless.methods import METHODS

from . import results, timing
from .step import paced
from .workloads import WORKLOADS, Training, Workload, plan

VARIANTS = {
    "no penalty": {"penalty": "none"},
    "l2, |s|²": {"penalty": "l2"},
    "LFD, |δ|²": {"penalty": "random"},  # a step costs the same whatever the direction
    "LFD, |δ|² tensor by tensor": {"penalty": "random", "scope": "per_tensor"},
}


class Held(Training):
    """The steps of a second task with these fields of the method, through the engine."""

    def __init__(self, workload: Workload, precision: str, fields: dict[str, Any]) -> None:
        super().__init__(workload, precision)
        self.method = METHODS["lfd"](workload.network(), replay=False, ep="none", **fields)  # type: ignore[call-arg, arg-type]
        self.task = replace(self.stream.task(0), index=1)
        self.fit = next(iter(self.method.learn(self.task)))


def main() -> None:
    """Measure, print, write `results/lfd.json`."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--name", default="lfd", help="of the result")
    options = asked.parse_args()
    plan("fp32")
    rows = [row for precision in ("fp32", "bf16") for row in measure(precision, options.rounds)]
    note = "Shares of a step without the penalty, by the process's CPU time and by wall time: medians over the rounds."
    results.write(options.name, "benchmarks.lfd", {"rounds": options.rounds, "note": note, "rows": rows})
    for row in rows:
        print(row)


def measure(precision: str, rounds: int) -> list[dict[str, Any]]:
    """A row for each penalty."""
    steps = {
        name: paced(Held(WORKLOADS["mlp"], precision, fields).steps) for name, fields in VARIANTS.items()
    }
    readings = timing.interleave(steps, rounds, precision)
    base = readings["no penalty"]
    rows = []
    for name, own in readings.items():
        cpu = [a.cpu / a.samples / (b.cpu / b.samples) - 1 for a, b in zip(own, base, strict=True)]
        wall = [a.wall / a.samples / (b.wall / b.samples) - 1 for a, b in zip(own, base, strict=True)]
        batch = WORKLOADS["mlp"].recipe.batch
        rows.append(
            {
                "precision": precision,
                "penalty": name,
                "ms a step (CPU)": round(1000 * batch * statistics.median(r.cpu / r.samples for r in own), 3),
                "adds (CPU)": round(statistics.median(cpu), 3),
                "adds (wall)": round(statistics.median(wall), 3),
                "range (CPU)": f"{min(cpu):.2f} to {max(cpu):.2f}",
            }
        )
    return rows


if __name__ == "__main__":
    main()
