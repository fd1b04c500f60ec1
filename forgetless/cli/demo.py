"""`forgetless demo`: see a network forget, and LwF cure part of it, in under a minute, with nothing to download."""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ..settings.places import available_cores, runs_folder
from .asked import Asked
from .flags import OURS, SWITCHES
from .parser import Command, parse, plain_flags
from .progress import progress
from .report import OUTPUT
from .results import json_text
from .run import exit_code

if TYPE_CHECKING:
    from ..record import Run

ABOUT = (
    "Teach a small network ten handwritten digits, two at a time, by three methods: finetune does nothing against "
    "forgetting, lwf keeps its old answers, joint sees all data again. Needs no download."
)
EXAMPLES = ("forgetless demo", "forgetless demo --seeds 5 -o demo.html")
METHODS, SCENARIOS, STREAM = ("finetune", "lwf", "joint"), ("task", "class"), "split-digits"
LITTLE = 5.0  # points of accuracy


def main(argv: Sequence[str]) -> int:
    """Run, print the table and what it says, write the page."""
    flags = (OURS["seeds"], OUTPUT, OURS["runs"], OURS["jobs"])
    switches = {name: SWITCHES[name] for name in ("fresh", "json", "quiet")}
    shown = {"seeds": "3", "output": "report.html", "runs": "./runs/demo"}
    command = Command(
        "demo", ABOUT, (), plain_flags(*flags), switches, EXAMPLES, short={"output": "-o"}, shown=shown
    )
    values = parse(command, argv)
    asked = Asked(METHODS, STREAM, {}, frozenset(), values, frozenset(switches) & set(values))
    runs = _run(asked, runs_folder(values.get("runs")) / ("" if "runs" in values else "demo"))
    from ..report.page import write_report
    from ..report.render import render_text
    from ..report.table import make_table, to_json

    page = Path(values.get("output", "report.html")).expanduser()
    write_report([run.path for run in runs], page)
    table = make_table(runs)
    if "json" in asked.switches:
        print(json_text(to_json(table)))
    else:
        print(f"{render_text(table)}\n{moral(runs)}")
    print(f"The page with all of it: {page}", file=sys.stderr)
    return exit_code(runs)


def _run(asked: Asked, folder: Path) -> "list[Run]":
    from ..settings.resolve import resolve
    from ..sweep import run_many

    seeds = range(asked.count("seeds") or 3)
    cells = [
        resolve(method, STREAM, {"scenario": scenario, "seed": seed}, jobs=2)
        for scenario in SCENARIOS
        for method in METHODS
        for seed in seeds
    ]
    jobs = asked.count("jobs") or min(available_cores(), len(cells))
    fresh = "fresh" in asked.switches
    with progress(len(cells), quiet="quiet" in asked.switches) as listen:
        return run_many(cells, jobs=jobs, data=None, runs=folder, fresh=fresh, listen=listen)


def moral(runs: "Sequence[Run]") -> str:
    """One plain sentence for each scenario of what was seen: figures of these very runs."""
    return "\n".join(_sentence([run for run in runs if run.scenario == scenario]) for scenario in SCENARIOS)


def _sentence(runs: "Sequence[Run]") -> str:
    told = {"task": "Told which pair a digit is of", "class": "Asked for one of all digits"}[runs[0].scenario]
    means = [_mean(runs, method) for method in METHODS]
    floor, cured, ceiling = (None if mean is None else 100 * mean for mean in means)
    if floor is None or cured is None or ceiling is None:
        return f"{told}: not every run finished, so there is nothing to say."
    figures = f"{told}, the network that learned pair after pair gets {floor:.0f} % right"
    lost = ceiling - floor
    if lost < LITTLE:
        return f"{figures}, and {ceiling:.0f} % is what all data at once give: little is forgotten here."
    return (
        f"{figures}, where all data at once give {ceiling:.0f} %. LwF, which sees no old image again, gets "
        f"{cured:.0f} %: it kept {100 * (cured - floor) / lost:.0f} % of what was forgotten."
    )


def _mean(runs: "Sequence[Run]", method: str) -> float | None:
    values = [run.metrics.get("average_accuracy") for run in runs if run.method == method]
    found = [value for value in values if value is not None]
    return fmean(found) if found and len(found) == len(values) else None
