"""`forgetless report [RUNS...] -o report.html`: one page, in one file, of what was run."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from ..settings.places import runs_folder
from ..settings.schema import Flag
from .asked import OURS
from .parser import Command, Word, parse, plain_flags

ABOUT = (
    "Write one self-contained page: the table, the accuracy on every task after every task, what was forgotten, "
    "the loss terms, and how to repeat it."
)
EXAMPLES = (
    "forgetless report",
    "forgetless report runs/lwf-* -o lwf.html",
    "forgetless report --figures figures",
)
OUTPUT = Flag("output", str, None, "the page to write", "FILE")
FIGURES = Flag("figures", str, None, "a folder for each figure as SVG, and its numbers as CSV", "DIR")


def main(argv: Sequence[str]) -> int:
    """Write the page, and say where it is."""
    command = Command(
        "report",
        ABOUT,
        (Word("run", "run folders, or folders of run folders; without any, all under --runs", many=True),),
        plain_flags(OUTPUT, FIGURES, OURS["runs"]),
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
    write_report(with_result, output)
    if "figures" in asked:
        from ..report.drawn import write_figures
        from ..report.export import write_tables

        folder = Path(asked["figures"]).expanduser()
        drawn, numbers = write_figures(with_result, folder), write_tables(with_result, folder)
        print(f"{len(drawn)} figures and {len(numbers)} tables are in {folder}.", file=sys.stderr)
    left = len(paths) - len(with_result)
    if left:
        print(f"{left} of {len(paths)} runs have no result yet and are left out.", file=sys.stderr)
    print(output)
    return 0
