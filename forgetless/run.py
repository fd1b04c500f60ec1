"""One run: one stream, one method, one seed; a folder that holds all of it, resumable from any moment."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from . import record
from .blame import Blamed
from .cell import Cell
from .engine import choose_plan, describe_machine, prepared_process
from .errors import DataError, DivergedError, InterruptedRun, SettingsError, StorageError
from .events import Listener, Note, RunEnded, silent
from .files import explained, write_atomically
from .interrupts import stoppable
from .settings.files import read_settings, write_settings
from .settings.settings import Settings
from .version import __version__

OVER = ("finished", "diverged")
LINGER = 1.0  # seconds: a process that was just ended holds its locks until its last thread is gone


def run_settings(
    settings: Settings,
    *,
    data: Path | None = None,
    runs: Path,
    fresh: bool = False,
    listen: Listener = silent,
    checkpoint_every: float = 60.0,
) -> record.Run:
    """Run these settings in this process, or go on with an unfinished run of them, or reuse a finished one.

    Args:
        settings: What decides the numbers.
        data: The data root; None for FORGETLESS_DATA or the user's cache.
        runs: Where run folders go.
        fresh: Start anew, whatever lies there.
        listen: Told what happens.
        checkpoint_every: Seconds between checkpoints inside a task; there is one after each task anyway.

    Raises:
        ForgetlessError: one of its kinds, each with an exit code; what was learned until then is on the disk. A run
            that is refused before its first step leaves no folder that it made.
    """
    folder = runs / settings.folder
    with _locked(folder) as made:
        if fresh:
            _empty(folder)
        if (over := _over(folder)) is not None:
            listen(RunEnded(folder.name, "reused", over.seconds.get("total", 0.0)))
            if over.state == "diverged":
                raise DivergedError(
                    f"{over.result['error']} (This run ended so before; --fresh tries again.)"
                )
            return over
        plan = choose_plan(settings.precision, settings.threads, settings.model)
        _describe(folder, settings, describe_machine(plan), listen)
        with stoppable() as stop, prepared_process(plan):
            cell = Cell(settings, folder, plan, listen, stop, checkpoint_every)
            try:
                _finish(cell, data)
            except (SettingsError, DataError):  # whoever asks for the same will be refused again
                if made and not (cell.ready and cell.saved.account.steps):
                    shutil.rmtree(folder, ignore_errors=True)
                raise
        return record.load(folder)


def _finish(cell: Cell, data: Path | None) -> None:
    """Take a run to its end; if that is not to be, write down why not."""
    try:
        with Blamed(cell.settings.method_file):
            cell.go(data)
    except InterruptedRun:
        cell.conclude("interrupted")
        raise
    except DivergedError as error:
        cell.conclude("diverged", str(error))
        raise
    except Exception as error:
        with suppress(StorageError):
            cell.conclude("failed", str(error))
        if _is_of_memory(error):
            raise SettingsError(
                f"The run needs more memory than there is{_asked_of_memory(error)}. A smaller network or --batch "
                "needs less, and so do fewer --jobs at once."
            ) from error
        raise


def _asked_of_memory(error: Exception) -> str:
    """How much was asked for at once, where the error tells."""
    told = re.search(r"allocate (\d+) bytes|allocate ([\d.]+ [KMG]iB)", str(error))
    if told is None:
        return ""
    return f": it asked for {told[2] or f'{int(told[1]) / 2**30:,.1f} GiB'} at once"


def _is_of_memory(error: Exception) -> bool:
    """Whether there was too little memory; torch tells so in several ways."""
    said = ("can't allocate memory", "not enough memory", "size calculation overflowed")
    out = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return out or (isinstance(error, RuntimeError) and any(words in str(error) for words in said))


def resume(
    path: Path, *, data: Path | None = None, listen: Listener = silent, checkpoint_every: float = 60.0
) -> record.Run:
    """Go on with the run in a folder.

    Raises:
        StorageError: it is no run folder.
    """
    if not (path / "settings.yaml").is_file():
        raise StorageError(f"{path} is no run folder: it holds no settings.yaml.")
    settings = read_settings(path / "settings.yaml")
    if settings.folder != path.name:
        raise StorageError(
            f"The settings in {path} are those of a run named {settings.folder}: they were changed, or the folder "
            "was renamed. Give it that name, or run the settings with `forgetless run --config`."
        )
    return run_settings(
        settings, data=data, runs=path.parent, listen=listen, checkpoint_every=checkpoint_every
    )


def unfinished(runs: Path) -> list[Path]:
    """Folders of runs that were started and are not over, in order of name."""
    if not runs.is_dir():
        return []
    return [path.parent for path in sorted(runs.glob("*/settings.yaml")) if _over(path.parent) is None]


def _over(folder: Path) -> record.Run | None:
    """The run in a folder if it is over, else None."""
    if not (folder / "result.json").exists():
        return None
    try:
        run = record.load(folder)
    except StorageError:
        return None  # what a crash left; the checkpoint tells what is true
    return run if run.state in OVER else None


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a run's folder, and say whether it was made for this; the system frees it when the process ends."""
    with explained(folder, "write into"):
        made = _make(folder)
        holder = folder / "lock.json"
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=LINGER)
        except Timeout:
            raise SettingsError(
                f"{folder} is in use by {_holder(holder)}. Wait for it, or stop it first."
            ) from None
    try:
        write_atomically(holder, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        yield made
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _make(folder: Path) -> bool:
    """Make a folder unless it is there; whether it was this call that made it, whoever else tries."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        folder.mkdir(exist_ok=True)  # raises where a file has its name
        return False
    return True


def _holder(path: Path) -> str:
    facts = _facts(path)
    if "pid" not in facts:
        return "another process"
    return f"process {facts['pid']} on {facts.get('host')}"


def _facts(path: Path) -> dict[str, Any]:
    """What a file of ours says; nothing if it is missing or damaged, for no result hangs on it."""
    with suppress(OSError, ValueError):
        facts = json.loads(path.read_text())
        if isinstance(facts, dict):
            return facts
    return {}


def _empty(folder: Path) -> None:
    with explained(folder, "empty"):
        (folder / "result.json").unlink(
            missing_ok=True
        )  # first: half a folder must not pass for a finished run
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.name.startswith("lock"):
                path.unlink()


def _describe(folder: Path, settings: Settings, machine: dict[str, Any], listen: Listener) -> None:
    """Write what the run is and where it runs; say so where it goes on elsewhere than it began."""
    write_settings(folder / "settings.yaml", settings)
    path = folder / "environment.json"
    here = machine | {"forgetless": __version__, "commit": _commit()}
    listen(Note(folder.name, f"precision {machine['precision']}: {machine['precision_reason']}"))
    if before := _facts(path):
        compared = ("torch", "device_name", "threads", "precision")
        moved = [key for key in compared if before.get(key) != here[key]]
        if moved:
            changes = ", ".join(f"{key} {before.get(key)} -> {here[key]}" for key in moved)
            listen(Note(folder.name, f"resumed elsewhere, so not to the same bits: {changes}"))
    write_atomically(path, json.dumps(here, indent=1) + "\n")


def _commit() -> str | None:
    """The commit of a checkout that this package runs from, if it does."""
    top = Path(__file__).parent.parent
    if not (top / ".git").exists():
        return None
    asked = ["git", "-C", str(top), "rev-parse", "HEAD"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False)
        return done.stdout.strip() or None
    return None
