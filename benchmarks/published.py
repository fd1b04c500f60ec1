"""Published tables, run again: `python -m benchmarks.published TABLE --data DIR --runs DIR [--jobs N]`.

Each cell is a run folder below --runs; what is finished there is not run again, and what was interrupted goes on.
"""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from forgetless.estimates import Published, estimate, verdict
from forgetless.record import Run
from forgetless.settings.resolve import resolve

from . import results
from .cells import make, parser


@dataclass(frozen=True)
class Row:
    """One method in one setting, and what was published for it, in per cent, by scenario."""

    method: str
    published: dict[str, Published | None]
    preset: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class Table:
    """Rows on one stream, with as many seeds as are asked for by default."""

    stream: str
    source: str
    seeds: int
    rows: tuple[Row, ...]
    note: str = ""


def _printed(
    mean: float, *, std: float | None = None, sem: float | None = None, n: int | None = None
) -> Published:
    """A figure as printed, in per cent."""
    share = {"std": std, "sem": sem}
    return Published(mean / 100, n=n, **{name: value and value / 100 for name, value in share.items()})


HSU = "Hsu et al. 2018, arXiv 1810.12488, table 2: mean and standard deviation of 10 runs"
VAN_DE_VEN = "van de Ven & Tolias 2018, arXiv 1809.10635, table 3: mean and standard error of 20 runs"

_EWC: dict[str, Published | None] = {
    "task": _printed(97.70, std=0.81, n=10),
    "domain": _printed(58.85, std=2.59, n=10),
    "class": _printed(19.80, std=0.05, n=10),
}
_ONLINE: dict[str, Published | None] = {
    "task": _printed(98.04, std=1.10, n=10),
    "domain": _printed(57.33, std=1.44, n=10),
    "class": _printed(19.77, std=0.04, n=10),
}

TABLES: dict[str, Table] = {
    "split-mnist": Table(
        "split-mnist",
        f"{HSU}; lwf (vandeven): {VAN_DE_VEN}",
        5,
        (
            Row(
                "finetune",
                {
                    "task": _printed(93.46, std=2.01, n=10),
                    "domain": _printed(55.16, std=1.38, n=10),
                    "class": _printed(19.71, std=0.08, n=10),
                },
                preset="hsu",
            ),
            Row(
                "joint",
                {
                    "task": _printed(99.52, std=0.16, n=10),
                    "domain": _printed(98.59, std=0.15, n=10),
                    "class": _printed(97.53, std=0.30, n=10),
                },
                preset="hsu",
            ),
            Row(
                "lwf",
                {
                    "task": _printed(99.60, sem=0.03, n=20),
                    "domain": _printed(71.02, sem=1.26, n=20),
                    "class": _printed(24.17, sem=0.51, n=20),
                },
                preset="vandeven",
                label="lwf (vandeven)",
            ),
            Row(
                "lwf",
                {"task": None, "domain": None, "class": None},
                preset="hsu",
                label="lwf (its own defaults)",
            ),
        ),
        note="LwF at its own defaults learns new tasks by a cross-entropy over the new labels alone, so nothing "
        "pushes the old labels down but distillation: that is why it stands far above the published figure in the "
        "class scenario.",
    ),
    "ewc": Table(
        "split-mnist",
        HSU,
        5,
        (
            Row("ewc", _EWC, preset="hsu", given={"strength": 1200.0, "fisher": "predicted"}),
            Row(
                "ewc",
                _ONLINE,
                preset="hsu",
                given={"strength": 200.0, "fisher": "predicted", "online": True},
                label="ewc, online",
            ),
            Row(
                "ewc",
                _EWC,
                preset="hsu",
                given={"strength": 1200.0, "fisher": "true"},
                label="ewc (true Fisher)",
            ),
        ),
        note="Their penalty has no half: their strengths, 600 and 100 online, are 1200 and 200 here. Their Fisher "
        "information is of the likeliest label, which is nearly zero where the network is sure; the true one is that "
        "of all labels. Their Adam goes on from task to task, which makes its first steps in a new task some three "
        "times as large, and their class scenario trains all ten outputs from the start. The scripts in their "
        "repository have other strengths for the task and the domain scenario (100 and 100; online 400 and 700).",
    ),
    "icarl": Table(
        "split-mnist",
        "van de Ven & Tolias 2019, arXiv 1904.07734: mean and standard error of 20 runs, as later papers quote it",
        5,
        (
            Row(
                "icarl",
                {"class": _printed(94.57, sem=0.11, n=20)},
                preset="vandeven",
                given={"memory": 2000, "temperature": 2.0},
            ),
            Row(
                "icarl",
                {"class": None},
                preset="vandeven",
                given={"memory": 2000, "temperature": 1.0},
                label="icarl (no temperature, as its paper)",
            ),
            Row(
                "icarl",
                {"class": None},
                preset="vandeven",
                given={"memory": 2000, "temperature": 2.0, "classifier": "network"},
                label="icarl (the network's own scores)",
            ),
            Row(
                "icarl",
                {"class": None},
                preset="vandeven",
                given={"per_class": 20, "temperature": 2.0},
                label="icarl (20 per class)",
            ),
        ),
        note="They soften the old network's scores by a temperature of 2, which iCaRL's paper does not. Without it new "
        "classes are learned under the old ones' confident answers to them. Their Adam goes on from task "
        "to task.",
    ),
    "cifar100-lwf": Table(
        "split-cifar100/10",
        "no accuracy is published for this setting: ResNet-32, 10 epochs a task",
        1,
        (Row("lwf", {"class": None}, given={"epochs": 10.0}),),
    ),
}


