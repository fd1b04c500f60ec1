"""What tables of many runs share: how they are asked for, and which of their runs are finished."""

import argparse
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TypeVar

from forgetless import record
from forgetless.record import Run
from forgetless.settings.settings import Settings
from forgetless.sweep import run_many

Key = TypeVar("Key", bound=Hashable)


def parser(about: str | None, runs: str, seeds: int | None = None) -> argparse.ArgumentParser:
    """Flags of a table: where data and runs are, how much is run; `table` runs nothing."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path)
    made.add_argument("--runs", type=Path, default=Path(runs))
    made.add_argument("--jobs", type=int, default=1)
    made.add_argument("--seeds", type=int, default=seeds)
    made.add_argument("--table", action="store_true", help="run nothing: the table of what is finished")
    return made


def runs_of(cells: Mapping[Key, Settings], asked: argparse.Namespace) -> dict[Key, Run]:
    """The finished runs of these cells; before that what is missing is run, unless the table alone is asked for."""
    if not asked.table:
        run_many(list(cells.values()), jobs=asked.jobs, data=asked.data, runs=asked.runs)
    return {
        key: run for key, cell in cells.items() if (run := _finished(asked.runs / cell.folder)) is not None
    }


def _finished(folder: Path) -> Run | None:
    """The run in a folder, if it came to its end."""
    if not (folder / "result.json").is_file():
        return None
    run = record.load(folder)
    return run if run.state == "finished" else None
