"""What it costs to forget less: the studies of Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 4.2.

`python -m benchmarks.studies STUDY --data DIR --runs DIR [--jobs N] [--seeds 3]`: Fashion-MNIST in two tasks of five
classes, in the task scenario: one old task, one new, as in the paper. Each cell is a run folder below --runs: what is
finished there is not run again, and what was interrupted goes on. One seed after the other, so that a table can be had
of whatever is done: `--table`. `forgetless report RUNS --figures DIR` draws the curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from forgetless.estimates import estimate
from forgetless.record import Run
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings

from . import results
from .cells import parser, runs_of

STREAM, PRESET, HIDDEN = "split-fashion-mnist/2", "hsu", (400, 400, 400)
STEPS = 940  # of each task in the study of sizes: as many as 4 epochs of all the data

Row = tuple[str, Mapping[str, Any]]  # a method and what is set for it


@dataclass(frozen=True)
class Study:
    """One table: rows by label, and what it is compared with in the paper."""

    about: str
    rows: Mapping[str, Row]


def _weighed(method: str, key: str, *weights: float, **own: Any) -> dict[str, Row]:
    label = " ".join([method, *(str(value) for value in own.values())])
    return {f"{label}, {key} {weight:g}": (method, own | {key: weight}) for weight in weights}


_RIVALS: dict[str, Row] = {name: (name, {}) for name in ("finetune", "frozen", "duplicate", "joint")}
_SIZED: dict[str, Row] = {
    **{name: (name, {}) for name in ("lwf", "finetune", "lfl", "frozen")},
    "finetune linear layers": ("finetune", {"layers": "linear"}),
    "joint": (
        "joint",
        {"balance": "tasks", "steps": 2 * STEPS},
    ),  # as many images of each task as the others meet
}
_WARM = {"warmup": 2.0}  # half of the epochs that follow

STUDIES = {
    # Each method's weight in steps of about three, far enough to both sides that the curve bends.
    "trade-off": Study(
        "figure 7 (a, b): each method over its weight",
        _weighed("lwf", "weight", 0.1, 0.3, 1, 3, 10)
        | _weighed("lfl", "weight", 0.002, 0.02, 0.2, 2)
        | _weighed("l2_anchor", "alpha", 0.0005, 0.005, 0.05, 0.5)
        | _weighed("ewc", "strength", 1, 10, 100, 1000, 10000)
        | _RIVALS,
    ),
    "responses": Study(
        "figure 7 (c, d): the form of LwF's loss of old answers, over its weight",
        {
            label: row
            for form in ("kd", "ce", "l1", "l2", "bce")
            for label, row in _weighed("lwf", "weight", 0.3, 1, 3, 10, old_loss=form).items()
        },
    ),
    "layers": Study(
        "table 2: layers of each task's own, networks that gain a quarter of their nodes, warm-ups, a lower rate",
        {
            "lwf": ("lwf", _WARM),
            "lwf, last hidden layer of each task's own": ("lwf", _WARM | {"head_layers": 2}),
            "lwf, last two hidden layers of each task's own": ("lwf", _WARM | {"head_layers": 3}),
            "frozen, expanded": ("frozen", {"widen": 100}),
            "lwf, expanded": ("lwf", _WARM | {"widen": 100}),
            "finetune": ("finetune", _WARM),
            "finetune, 10 % of the rate for shared weights": ("finetune", _WARM | {"shared_lr": 0.1}),
            "lfl": ("lfl", _WARM),
            "lwf, no warm-up": ("lwf", {}),
            "finetune, no warm-up": ("finetune", {}),
            "lfl, no warm-up": ("lfl", {}),
            "finetune, linear layers": ("finetune", _WARM | {"layers": "linear"}),
            "frozen": ("frozen", {}),
            "joint": ("joint", {}),
        },
    ),
    "sizes": Study(
        f"figure 5: 100, 30, 10 and 3 % of the new task's data, {STEPS} steps each",
        {
            f"{label}, {share} %": (method, {"steps": STEPS, "later_limit": 60 * share} | own)
            for label, (method, own) in _SIZED.items()
            for share in (100, 30, 10, 3)
        },
    ),
}


def main() -> None:
    """Run what is missing, then write the table."""
    words = parser(__doc__, "runs/studies", 3)
    words.add_argument("study", choices=STUDIES)
    asked = words.parse_args()
    study = STUDIES[asked.study]
    cells = {
        (label, seed): settings(row, seed) for seed in range(asked.seeds) for label, row in study.rows.items()
    }
    found: dict[str, list[Run]] = {label: [] for label in study.rows}
    for (label, _), run in runs_of(cells, asked).items():
        found[label].append(run)
    results.write(
        f"lwf-{asked.study}",
        "benchmarks.studies",
        {
            "rows": [_row(label, runs) for label, runs in found.items() if runs],
            "note": f"{STREAM}, task scenario, preset {PRESET}, hidden layers of {', '.join(map(str, HIDDEN))}. "
            f"Li & Hoiem, TPAMI 2018, {study.about}. Old and new: accuracy of the first and of the second task, after "
            "the second.",
        },
    )


def settings(row: Row, seed: int) -> Settings:
    """One cell; one thread, however many run at once: the bits depend on it."""
    method, own = row
    given = {"scenario": "task", "hidden": HIDDEN, "seed": seed} | own
    return resolve(method, STREAM, given, preset=PRESET, jobs=2)


def _row(label: str, runs: list[Run]) -> dict[str, Any]:
    shown: dict[str, Any] = {"method": label, "n": len(runs)}
    for task, name in enumerate(("old", "new")):
        value = estimate([100 * float(run.accuracy[-1, task]) for run in runs])
        shown |= {f"{name} %": round(value.mean, 2), f"{name} std": value.std and round(value.std, 2)}
    return shown | {"seconds a run": round(median(run.seconds["total"] for run in runs), 1)}


if __name__ == "__main__":
    main()
