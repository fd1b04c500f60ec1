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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import product, repeat
from multiprocessing import get_context
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
    """One configuration, and those that it is compared with, seed by seed."""

    name: str
    penalty: Literal["none", "l2", "random", "lfd"]
    ep: Literal["none", "fixed", "descent", "grid"]
    over: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def replay(self) -> bool:
        """Whether it learns from exemplars too."""
        return self.name.startswith("replay")

    def without_replay(self) -> "Row":
        """The same without replay, compared with the same without."""
        names = [name.replace("replay", "finetune") for name in (self.name, *self.over)]
        return replace(self, name=names[0], over=tuple(name for name in names[1:] if name != names[0]))


MAIN = (
    Row("finetune", "none", "none"),
    Row("replay", "none", "none", ("finetune",)),
    Row("replay + l2", "l2", "none", ("replay",)),
    Row("replay + random", "random", "none", ("replay", "replay + l2")),
    Row("replay + LFD", "lfd", "none", ("replay", "replay + l2", "replay + random")),
    Row("replay + EP", "none", "descent", ("replay",)),
    Row("replay + LFD + EP", "lfd", "descent", ("replay", "replay + l2", "replay + LFD", "replay + EP")),
)
WHOLE = MAIN[-1]
OTHERS = (
    Row("replay + l2 + EP", "l2", "descent", ("replay + l2", WHOLE.name)),
    Row("replay + random + EP", "random", "descent", ("replay + random", WHOLE.name)),
    replace(WHOLE, name=f"{WHOLE.name}, λ = .5", ep="fixed", over=(WHOLE.name,)),
    replace(WHOLE, name=f"{WHOLE.name}, λ by grid", ep="grid", over=(WHOLE.name,)),
    replace(WHOLE, name=f"{WHOLE.name}, per tensor", over=(WHOLE.name,), more={"scope": "per_tensor"}),
    replace(WHOLE, name=f"{WHOLE.name}, one point of the ray", over=(WHOLE.name,), more={"ray": "single"}),
)


