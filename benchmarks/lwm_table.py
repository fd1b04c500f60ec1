"""What looking at the same pixels is worth: LwF, LwM over its gamma, and LwM with a detached attention term.

`python -m benchmarks.lwm_table --data DIR --runs DIR [--jobs N] [--seeds 3]`: CIFAR-100 in the order of 1993, the
first 5 tasks of 10 classes, 100 training images a class, ResNet-32, 15 epochs a task. Each cell is a run folder
below --runs: what is finished there is not run again, and what was interrupted goes on. One seed after the other,
so that a table can be had of whatever is done: `--table`.
"""

from typing import Any

import numpy as np

from forgetless.estimates import Estimate, estimate
from forgetless.record import Run
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings

from . import results
from .cells import answers_of, made_by, parser, runs_of

STREAM = "split-cifar100"
SHARED = {"tasks": 5, "limit": 100, "epochs": 15.0, "class_order": "1993", "scenario": "class"}
CHANCE = 0.1  # of the first task, whose own ten classes are asked for
NONE = "lwm, gamma 0"  # what the others are compared with: everything but the attention

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    NONE: ("lwm", {"gamma": 0.0}),
    "lwm, gamma 1": ("lwm", {"gamma": 1.0}),
    "lwf": ("lwf", {}),
    "lwm, gamma 3": ("lwm", {"gamma": 3.0}),
    "lwm, gamma 0.3": ("lwm", {"gamma": 0.3}),
    "lwm, gamma 0.1": ("lwm", {"gamma": 0.1}),
    "lwm, gamma 1, detached": ("lwm", {"gamma": 1.0, "attention": "detached"}),
}


def main() -> None:
    """Run what is missing, then write the table."""
    asked = parser(__doc__, "runs/lwm-table", 3).parse_args()
    cells = {(label, seed): settings(label, seed) for seed in range(asked.seeds) for label in ROWS}
    runs = runs_of(cells, asked, kept="lwm-table")
    results.write(
        "lwm-table",
        "benchmarks.lwm_table",
        {
            "rows": [_row(label, runs) for label in ROWS if (label, 0) in runs],
            "note": f"{STREAM} in the order of 1993, its first 5 tasks, 100 training images a class, ResNet-32, 15 "
            "epochs a task, class scenario; maps of 8 x 8 pixels. Effects are differences paired by seed, to LwM with "
            "gamma 0, with intervals of 95 % and a star where zero lies outside; one in twenty would by chance. LwF "
            "distils by a softmax at temperature 2, LwM by a sigmoid for each label. " + made_by(runs),
        },
    )


def settings(label: str, seed: int) -> Settings:
    """One cell; one thread, however many run at once: the bits depend on it."""
    method, own = ROWS[label]
    return resolve(method, STREAM, SHARED | own | {"seed": seed}, jobs=2)


def _row(label: str, runs: dict[tuple[str, int], Run]) -> dict[str, Any]:
    seeds = [seed for name, seed in runs if name == label]
    mine = [runs[label, seed] for seed in seeds]
    paired = [seed for seed in seeds if (NONE, seed) in runs]
    effects = [_final(runs[label, seed]) - _final(runs[NONE, seed]) for seed in paired]
    first = [float(run.accuracy[0, 0]) for run in mine]
    assert min(first) >= 3 * CHANCE, f"{label}: the first task was not learned, {first}"
    return {
        "method": label,
        "n": len(mine),
        **_shown("final %", estimate([_final(run) for run in mine])),
        **_shown(
            "incremental %", estimate([run.metrics["average_incremental_accuracy"] or 0.0 for run in mine])
        ),
        "effect, points": None if label == NONE else _interval(effects),
        "first task %": round(100 * float(np.mean(first)), 2),
        "first task, at the end %": round(100 * float(np.mean([run.accuracy[-1, 0] for run in mine])), 2),
        "same answers as gamma 0": all(
            answers_of(runs[label, s]) == answers_of(runs[NONE, s]) for s in paired
        ),
        "hours": round(sum(run.seconds["total"] for run in mine) / 3600, 2),
    }


def _final(run: Run) -> float:
    return float(run.accuracy[-1].mean())


def _shown(name: str, value: Estimate) -> dict[str, Any]:
    return {name: round(100 * value.mean, 2), f"{name} std": value.std and round(100 * value.std, 2)}


def _interval(effects: list[float]) -> str:
    if not effects:
        return ""
    value = estimate(effects)
    half = "" if value.high is None else f" ± {100 * (value.high - value.mean):.2f}"
    return f"{100 * value.mean:+.2f}{half}{' *' * value.leaves_out_zero}"


if __name__ == "__main__":
    main()
