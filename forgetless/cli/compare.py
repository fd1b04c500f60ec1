"""`forgetless compare METHOD... --on STREAM`: several methods, scenarios and seeds in one table."""

import json
import sys
from collections.abc import Sequence

from ..settings.places import available_cores
from .asked import Asked, read_compare
from .run import exit_code, run_cells

ABOUT = "Run several methods on one stream under the same seeds, and put them into one table."
EXAMPLES = (
    "forgetless compare finetune lwf joint --on split-mnist",
    "forgetless compare finetune joint --on split-mnist --scenario task,domain,class --seeds 5 --preset hsu",
    "forgetless compare lwf ./mine.py --on split-digits --seeds 3 --json",
)


def main(argv: Sequence[str]) -> int:
    """Run every cell, and write the table of those that did not fail."""
    asked = read_compare(argv, EXAMPLES, ABOUT)
    _note_left_alone(asked)
    runs, failed = run_cells(asked, _jobs(asked))
    from ..report.render import render_text
    from ..report.table import make_table, to_json

    table = make_table(runs)
    if "json" in asked.switches:
        print(json.dumps(to_json(table), indent=1))
    elif runs:
        print(render_text(table))
    return failed or exit_code(runs)


def _note_left_alone(asked: Asked) -> None:
    """Say to whom a preset gives nothing, for their rows are not the paper's."""
    if names := dict.fromkeys(" in ".join(filter(None, cell)) for cell in asked.left_alone):
        print(
            f"preset {asked.options['preset']}: nothing for {', '.join(names)}; run without it.",
            file=sys.stderr,
        )


def _jobs(asked: Asked) -> int:
    """As many as are asked for, else as many as there are cores and cells."""
    scenarios = str(asked.given.get("scenario", "")).count(",") + 1
    cells = len(asked.methods) * scenarios * (asked.count("seeds") or 1)
    return asked.count("jobs") or min(available_cores(), cells)
