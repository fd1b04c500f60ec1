"""What each part of LFD + EP is worth: `python -m benchmarks.lfd_ablation STREAM --data DIR --runs DIR [--jobs N]`.

STREAM is permuted-mnist-article (domain scenario) or split-mnist (class scenario). First α, and r of the direction,
are chosen for each penalty on the first three tasks, by held-out examples and with seeds of their own; then every
row is run with as many seeds as it has. Each cell is a run folder below --runs, each value of the scan a number in
`scan.json`: stopped at any moment, the same command goes on where it was, and what is finished is not run again.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from forgetless.data import build_stream
from forgetless.engine import Engine, Progress, capture, choose_plan, evaluate, prepared_process
from forgetless.estimates import Estimate, estimate
from forgetless.files import write_atomically
from forgetless.methods.registry import fresh_method
from forgetless.record import Run
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings

from . import results
from .cells import made_by, parser, runs_of

Runs = dict[tuple[str, int], Run]  # by row and seed

ALPHAS = (0.0005, 0.005, 0.05, 0.5)
RADII = (10.0, 20.0, 40.0, 80.0)
HELD_OUT, SCANNED, SCAN_SEED = 0.1, 3, 100  # share of the training data, first tasks, the first seed
# The article's recipe decays the weights towards zero, where the penalty holds them elsewhere: none, in any row
STREAMS: dict[str, dict[str, Any]] = {
    "permuted-mnist-article": {"scenario": "domain", "weight_decay": 0.0},
    "split-mnist": {"scenario": "class"},
}


@dataclass(frozen=True)
class Row:
    """One configuration: what is added to the first row, and the rows that it is compared with, seed by seed."""

    adds: str
    penalty: Literal["none", "l2", "random", "lfd"]
    ep: Literal["none", "fixed", "descent", "grid"]
    over: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def tuned(self) -> bool:
        """Whether it has a penalty, whose strength is chosen first."""
        return self.penalty != "none"


MAIN = (
    Row("", "none", "none"),
    Row("l2", "l2", "none", ("",)),
    Row("random", "random", "none", ("", "l2")),
    Row("LFD", "lfd", "none", ("", "l2", "random")),
    Row("EP", "none", "descent", ("",)),
    Row("LFD + EP", "lfd", "descent", ("", "l2", "LFD", "EP")),
)
OTHERS = (
    Row("LFD + EP, λ = .5", "lfd", "fixed", ("LFD + EP",)),
    Row("LFD + EP, λ by grid", "lfd", "grid", ("LFD + EP",)),
    Row("LFD + EP, per tensor", "lfd", "descent", ("LFD + EP",), {"scope": "per_tensor"}),
    Row("LFD + EP, one point of the ray", "lfd", "descent", ("LFD + EP",), {"ray": "single"}),
)


def main() -> None:
    """Choose, run what is missing, write `results/lfd-<stream>.json`."""
    words = parser(__doc__, "runs/lfd", 5)
    words.add_argument("stream", choices=STREAMS)
    words.add_argument("--fewer", type=int, default=3, help="seeds of the rows beside the main ones")
    words.add_argument("--scan-seeds", type=int, default=2, help="of the scan")
    words.add_argument("--limit", type=int, help="training images per class: to try things")
    words.add_argument("--name", help="of the result")
    asked = words.parse_args()
    study = Study(asked, asked.name or f"lfd-{asked.stream}")
    parts = {
        True: [*((row, asked.seeds) for row in MAIN), *((row, asked.fewer) for row in OTHERS)],
        False: [(row, asked.fewer) for row in MAIN],
    }
    for replay, rows in parts.items():
        study.table(replay, rows)
        study.write()


NOTE = (
    "Mean accuracy over all tasks after the last, in per cent. A column `over` another row holds the mean of the "
    "differences seed by seed, in points, and their standard deviation, with a star where their 95 % interval leaves "
    "out zero; one in twenty would by chance. All rows "
    "have the same recipe (weight decay 0), the same exemplars (20 a class and task, by herding) and the same seeds; "
    "α and r were chosen for each penalty on the first three tasks by held-out examples. The paper's own figures "
    "could not be had."
)


class Study:
    """All cells of one stream."""

    def __init__(self, asked: argparse.Namespace, name: str) -> None:
        self.asked, self.name = asked, name
        self.found: list[dict[str, Any]] = []
        self.runs: dict[tuple[bool, str, int], Run] = {}
        self.scanned = dict[str, dict[str, float]]()
        self.scan = results.RESULTS / "runs" / name / "scan.json"
        self.values: dict[str, float] = json.loads(self.scan.read_text()) if self.scan.exists() else {}

    def settings(self, seed: int, replay: bool, **fields: Any) -> Settings:
        """Those of one cell; one thread, however many run at once: the bits depend on it."""
        given = STREAMS[self.asked.stream] | {"seed": seed, "replay": replay} | fields
        given |= {} if self.asked.limit is None else {"limit": self.asked.limit}
        return resolve("lfd", self.asked.stream, given, jobs=2)

    def table(self, replay: bool, rows: list[tuple[Row, int]]) -> None:
        """Choose strengths, run each row with so many seeds, and compare them."""
        chosen = {penalty: self.choose(penalty, replay) for penalty in ("l2", "random", "lfd")}
        cells: dict[tuple[str, int], Settings] = {}
        for row, seeds in rows:
            fields = {"penalty": row.penalty, "ep": row.ep} | row.more | chosen.get(row.penalty, {})
            cells |= {(row.adds, seed): self.settings(seed, replay, **fields) for seed in range(seeds)}
        runs = runs_of(cells, self.asked, kept=self.name)
        self.runs |= {(replay, *cell): run for cell, run in runs.items()}
        first = "replay" if replay else "finetune"
        self.found += [
            line_of(row, runs, first, chosen.get(row.penalty, {})) for row, _ in rows if (row.adds, 0) in runs
        ]

    def write(self) -> None:
        """Write what there is."""
        content = {"note": f"{NOTE} {made_by(self.runs)}", "scan": self.scanned, "rows": self.found}
        results.write(self.name, "benchmarks.lfd_ablation", content)

    def choose(self, penalty: str, replay: bool) -> dict[str, float]:
        """The α, and for LFD the r, of the best mean accuracy on held-out examples of the first tasks."""
        radii: Iterable[float | None] = RADII if penalty == "lfd" else (None,)
        scores: dict[tuple[float, float | None], float] = {}
        for alpha, radius in product(ALPHAS, radii):
            fields = {"alpha": alpha} | ({} if radius is None else {"radius": radius})
            seeds = range(SCAN_SEED, SCAN_SEED + self.asked.scan_seeds)
            values = [
                self.held_out(
                    self.settings(seed, replay, penalty=penalty, ep="none", validation=HELD_OUT, **fields)
                )
                for seed in seeds
            ]
            scores[alpha, radius] = sum(values) / len(values)
            about = f"replay {penalty}" if replay else f"no replay, {penalty}"
            name = f"alpha {alpha:g}" + ("" if radius is None else f", r {radius:g}")
            self.scanned.setdefault(about, {})[name] = round(100 * scores[alpha, radius], 3)
            print(f"{about}, {name}: {scores[alpha, radius]:.4f}", file=sys.stderr, flush=True)
        alpha, radius = max(scores, key=scores.__getitem__)
        return {"alpha": alpha} | ({} if radius is None else {"radius": radius})

    def held_out(self, settings: Settings) -> float:
        """Mean accuracy on the held-out examples of the first tasks after the last of these; kept in a file."""
        if settings.folder not in self.values:
            self.values[settings.folder] = learn_some(settings, self.asked.data)
            self.scan.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.scan, json.dumps(self.values, indent=1) + "\n")
        return self.values[settings.folder]


def learn_some(settings: Settings, data: Path | None) -> float:
    """Learn the first tasks, and ask the held-out examples in place of the tests."""
    how = choose_plan(settings.precision, settings.threads, settings.model)
    with prepared_process(how):
        stream = build_stream(settings, data)
        stream = replace(stream, tests=stream.validations)
        method, engine = (
            fresh_method(settings, stream.input_shape),
            Engine(settings.recipe, settings.seed, how),
        )
        for index in range(SCANNED):
            engine.learn(method, stream.task(index), Progress(capture(method)), lambda _: None)
        answers = evaluate(method, stream, SCANNED - 1, how)
    right = [
        answer.agnostic.eq(test.y).double().mean().item()
        for answer, test in zip(answers, stream.tests, strict=False)
        if answer.agnostic is not None
    ]
    return sum(right) / len(right)


def line_of(row: Row, runs: Runs, first: str, strength: dict[str, float]) -> dict[str, Any]:
    """A line of the table."""
    own = [run for (adds, _), run in runs.items() if adds == row.adds]
    finals = [100 * run.accuracy[-1].mean() for run in own]
    ours = estimate(finals)
    line: dict[str, Any] = {
        "row": f"{first} + {row.adds}" if row.adds else first,
        "accuracy %": round(ours.mean, 2),
        "std": None if ours.std is None else round(ours.std, 2),
        "n": ours.n,
        "forgetting %": round(100 * mean(run.metrics["forgetting"] for run in own), 2),
        "strength": ", ".join(f"{name} {value:g}" for name, value in strength.items()),
    }
    compared = {
        other or "the first row": difference(row.adds, other, runs)
        for other in row.over
        if (other, 0) in runs
    }
    line |= {
        f"over {other}": f"{by.mean:+.2f}{f' ± {by.std:.2f}' if by.std else ''}{' *' * by.leaves_out_zero}"
        for other, by in compared.items()
    }
    return line | {
        "seconds a run": round(mean(run.seconds["total"] for run in own), 1),
        "settings": own[0].path.name.rpartition("-")[2],
        "each": [round(value, 3) for value in finals],
        "differences": [{"over": other, **asdict(by)} for other, by in compared.items()],
    }


def difference(one: str, other: str, runs: Runs) -> Estimate:
    """One row less another, seed by seed, in points."""
    own = {seed: run.accuracy[-1].mean() for (adds, seed), run in runs.items() if adds == one}
    theirs = {seed: run.accuracy[-1].mean() for (adds, seed), run in runs.items() if adds == other}
    return estimate([100 * (own[seed] - theirs[seed]) for seed in own if seed in theirs])


def mean(values: Iterable[float | None]) -> float:
    """The mean of numbers that are all defined."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


if __name__ == "__main__":
    main()
