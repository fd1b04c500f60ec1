"""Many runs side by side: each is a process of one thread, and a folder that can be resumed."""

import os
import signal
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from . import record
from .blame import FAILURES, failure_of
from .errors import DivergedError, ForgetlessError, InterruptedRun
from .events import Event, Listener, Note, silent
from .interrupts import stoppable
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
    for failure in attempt_many(cells, options, jobs=jobs, listen=listen):
        if failure is not None:
            raise failure
    return [record.load(runs / cell.folder) for cell in cells]


def attempt_many(
    cells: Sequence[Settings], options: dict[str, Any], *, jobs: int = 1, listen: Listener = silent
) -> list[ForgetlessError | None]:
    """Run all cells, at most `jobs` at once; of each its failure, or None. `options` are those of `run_settings`.

    Raises:
        InterruptedRun: a stop was asked for; each cell can be resumed.
    """
    if jobs <= 1 or len(cells) <= 1:
        return [_attempt(cell, options, listen) for cell in cells]
    return _Pool(cells, min(jobs, len(cells)), options, listen).go()


def _attempt(cell: Settings, options: dict[str, Any], listen: Listener) -> ForgetlessError | None:
    """Run one cell here; its failure, be it a crash, unless it diverged, which is a result."""
    try:
        run_settings(cell, listen=listen, **options)
    except DivergedError:
        return None
    except InterruptedRun:
        raise
    except FAILURES as error:
        return failure_of(error)
    return None


@dataclass
class _Worker:
    """A process, our end of its pipe, and the number of the cell it runs."""

    process: BaseProcess
    pipe: Connection
    cell: int | None = None
    asked_to_stop: bool = False


class _Pool:
    """Worker processes that take cells one after the other."""

    def __init__(
        self, cells: Sequence[Settings], jobs: int, options: dict[str, Any], listen: Listener
    ) -> None:
        self.cells, self.jobs, self.options, self.listen = cells, jobs, options, listen
        self.waiting = deque(range(len(cells)))
        self.failures: list[ForgetlessError | None] = [None] * len(cells)
        self.deaths = [0] * len(cells)
        self.workers: list[_Worker] = []

    def go(self) -> list[ForgetlessError | None]:
        """Run everything; each cell's failure, if it had one."""
        with stoppable() as stop:
            try:
                for _ in range(self.jobs):
                    self._start()
                while any(worker.cell is not None for worker in self.workers):
                    self._hear()
                    if stop.asked:
                        self._ask_to_stop()
            finally:
                for worker in self.workers:
                    worker.process.kill()
                    worker.process.join()
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
        worker = _Worker(process, ours)
        self.workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        worker.cell = self.waiting.popleft() if self.waiting else None
        if worker.cell is not None:
            worker.pipe.send(self.cells[worker.cell])

    def _hear(self) -> None:
        """Take one message from each worker that has one: an event, or how its cell went."""
        ready = connection.wait([worker.pipe for worker in self.workers], timeout=0.2)
        for worker in [worker for worker in self.workers if worker.pipe in ready]:
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                self._bury(worker)
                continue
            if isinstance(message, Event):
                self.listen(message)
            elif worker.cell is not None:
                self.failures[worker.cell] = message
                self._give(worker)

    def _ask_to_stop(self) -> None:
        """Pass a stop on, once: workers are in groups of their own and do not hear the terminal's."""
        self.waiting.clear()
        for worker in self.workers:
            if worker.cell is not None and not worker.asked_to_stop:
                worker.asked_to_stop = True
                worker.process.terminate()

    def _bury(self, worker: _Worker) -> None:
        """A worker died: its cell goes on in a new one, unless it was the death of several."""
        self.workers.remove(worker)
        worker.process.join()
        if worker.cell is None or worker.asked_to_stop:
            return
        self.deaths[worker.cell] += 1
        name, code = self.cells[worker.cell].folder, worker.process.exitcode
        if self.deaths[worker.cell] < DEATHS:
            self.listen(Note(name, f"its process died (exit {code}); it goes on in a new one"))
            self.waiting.appendleft(worker.cell)
        else:
            self.failures[worker.cell] = ForgetlessError(
                f"The process of {name} died {DEATHS} times (exit {code}), perhaps for want of memory. "
                "Give --jobs 1, then `forgetless resume` goes on with it."
            )
        self._start()


def _work(pipe: Any, options: dict[str, Any]) -> None:
    """The life of a worker: take a cell, run it, say how it went."""
    os.setpgid(0, 0)
    alone = False

    def tell(event: Event) -> None:
        nonlocal alone
        try:
            pipe.send(event)
        except OSError:  # whoever started us is gone: stop where the run can go on later
            if not alone:  # a second signal would end the run at once
                os.kill(os.getpid(), signal.SIGTERM)
            alone = True

    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        try:
            failure = _attempt(cell, options, tell)
        except InterruptedRun as error:
            failure = error
        if alone:
            return
        pipe.send(failure)
