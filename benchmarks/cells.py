"""What tables of many runs share: how they are asked for, and which of their runs are finished."""

import argparse
from pathlib import Path

from forgetless import record
from forgetless.record import Run


def parser(about: str | None, runs: str, seeds: int | None = None) -> argparse.ArgumentParser:
    """Flags of a table: where data and runs are, how much is run; `table` runs nothing."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path)
    made.add_argument("--runs", type=Path, default=Path(runs))
    made.add_argument("--jobs", type=int, default=1)
    made.add_argument("--seeds", type=int, default=seeds)
    made.add_argument("--table", action="store_true", help="run nothing: the table of what is finished")
    return made


def finished(folder: Path) -> Run | None:
    """The run in a folder, if it came to its end."""
    if not (folder / "result.json").is_file():
        return None
    run = record.load(folder)
    return run if run.state == "finished" else None
