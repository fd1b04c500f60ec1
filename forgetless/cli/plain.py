"""Progress in plain lines, on standard error: for logs, and above the bars of a terminal."""

import sys
import time
from dataclasses import dataclass

from ..events import Event, Note, RunEnded, RunStarted, Stepped, TaskScored

EVERY = 10.0  # seconds between two plain lines of one run
_ENDS = {
    "finished": "done in",
    "reused": "reused, as these settings were run before; that took",
    "interrupted": "stopped, to be resumed, after",
}


@dataclass
class _Tally:
    """How far one run is."""

    tasks: int = 0
    done: float = 0.0
    task: int = 0
    first: float = 0.0  # of `done`, when this process took it up
    started: float = 0.0  # when that was
    spoke: float = 0.0  # when a line was last written

    def left(self) -> float | None:
        """Seconds until the end, once enough has been done to tell."""
        made, spent = self.done - self.first, time.monotonic() - self.started
        return spent / made * (1 - self.done) if made > 0.01 and spent > 1 else None


class Plain:
    """Lines for a log: what began, how far it is at most every ten seconds, each task's end, what came of it."""

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self.ended = 0
        self.tallies: dict[str, _Tally] = {}
        self.said: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Write the line that the event deserves, if it deserves one."""
        line = self.line(event)
        if line:
            print(line, file=sys.stderr, flush=True)

    def line(self, event: Event) -> str:
        """What to write of an event; empty for nothing."""
        tally = self.tallies.setdefault(event.run, _Tally())
        match event:
            case RunStarted():
                tally.tasks, tally.done = event.tasks, event.first / event.tasks
                tally.first, tally.started, tally.spoke = tally.done, time.monotonic(), time.monotonic()
                if event.resumed:
                    return f"{event.run}: goes on, {event.first} of {event.tasks} tasks learned"
                return f"{event.run}: begins, {event.tasks} tasks"
            case Stepped():
                tally.done, tally.task = event.done, event.task
                if time.monotonic() - tally.spoke < EVERY:
                    return ""
                tally.spoke = time.monotonic()
                where = f"task {event.task + 1} of {tally.tasks or '?'}, step {event.step} of {event.steps}"
                return f"{event.run}: {where}, {tally.done:.0%} done{_left(tally.left())}"
            case TaskScored():
                tally.done, tally.spoke = (event.task + 1) / (tally.tasks or event.task + 1), time.monotonic()
                return f"{event.run}: task {event.task + 1} learned; {accuracies(event.accuracy)}"
            case RunEnded():
                return self._end(event)
            case Note():
                return self._note(event)
        return ""

    def _end(self, event: RunEnded) -> str:
        self.ended += 1
        count = f" ({self.ended} of {self.cells})" if self.cells > 1 else ""
        return f"{event.run}: {_ENDS.get(event.state, event.state + ' after')} {clock(event.seconds)}{count}"

    def _note(self, event: Note) -> str:
        """A note once, however many runs say the same."""
        if event.text in self.said:
            return ""
        self.said.add(event.text)
        return f"{event.run}: {event.text}" if self.cells == 1 else event.text


def accuracies(accuracy: tuple[float, ...]) -> str:
    """The accuracy on each task so far, in percent, and their mean."""
    shown = " ".join(f"{value:.1%}" for value in accuracy[:20]) + (" ..." if len(accuracy) > 20 else "")
    mean = sum(accuracy) / max(1, len(accuracy))
    return f"accuracy on each so far {shown}" + (f", mean {mean:.1%}" if len(accuracy) > 1 else "")


def clock(seconds: float) -> str:
    """A duration as people read it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _left(seconds: float | None) -> str:
    return f", {clock(seconds)} left" if seconds is not None else ""
