"""`forgetless run METHOD STREAM`: one method, one stream, one seed or several."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import printable
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
    runs, failed = run_cells(asked, jobs=asked.count("jobs") or 1, alone=True)
    one = len(runs) == 1 and not failed
    if "json" in asked.switches:
        print(json.dumps(plain_run(runs[0]) if one else [plain_run(run) for run in runs], indent=1))
    elif one:
        print(describe_run(runs[0]))
    elif runs:
        from ..report.render import render_text
        from ..report.table import make_table

        print(render_text(make_table(runs)))
    return failed or exit_code(runs)


def run_cells(asked: Asked, jobs: int, *, alone: bool = False) -> "tuple[list[Run], int]":
    """Run every cell that is asked for, in order, `jobs` at once: the runs that did not fail, and the exit code of the
    first that did, or 0; each failure is said on standard error. `alone`: a single cell's failure is raised.
    """
    cells = asked.cells(jobs)
    options: dict[str, Any] = {"data": asked.data, "runs": asked.runs, "fresh": "fresh" in asked.switches}
    with progress(len(cells), quiet="quiet" in asked.switches) as listen:
        if alone and len(cells) == 1:
            from ..run import run_settings

            return [run_settings(cells[0], **options, listen=listen)], 0
        from ..sweep import attempt_many

        failures = attempt_many(cells, options, jobs=jobs, listen=listen)
    code = 0
    for cell, failure in zip(cells, failures, strict=True):
        if failure is not None:
            print(f"forgetless: {cell.folder}: {printable(str(failure))}", file=sys.stderr)
            code = code or failure.exit_code
    from ..record import load

    whole = [cell for cell, failure in zip(cells, failures, strict=True) if failure is None]
    return [load(asked.runs / cell.folder) for cell in whole], code


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
