"""`forgetless report [RUNS...] -o report.html`: one page, in one file, of what was run."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from ..settings.places import runs_folder
from ..settings.schema import Flag
from .flags import OURS
from .parser import Command, Word, parse, plain_flags

ABOUT = (
    "Write one self-contained page: the table, the accuracy on every task after every task, what was forgotten, "
    "the loss terms, and how to repeat it."
)
EXAMPLES = (
    "forgetless report",
    "forgetless report runs/lwf-* -o lwf.html",
    "forgetless report --figures figures --tables numbers",
)
OUTPUT = Flag("output", str, None, "the page to write", "FILE")
FIGURES = Flag("figures", str, None, "also write each picture there, as an SVG file", "DIR")
TABLES = Flag("tables", str, None, "also write the numbers there, as CSV files", "DIR")


def main(argv: Sequence[str]) -> int:
    """Write the page, and say where it is."""
    command = Command(
        "report",
        ABOUT,
        (Word("run", "run folders, or folders of run folders; without any, all under --runs", many=True),),
        plain_flags(OUTPUT, FIGURES, TABLES, OURS["runs"]),
        examples=EXAMPLES,
        short={"output": "-o"},
        shown={"output": "report.html"},
    )
    asked = parse(command, argv)
    from ..record import runs_below

    places = [Path(place) for place in asked.get("run", ())] or [runs_folder(asked.get("runs"))]
    paths = sorted({path for place in places for path in runs_below(place)})
    with_result = [path for path in paths if (path / "result.json").is_file()]
    if not with_result:
        raise DataError(
            f"There is no run with a result in {', '.join(map(str, places))}. `forgetless run` makes one; "
            "--runs says where they are."
        )
    from ..report.page import write_report

    output = Path(asked.get("output", "report.html")).expanduser()
    for lost in write_report(with_result, output):
        print(f"Left out: {lost.reason}", file=sys.stderr)
    left = len(paths) - len(with_result)
    if left:
        print(f"{left} of {len(paths)} runs have no result yet and are left out.", file=sys.stderr)
    print(output)
    if "figures" in asked:
        from ..report.files import write_figures

        print(*write_figures(with_result, Path(asked["figures"]).expanduser()), sep="\n")
    if "tables" in asked:
        from ..report.export import write_tables

        print(*write_tables(with_result, Path(asked["tables"]).expanduser()), sep="\n")
    return 0
