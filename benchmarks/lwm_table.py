"""What looking at the same pixels is worth: LwF, LwM over its gamma, and LwM with a detached attention term.

`python -m benchmarks.lwm_table [small|full] --data DIR --runs DIR [--jobs N] [--seeds N]`: CIFAR-100 in the order of
1993, ten classes a task. `small`, which a CPU does in hours: the first 5 tasks, 100 training images a class, ResNet-32.
`full`, for a GPU: all 10 tasks and all images, ResNet-32 and ResNet-18. Each cell is a run folder below --runs: what
is finished there is not run again, and what was interrupted goes on. One seed after the other, so that a table can
be had of whatever is done: `--table`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from forgetless.estimates import estimate
from forgetless.record import Run
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings

from . import results
from .cells import answers_of, made_by, on_one_machine, parser, runs_of

STREAM = "split-cifar100"
CHANCE = 0.1  # of the first task, whose own ten classes are asked for
METRICS = {
    "final": "average_accuracy",
    "incremental": "average_incremental_accuracy",
    "task-aware": "task_aware_accuracy",
}
NONE = "lwm, gamma 0"  # what the others are compared with: everything but the attention


@dataclass(frozen=True)
class Protocol:
    """What is run: rows by name, each a method with fields of its own and the row that it is compared with."""

    kept: str  # under which name its runs and its table are
    seeds: int
    shared: dict[str, Any]
    rows: dict[str, tuple[str, dict[str, Any], str]]
    words: str


SMALL = Protocol(
    "lwm-table", 3, {"tasks": 5, "limit": 100, "epochs": 15.0},
    {
        NONE: ("lwm", {"gamma": 0.0}, NONE),
        "lwm, gamma 1": ("lwm", {"gamma": 1.0}, NONE),
        "lwf": ("lwf", {}, NONE),
        "lwm, gamma 3": ("lwm", {"gamma": 3.0}, NONE),
        "lwm, gamma 0.3": ("lwm", {"gamma": 0.3}, NONE),
        "lwm, gamma 0.1": ("lwm", {"gamma": 0.1}, NONE),
        "lwm, gamma 1, detached": ("lwm", {"gamma": 1.0, "attention": "detached"}, NONE),
    },
    f"{STREAM} in the order of 1993, its first 5 tasks, 100 training images a class, ResNet-32, 15 epochs a task, "
    "class scenario; maps of 8 x 8 pixels. LwF distils by a softmax at temperature 2, LwM by a sigmoid for each label. "
    "Effects are differences to LwM with gamma 0, in points, paired by seed where both runs were made on one kind of "
    "processor",
)  # fmt: skip


def _on(model: str, gammas: tuple[float, ...]) -> dict[str, tuple[str, dict[str, Any], str]]:
    """LwM on a network over gamma, the first of which is 0."""
    return {
        f"{model}, gamma {g:g}": ("lwm", {"model": model, "gamma": g}, f"{model}, gamma 0") for g in gammas
    }


FULL = Protocol(
    "lwm-full", 2, {"epochs": 30.0, "precision": "bf16"},
    _on("resnet32", (0.0, 1.0, 0.1)) | _on("resnet18", (0.0, 1.0)),
    f"{STREAM} in the order of 1993, all 10 tasks and all images, 30 epochs a task, class scenario; passes in bf16, "
    "attention in fp32. Effects are differences to the same network with gamma 0, in points, paired by seed",
)  # fmt: skip

PROTOCOLS = {"small": SMALL, "full": FULL}


def main() -> None:
    """Run what is missing, then write the table."""
    words = parser(__doc__, "runs/lwm-table")
    words.add_argument("name", choices=PROTOCOLS, nargs="?", default="small")
    asked = words.parse_args()
    protocol = PROTOCOLS[asked.name]
    seeds = range(asked.seeds or protocol.seeds)
    cells = {(label, seed): settings(protocol, label, seed) for seed in seeds for label in protocol.rows}
    runs = runs_of(cells, asked, kept=protocol.kept)
    if not runs:
        raise SystemExit(f"No run of {asked.name} is finished below {asked.runs}.")
    rows = [_row(protocol, label, runs) for label in protocol.rows if any(name == label for name, _ in runs)]
    note = (
        f"{protocol.words}; with intervals of 95 % and a star where zero lies outside, which it does one time in "
        f"twenty by chance. Task-aware: the same networks told the task, at the end. {made_by(runs)}"
    )
    results.write(protocol.kept, "benchmarks.lwm_table", {"rows": rows, "note": note})


def settings(protocol: Protocol, label: str, seed: int) -> Settings:
    """One cell; one thread, however many run at once: the bits depend on it."""
    method, own, _ = protocol.rows[label]
    shared = {"class_order": "1993", "scenario": "class"} | protocol.shared
    return resolve(method, STREAM, shared | own | {"seed": seed}, jobs=2)


def _row(protocol: Protocol, label: str, runs: dict[tuple[str, int], Run]) -> dict[str, Any]:
    mine = {
        seed: run for (name, seed), run in sorted(runs.items(), key=lambda cell: cell[0]) if name == label
    }
    base_label = protocol.rows[label][2]
    bases = [(run, runs.get((base_label, seed))) for seed, run in mine.items()]
    pairs = [(run, base) for run, base in bases if base is not None and on_one_machine(run, base)]
    first = [float(run.accuracy[0, 0]) for run in mine.values()]
    assert min(first) >= 3 * CHANCE, f"{label}: the first task was not learned, {first}"
    line: dict[str, Any] = {
        "method": label,
        "n": len(mine),
        "pairs": None if label == base_label else len(pairs),
    }
    for name in _figures(next(iter(mine.values()))):
        values = [_figures(run)[name] for run in mine.values()]
        value = estimate(values)
        line |= {f"{name} %": round(value.mean, 2), f"{name} std": value.std and round(value.std, 2)}
        effects = [_figures(one)[name] - _figures(base)[name] for one, base in pairs]
        line[f"{name}, effect"] = _interval(effects) if effects and label != base_label else None
        line[f"{name}, in order of seeds"] = [round(one, 2) for one in values]
    same = [answers_of(one) == answers_of(base) for one, base in pairs]
    return line | {
        "first task %": round(100 * float(np.mean(first)), 2),
        "same answers as gamma 0": all(same) if same and label != base_label else None,
        "hours": round(sum(run.seconds["total"] for run in mine.values()) / 3600, 2),
    }


def _figures(run: Run) -> dict[str, float]:
    """What is shown of a run, in per cent."""
    figures = {"first task, at the end": 100 * float(run.accuracy[-1, 0])}
    for name, metric in METRICS.items():
        value = run.metrics[metric]
        assert value is not None, f"{run.path.name} has no {metric}: {run.reasons[metric]}"
        figures[name] = 100 * value
    return figures


def _interval(effects: list[float]) -> str:
    value = estimate(effects)
    half = "" if value.high is None else f" ± {value.high - value.mean:.2f}"
    return f"{value.mean:+.2f}{half}{' *' * value.leaves_out_zero}"


if __name__ == "__main__":
    main()
