"""The live display of a terminal: one bar for each run that is going on, with its time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..events import Event, Listener, Note, RunEnded, RunStarted, Stepped, TaskScored
from .plain import Plain


@contextmanager
def live(cells: int) -> Iterator[Listener]:
    """A listener that draws bars; what plain progress writes at a task's end and a run's end stands above them."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[about]}"),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )
    with bars:
        yield _Live(bars, cells)


class _Live:
    """Keeps a bar for each run, and one for all where there are several."""

    def __init__(self, bars: Progress, cells: int) -> None:
        self.bars = bars
        self.plain = Plain(cells)
        self.shown: dict[str, TaskID] = {}
        self.all = bars.add_task("all runs", total=cells, about=f"0 of {cells}") if cells > 1 else None

    def __call__(self, event: Event) -> None:
        """Move the bars; write a line where something came to an end."""
        line = self.plain.line(event)
        match event:
            case RunStarted():
                self.shown[event.run] = self.bars.add_task(event.run, total=1.0, about="")
                self.bars.update(self.shown[event.run], completed=event.first / event.tasks)
            case Stepped() if event.run in self.shown:
                terms = "  ".join(f"{name} {value:.3g}" for name, value in event.terms.items())
                about = f"task {event.task + 1}  {terms}"
                self.bars.update(self.shown[event.run], completed=event.done, about=about)
            case TaskScored() | Note() if line:
                self.bars.console.print(line, markup=False)
            case RunEnded():
                self._end(event, line)

    def _end(self, event: RunEnded, line: str) -> None:
        if event.run in self.shown:
            self.bars.remove_task(self.shown.pop(event.run))
        if self.all is not None:
            ended = self.plain.ended
            self.bars.update(self.all, completed=ended, about=f"{ended} of {self.plain.cells}")
        self.bars.console.print(line, markup=False)
