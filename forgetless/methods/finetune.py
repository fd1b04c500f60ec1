"""Fine-tuning: learn each task as if nothing had been learned before.

The floor of every comparison: what is forgotten when nothing is done against forgetting. Cross-entropy among
the labels that share a softmax with the example's own; heads of earlier tasks that cannot compete are left alone.

    Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 4.2 and table 2. arXiv:1606.09282v3

measure two things that are done against forgetting without a term for it: a warm-up of the new head, and a lower
rate for the shared weights.
"""

from collections.abc import Iterator

from ..data import Task
from ..kinds import NonNegative, Positive
from .base import Fit, Method, method
from .warmup import warm_up


@method("finetune")
class Finetune(Method):
    """Cross-entropy on the new task alone."""

    warmup: NonNegative = 0.0  # epochs of the new head alone, before all weights (section 3)
    warmup_lr: NonNegative = 0.0  # learning rate of the warm-up; 0: the same as after it
    shared_lr: Positive = (
        1.0  # rate of θ_s on later tasks, as a multiple of that of the head (section 4.2: 0.1)
    )

    def learn(self, task: Task) -> Iterator[Fit]:
        """Grow, then train the backbone and the head rows that this task's labels compete with."""
        fresh = self.model.grow(task.classes)
        yield from warm_up(task, fresh, None, self.warmup, self.warmup_lr)
        rates = {self.model.backbone: self.shared_lr} if task.index else {}
        yield Fit(task.train, only=self.model.facing(task.competing), rates=rates)