def main() -> None:
    """Choose, run what is missing, write `results/lfd-<stream>.json`."""
    words = parser(__doc__, "runs/lfd", 5)
    words.add_argument("stream", choices=STREAMS)
    words.add_argument("--fewer", type=int, default=3, help="seeds of the rows beside the main ones")
    words.add_argument("--bare", action="store_true", help="the parts without replay too")
    words.add_argument("--scan-seeds", type=int, default=2, help="of the scan")
    words.add_argument("--limit", type=int, help="training images per class: to try things")
    words.add_argument("--name", help="of the result")
    asked = words.parse_args()
    rows = dict.fromkeys(MAIN, asked.seeds) | dict.fromkeys(OTHERS, asked.fewer)
    if asked.bare:
        rows |= dict.fromkeys((row.without_replay() for row in MAIN[2:]), asked.fewer)
    Study(asked, asked.name or f"lfd-{asked.stream}").table(rows)


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
        self.scanned = dict[str, dict[str, float]]()
        self.file = results.RESULTS / "runs" / name / "scan.json"
        self.values: dict[str, float] = json.loads(self.file.read_text()) if self.file.exists() else {}

    def table(self, rows: dict[Row, int]) -> None:
        """Choose strengths, run each row with so many seeds, compare them, write."""
        tuned = dict.fromkeys((row.penalty, row.replay) for row in rows if row.penalty != "none")
        chosen = {about: self.choose(*about) for about in tuned}
        cells = {
            (row.name, seed): self.settings(
                seed,
                row.replay,
                penalty=row.penalty,
                ep=row.ep,
                **row.more,
                **chosen.get((row.penalty, row.replay), {}),
            )
            for seed in range(max(rows.values()))
            for row, seeds in rows.items()
            if seed < seeds
        }
        runs = runs_of(cells, self.asked, kept=self.name)
        found = [
            line_of(row, runs, chosen.get((row.penalty, row.replay), {}))
            for row in rows
            if (row.name, 0) in runs
        ]
        content = {"note": f"{NOTE} {made_by(runs)}", "scan": self.scanned, "rows": found}
        results.write(self.name, "benchmarks.lfd_ablation", content)

    def settings(self, seed: int, replay: bool, **fields: Any) -> Settings:
        """Those of one cell; one thread, however many run at once: the bits depend on it."""
        given = STREAMS[self.asked.stream] | {"seed": seed, "replay": replay} | fields
        given |= {} if self.asked.limit is None else {"limit": self.asked.limit}
        return resolve("lfd", self.asked.stream, given, jobs=2)

    def choose(self, penalty: str, replay: bool) -> dict[str, float]:
        """The α, and for LFD the r, of the best mean accuracy on held-out examples of the first tasks."""
        radii = [{"radius": radius} for radius in RADII] if penalty == "lfd" else [{}]
        grid = [{"alpha": alpha} | radius for alpha, radius in product(ALPHAS, radii)]
        seeds = range(SCAN_SEED, SCAN_SEED + self.asked.scan_seeds)
        cells = [
            [
                self.settings(seed, replay, penalty=penalty, ep="none", validation=HELD_OUT, **at)
                for seed in seeds
            ]
            for at in grid
        ]
        self.scan([cell for each in cells for cell in each])
        scores = [sum(self.values[cell.folder] for cell in each) / len(each) for each in cells]
        about = f"{'replay' if replay else 'no replay'}, {penalty}"
        self.scanned[about] = {
            shown(at): round(100 * score, 3) for at, score in zip(grid, scores, strict=True)
        }
        return grid[scores.index(max(scores))]

    def scan(self, cells: list[Settings]) -> None:
        """Mean accuracy on the held-out examples of the first tasks after the last of these; kept in a file."""
        missing = [cell for cell in cells if cell.folder not in self.values]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(self.asked.jobs, get_context("spawn")) as pool:
            for cell, value in zip(
                missing, pool.map(learn_some, missing, repeat(self.asked.data)), strict=True
            ):
                self.values[cell.folder] = value
                write_atomically(self.file, json.dumps(self.values, indent=1) + "\n")
                print(f"{cell.folder}: {value:.4f}", file=sys.stderr, flush=True)


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


def line_of(row: Row, runs: Runs, strength: dict[str, float]) -> dict[str, Any]:
    """A line of the table."""
    own = [run for (name, _), run in runs.items() if name == row.name]
    finals = [100 * run.accuracy[-1].mean() for run in own]
    ours = estimate(finals)
    compared = {other: difference(row.name, other, runs) for other in row.over if (other, 0) in runs}
    return {
        "row": row.name,
        "accuracy %": round(ours.mean, 2),
        "std": None if ours.std is None else round(ours.std, 2),
        "n": ours.n,
        "forgetting %": round(100 * mean(run.metrics["forgetting"] for run in own), 2),
        "strength": shown(strength),
        **{
            f"over {other}": f"{by.mean:+.2f}{f' ± {by.std:.2f}' if by.std else ''}{' *' * by.leaves_out_zero}"
            for other, by in compared.items()
        },
        "seconds a run": round(mean(run.seconds["total"] for run in own), 1),
        "settings": own[0].path.name.rpartition("-")[2],
        "each": [round(value, 3) for value in finals],
        "differences": [{"over": other, **asdict(by)} for other, by in compared.items()],
    }


def shown(strength: dict[str, float]) -> str:
    """A strength in words."""
    return ", ".join(f"{name} {value:g}" for name, value in strength.items())


def difference(one: str, other: str, runs: Runs) -> Estimate:
    """One row less another, seed by seed, in points."""
    own, theirs = (
        {seed: run.accuracy[-1].mean() for (name, seed), run in runs.items() if name == wanted}
        for wanted in (one, other)
    )
    return estimate([100 * (own[seed] - theirs[seed]) for seed in own if seed in theirs])


def mean(values: Iterable[float | None]) -> float:
    """The mean of numbers that are all defined."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


if __name__ == "__main__":
    main()