def main() -> None:
    """Run a table and write its results."""
    words = parser(__doc__, "runs", table=False)
    words.add_argument("table", choices=TABLES)
    asked = words.parse_args()
    table = TABLES[asked.table]
    seeds = asked.seeds or table.seeds
    cells = {
        (row.label or row.method, scenario, seed): resolve(
            row.method,
            table.stream,
            row.given | {"scenario": scenario, "seed": seed},
            preset=row.preset,
            jobs=max(2, asked.jobs),  # one thread each, however many run at once: the bits depend on it
        )
        for row in table.rows
        for scenario in row.published
        for seed in range(seeds)
    }
    runs = make(list(cells.values()), asked)
    found = dict(zip(cells, runs, strict=True))
    rows = [
        _row(
            row,
            scenario,
            published,
            [found[row.label or row.method, scenario, seed] for seed in range(seeds)],
        )
        for row in table.rows
        for scenario, published in row.published.items()
    ]
    results.write(
        asked.table,
        "benchmarks.published",
        {"rows": rows, "source": table.source, "note": f"{table.source}. {table.note}".strip()},
    )


def _row(row: Row, scenario: str, published: Published | None, runs: list[Run]) -> dict[str, Any]:
    ours = estimate([run.accuracy[-1].mean() for run in runs])
    return {
        "method": row.label or row.method,
        "scenario": scenario,
        "published %": None if published is None else round(100 * published.mean, 2),
        "ours %": round(100 * ours.mean, 2),
        "std": None if ours.std is None else round(100 * ours.std, 2),
        "n": ours.n,
        "verdict": None if published is None else verdict(ours, published),
        "forgetting %": round(100 * sum(run.metrics["forgetting"] or 0 for run in runs) / len(runs), 2),
        "seconds a run": round(median(run.seconds["total"] for run in runs), 1),
        "accuracy": [run.accuracy.round(4).tolist()[-1] for run in runs],
        "weights_sha256": [run.result["weights_sha256"][:16] for run in runs],
        "settings": runs[0].path.name.rpartition("-")[2],
    }


if __name__ == "__main__":
    main()
