"""What tables of many runs share: how they are asked for, and which of their runs are finished.

Runs that take many hours are kept beside the results as they finish, without their weights and answers: whoever goes
on with a table, on another day or another machine, runs only what is missing. `forgetless report` reads what is kept.
"""

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import yaml

from forgetless import record
from forgetless.certificate import BITS_DEPEND_ON
from forgetless.cli import printable
from forgetless.cli.progress import progress
from forgetless.errors import ForgetlessError
from forgetless.record import Run
from forgetless.settings.files import to_yaml
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings
from forgetless.sweep import run_many

from . import results

Key = TypeVar("Key", bound=Hashable)

FILES = ("settings.yaml", "environment.json", "result.json")
ANSWERS = "answers.sha256"  # in place of the answers themselves


def parser(
    about: str | None, runs: str, seeds: int | None = None, *, table: bool = True
) -> argparse.ArgumentParser:
    """Flags of a table: where data and runs are, how much is run; with `table`, that to run nothing."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, default=os.environ.get("FORGETLESS_DATA"))
    made.add_argument("--runs", type=Path, default=Path(runs))
    made.add_argument("--jobs", type=int, default=1)
    made.add_argument("--seeds", type=int, default=seeds)
    if table:
        made.add_argument("--table", action="store_true", help="run nothing: the table of what is finished")
    return made


def make(cells: Sequence[Settings], asked: argparse.Namespace) -> list[Run]:
    """Run these and tell how far they are; what stops them is said in a sentence, as by the command line."""
    try:
        with progress(len(cells)) as listen:
            return run_many(cells, jobs=asked.jobs, data=asked.data, runs=asked.runs, listen=listen)
    except ForgetlessError as error:
        print(printable(str(error)), file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def runs_of(cells: Mapping[Key, Settings], asked: argparse.Namespace, kept: str = "") -> dict[Key, Run]:
    """The finished runs of these cells; before that what is missing is run, unless the table alone is asked for.

    With a name to keep them under, finished runs are copied to `results/runs/<name>`, and what is there is not run.
    """
    if not kept:
        if not asked.table:
            make(list(cells.values()), asked)
        found = {key: _finished(asked.runs / cell.folder) for key, cell in cells.items()}
        return {key: run for key, run in found.items() if run is not None}
    store = results.RESULTS / "runs" / kept
    done = _stored(store, cells)
    missing = [cell for key, cell in cells.items() if key not in done]
    try:
        if not asked.table:
            make(missing, asked)
    finally:
        for cell in missing:
            _keep(asked.runs / cell.folder, store / cell.folder)
    return _stored(store, cells)


def made_by(runs: Mapping[Key, Run]) -> str:
    """The commits and the processors that made these runs, as a sentence: they need not be one."""
    commits = sorted({str(run.environment.get("commit") or "unknown")[:10] for run in runs.values()})
    machines = sorted({str(run.environment.get("device_name") or "unknown") for run in runs.values()})
    return f"The runs were made at commit {', '.join(commits)}, on {'; '.join(machines)}."


def on_one_machine(one: Run, other: Run) -> bool:
    """Whether two runs can be compared to the bit, and so as a pair: chance sets in where rounding differs."""
    return all(one.environment.get(key) == other.environment.get(key) for key in BITS_DEPEND_ON)


def answers_of(run: Run) -> str:
    """A hash of every answer that the run's accuracies count, in order; of a run that is kept, as it was kept."""
    if (run.path / ANSWERS).is_file():
        return (run.path / ANSWERS).read_text().strip()
    scored = run.predictions().scored(run.scenario)
    return hashlib.sha256(b"".join(scored[place].tobytes() for place in sorted(scored))).hexdigest()


def _keep(folder: Path, store: Path) -> None:
    run = _finished(folder)
    if run is None:
        return
    store.mkdir(parents=True, exist_ok=True)
    (store / ANSWERS).write_text(answers_of(run) + "\n")
    for name in FILES:  # the result last: without it the folder does not count
        shutil.copy(folder / name, store / name)


def _stored(store: Path, cells: Mapping[Key, Settings]) -> dict[Key, Run]:
    """The kept runs of these cells: those with the same settings. What came up later counts as it is by default."""
    runs = [run for path in sorted(store.glob("*")) if (run := _finished(path)) is not None]
    found = {}
    for key, cell in cells.items():
        usual = resolve(cell.method, cell.stream, {"scenario": cell.scenario})
        asked, default = (yaml.safe_load(to_yaml(settings)) for settings in (cell, usual))
        same = [
            run for run in runs if run.settings.keys() <= asked.keys() and default | run.settings == asked
        ]
        if same:
            found[key] = same[0]
    return found


def _finished(folder: Path) -> Run | None:
    """The run in a folder, if it came to its end."""
    if not (folder / "result.json").is_file():
        return None
    run = record.load(folder)
    return run if run.state == "finished" else None
