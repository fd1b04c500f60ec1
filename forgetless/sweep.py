"""Many runs side by side: each is a process of one thread, and a folder that can be resumed."""

import os
import signal
from collections import deque
from collections.abc import Sequence
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from . import record
from .errors import DivergedError, ForgetlessError, InterruptedRun
from .events import Event, Listener, Note, silent
from .interrupts import Stop, stoppable
from .run import run_settings
from .settings.settings import Settings

DEATHS = 2  # of the process that runs a cell, before the cell is given up


def run_many(
    cells: Sequence[Settings],
    *,
    jobs: int = 1,
    data: Path | None = None,
    runs: Path,
    fresh: bool = False,
    listen: Listener = silent,
    checkpoint_every: float = 60.0,
) -> list[record.Run]:
    """Run all cells, at most `jobs` at once, and return their runs in order.

    A cell that diverges comes back as a run in that state. Another failure lets the other cells finish and is
    raised then.

    Raises:
        InterruptedRun: a stop was asked for; each cell can be resumed.
        ForgetlessError: the first failure, if there was one.
    """
    options = {"data": data, "runs": runs, "fresh": fresh, "checkpoint_every": checkpoint_every}
    if jobs <= 1 or len(cells) <= 1:
        failures = [_attempt(cell, options, listen) for cell in cells]
    else:
        failures = _Pool(cells, min(jobs, len(cells)), options, listen).go()
    for failure in failures:
        if failure is not None:
            raise failure
    return [record.load(runs / cell.folder) for cell in cells]


def _attempt(cell: Settings, options: dict[str, Any], listen: Listener) -> ForgetlessError | None:
    """Run one cell here; its failure, unless it diverged, which is a result."""
    try:
        run_settings(cell, listen=listen, **options)
    except DivergedError:
        return None
    except InterruptedRun:
        raise
    except ForgetlessError as error:
        return error
    return None


class _Pool:
    """Worker processes that take cells one after the other."""

    def __init__(
        self, cells: Sequence[Settings], jobs: int, options: dict[str, Any], listen: Listener
    ) -> None:
        self.cells, self.jobs, self.options, self.listen = cells, jobs, options, listen
        self.waiting = deque(range(len(cells)))
        self.failures: list[ForgetlessError | None] = [None] * len(cells)
        self.deaths = [0] * len(cells)
        self.workers: dict[
            Any, tuple[BaseProcess, int | None]
        ] = {}  # by their end of the pipe: process, cell

    def go(self) -> list[ForgetlessError | None]:
        """Run everything; each cell's failure, if it had one."""
        with stoppable() as stop:
            try:
                for _ in range(self.jobs):
                    self._start()
                while any(cell is not None for _, cell in self.workers.values()):
                    self._listen_once(stop)
            finally:
                for process, _ in self.workers.values():
                    process.kill()
                    process.join()
        if stop.asked:
            raise InterruptedRun(
                f"Stopped, as asked; nothing is lost. `forgetless resume --runs {self.options['runs']}` goes on."
            )
        return self.failures

    def _start(self) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.options), daemon=True)
        process.start()
        theirs.close()
        self.workers[ours] = (process, None)
        self._give(ours)

    def _give(self, pipe: Any) -> None:
        process, _ = self.workers[pipe]
        cell = self.waiting.popleft() if self.waiting else None
        self.workers[pipe] = (process, cell)
        if cell is not None:
            pipe.send(self.cells[cell])

    def _listen_once(self, stop: Stop) -> None:
        for pipe in connection.wait(list(self.workers), timeout=0.2):
            try:
                message = pipe.recv()  # type: ignore[union-attr]
            except (EOFError, OSError):
                self._bury(pipe)
                continue
            if isinstance(message, Event):
                self.listen(message)
                continue
            _, cell = self.workers[pipe]
            assert cell is not None
            self.failures[cell] = message
            self._give(pipe)
        if stop.asked and self.waiting is not None:
            self.waiting.clear()
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        """Pass a stop on, once: workers are in groups of their own and do not hear the terminal's."""
        for pipe, (process, cell) in self.workers.items():
            if cell is not None and not getattr(process, "asked_to_stop", False):
                process.asked_to_stop = True  # type: ignore[attr-defined]
                process.terminate()
            del pipe

    def _bury(self, pipe: Any) -> None:
        """A worker died: its cell goes on in a new one, unless it was the death of several."""
        process, cell = self.workers.pop(pipe)
        process.join()
        if cell is None:
            return
        self.deaths[cell] += 1
        name = self.cells[cell].folder
        if self.deaths[cell] < DEATHS:
            self.listen(Note(name, f"its process died (exit {process.exitcode}); it goes on in a new one"))
            self.waiting.appendleft(cell)
        else:
            self.failures[cell] = ForgetlessError(
                f"The process of {name} died {DEATHS} times (exit {process.exitcode}), perhaps for want of memory. "
                "Give --jobs 1, then `forgetless resume` goes on with it."
            )
        self._start()


def _work(pipe: Any, options: dict[str, Any]) -> None:
    """The life of a worker: take a cell, run it, say how it went."""
    os.setpgid(0, 0)

    def tell(event: Event) -> None:
        try:
            pipe.send(event)
        except OSError:  # whoever started us is gone: stop where the run can go on later
            os.kill(os.getpid(), signal.SIGTERM)

    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        try:
            failure = _attempt(cell, options, tell)
        except InterruptedRun as error:
            failure = error
        pipe.send(failure)
