"""What happens during a run, told to whoever listens: plain facts that can cross between processes. No torch."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """Something that happened in one run; `run` is its folder's name."""

    run: str


@dataclass(frozen=True)
class RunStarted(Event):
    """A run begins, or goes on from a checkpoint with `first` tasks already learned."""

    tasks: int
    first: int = 0
    resumed: bool = False


@dataclass(frozen=True)
class Stepped(Event):
    """Some steps have been made; told a few times a second, not at each step."""

    task: int
    fit: str
    step: int
    steps: int
    done: float  # share of the whole run that is done, in [0, 1]
    terms: dict[str, float] = field(default_factory=dict)  # of the loss, when last read


@dataclass(frozen=True)
class TaskScored(Event):
    """All tests so far were evaluated after a task: `accuracy[j]` is that on task j."""

    task: int
    accuracy: tuple[float, ...]


@dataclass(frozen=True)
class RunEnded(Event):
    """A run is over; its state is finished, interrupted, diverged, failed, or reused if it was finished before."""

    state: str
    seconds: float


@dataclass(frozen=True)
class Note(Event):
    """A sentence for the user: a choice and its reason, a fall back, a warning."""

    text: str


Listener = Callable[[Event], None]
"""Takes each event as it happens; must be quick and must not raise."""


def silent(_: Event) -> None:
    """Listens to nothing."""
