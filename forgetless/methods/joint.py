"""Joint training: after each task, trained anew on the data of all tasks so far.

The ceiling of every comparison: what can be learned when nothing has to be remembered, since all data are kept.

    remember   the initial weights; the initial head rows of each task as they are added
    learn      start from the initial weights again, train on the data of all tasks so far
"""

from collections.abc import Iterator

from ..data import Task
from ..models import BufferDict
from .base import Fit, Method, method


@method("joint")
class Joint(Method):
    """Trained anew, from the same initialisation, on all data so far, after each task."""

    needs_past = True

    def setup(self) -> None:
        """Remember the initial weights."""
        self.initial = BufferDict()

    def learn(self, task: Task) -> Iterator[Fit]:
        """Grow, remember what is new as it was drawn, go back to the beginning, and train."""
        self.model.grow(task.classes)
        for name, value in self.model.state_dict().items():
            if name not in self.initial:
                self.initial[name] = value
        self.model.load_state_dict(dict(self.initial.items()))
        yield Fit(task.train)
