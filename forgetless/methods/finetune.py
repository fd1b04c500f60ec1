"""Fine-tuning: learn each task as if nothing had been learned before.

The floor of every comparison: what is forgotten when nothing is done against forgetting. Cross-entropy among
the labels that share a softmax with the example's own; heads of earlier tasks that cannot compete are left alone.
"""

from collections.abc import Iterator

from ..data import Task
from .base import Fit, Method, method


@method("finetune")
class Finetune(Method):
    """Cross-entropy on the new task alone."""

    def learn(self, task: Task) -> Iterator[Fit]:
        """Grow, then train the backbone and the head rows that this task's labels compete with."""
        self.model.grow(task.classes)
        yield Fit(task.train, only=self.model.facing(task.competing))
