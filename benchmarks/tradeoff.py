"""What it costs to forget less: old tasks against new ones, each method over its weight.

`python -m benchmarks.tradeoff --data DIR --runs DIR [--jobs N] [--seeds 3]`: Split MNIST in the task scenario, the
MLP and training of Hsu et al. Each cell is a run folder below --runs: what is finished there is not run again, and
what was interrupted goes on. One seed after the other, so that a table can be had of whatever is done: `--table`.
`forgetless report RUNS --figures DIR` draws the curves.
"""

from typing import Any

import numpy as np

from forgetless.estimates import estimate
from forgetless.record import Run
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings
from forgetless.sweep import run_many

from . import results
from .cells import finished, parser

STREAM, SCENARIO, PRESET = "split-mnist", "task", "hsu"

# Each method's weight in steps of about three, far enough to both sides that the curve bends.
WEIGHTS: dict[str, tuple[str, tuple[float, ...]]] = {
    "lwf": ("weight", (0.1, 0.3, 1.0, 3.0, 10.0)),
    "lfl": ("weight", (0.002, 0.02, 0.2, 2.0)),
    "l2_anchor": ("alpha", (0.0005, 0.005, 0.05, 0.5)),
    "ewc": ("strength", (1.0, 10.0, 100.0, 1000.0, 10000.0)),
}
POINTS = ("finetune", "frozen", "duplicate", "joint")


def main() -> None:
    """Run what is missing, then write the table."""
    asked = parser(__doc__, "runs/trade-off", 3).parse_args()
    cells = {(label, seed): settings(label, seed) for seed in range(asked.seeds) for label in labels()}
    if not asked.table:
        run_many(list(cells.values()), jobs=asked.jobs, data=asked.data, runs=asked.runs)
    found: dict[str, list[Run]] = {label: [] for label in labels()}
    for (label, _), cell in cells.items():
        run = finished(asked.runs / cell.folder)
        if run is not None:
            found[label].append(run)
    results.write(
        "trade-off",
        "benchmarks.tradeoff",
        {
            "rows": [_row(label, runs) for label, runs in found.items() if runs],
            "note": f"{STREAM}, {SCENARIO} scenario, preset {PRESET}. Old: the mean over all tasks but the last, after "
            "the last. New: the mean over all tasks but the first, each just after it was learned.",
        },
    )


def labels() -> list[str]:
    """The rows: each method at each weight, then those that have none."""
    weighed = [f"{name} {value:g}" for name, (_, values) in WEIGHTS.items() for value in values]
    return [*weighed, *POINTS]


def settings(label: str, seed: int) -> Settings:
    """One cell; one thread, however many run at once: the bits depend on it."""
    method, _, value = label.partition(" ")
    own: dict[str, Any] = {WEIGHTS[method][0]: float(value)} if value else {}
    return resolve(method, STREAM, {"scenario": SCENARIO, "seed": seed} | own, preset=PRESET, jobs=2)


def _row(label: str, runs: list[Run]) -> dict[str, Any]:
    old = estimate([float(run.accuracy[-1, :-1].mean()) for run in runs])
    new = estimate([float(np.diag(run.accuracy)[1:].mean()) for run in runs])
    return {
        "method": label,
        "n": len(runs),
        "old %": round(100 * old.mean, 2),
        "old std": old.std and round(100 * old.std, 2),
        "new %": round(100 * new.mean, 2),
        "new std": new.std and round(100 * new.std, 2),
        "seconds a run": round(sum(run.seconds["total"] for run in runs) / len(runs), 1),
    }


if __name__ == "__main__":
    main()
