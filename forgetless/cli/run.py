"""`forgetless run METHOD STREAM`: one method, one stream, one seed or several."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .asked import Asked, read_run
from .progress import progress
from .results import describe_run, plain_run

if TYPE_CHECKING:
    from ..record import Run

ABOUT = "Teach one stream, task after task, by one method, and test all tasks so far after each."
EXAMPLES = (
    "forgetless run lwf split-mnist",
    "forgetless run lwf split-mnist --scenario task --seeds 5 --jobs 2",
    "forgetless run lwf split-cifar100/20 --epochs 10 --weight 3",
    "forgetless run ./mine.py ./photos/5 --limit 100",
    "forgetless run --config runs/A-RUN/settings.yaml",
)


def main(argv: Sequence[str]) -> int:
    """Run, and write what came of it."""
    asked = read_run("run", argv, EXAMPLES, ABOUT)
    runs = run_cells(asked, jobs=asked.count("jobs") or 1, alone=True)
    if "json" in asked.switches:
        print(
            json.dumps(plain_run(runs[0]) if len(runs) == 1 else [plain_run(run) for run in runs], indent=1)
        )
    elif len(runs) == 1:
        print(describe_run(runs[0]))
    else:
        from ..report.render import render_text
        from ..report.table import make_table

        print(render_text(make_table(runs)))
    return exit_code(runs)


def run_cells(asked: Asked, jobs: int, *, alone: bool = False) -> "list[Run]":
    """Run every cell that is asked for, in order, `jobs` at once; `alone`: one cell's failure is the command's."""
    cells = asked.cells(jobs)
    fresh = "fresh" in asked.switches
    with progress(len(cells), quiet="quiet" in asked.switches) as listen:
        if alone and len(cells) == 1:
            from ..run import run_settings

            return [run_settings(cells[0], data=asked.data, runs=asked.runs, fresh=fresh, listen=listen)]
        from ..sweep import run_many

        return run_many(cells, jobs=jobs, data=asked.data, runs=asked.runs, fresh=fresh, listen=listen)


def exit_code(runs: "Sequence[Run]") -> int:
    """0 where all are finished, 4 where one diverged, 1 otherwise; what is wrong is said on standard error."""
    wrong = [run for run in runs if run.state != "finished"]
    for run in wrong:
        print(
            f"forgetless: {run.path} is {run.state}. {run.result.get('error') or ''}".rstrip(),
            file=sys.stderr,
        )
    if not wrong:
        return 0
    return 4 if any(run.state == "diverged" for run in wrong) else 1
