"""Joint training: after each task, trained anew on the data of all tasks so far.

The ceiling of every comparison: what can be learned when nothing has to be remembered, since all data are kept.

    remember   the initial weights; the initial head rows of each task as they are added
    learn      start from the initial weights again, train on the data of all tasks so far

Every example is met as often as any other, or each task as often as any other: as in

    Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 3.1. arXiv:1606.09282v3
"""

from collections.abc import Iterator
from typing import Literal

from ..data import Task
from ..models import BufferDict
from .base import Fit, Method, method


@method("joint", capturable=True)
class Joint(Method):
    """Trained anew, from the same initialisation, on all data so far, after each task."""

    # what is met equally often: every example, or every task, a small one's examples again and again (section 3.1)
    balance: Literal["examples", "tasks"] = "examples"

    needs_past = True

    def setup(self) -> None:
        """Remember the initial weights."""
        self.initial = BufferDict()

    def learn(self, task: Task) -> Iterator[Fit]:
        """Go back to the beginning, grow, remember what is new as it was drawn, and train."""
        if len(self.initial):
            self.model.load_state_dict(dict(self.initial.items()))
        self.model.grow(task.classes)
        for name, value in self.model.state_dict().items():
            if name not in self.initial:
                self.initial[name] = value
        yield Fit(task.train.evened() if self.balance == "tasks" else task.train)
