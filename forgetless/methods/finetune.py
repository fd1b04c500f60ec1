"""Fine-tuning: learn each task as if nothing had been learned before.

The floor of every comparison: what is forgotten when nothing is done against forgetting. Cross-entropy among
the labels that share a softmax with the example's own; heads of earlier tasks that cannot compete are left alone.

    Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 4.2 and table 2. arXiv:1606.09282v3

measure what is done against forgetting without a term for it: a warm-up of the new head, a lower rate for the shared
weights, and leaving the convolutions alone.
"""

from collections.abc import Iterator
from typing import Literal

from torch import nn

from ..data import Task
from ..kinds import NonNegative, Positive
from ..models import linear_layers
from .base import Fit, Method, method
from .warmup import warm_up


@method("finetune", capturable=True)
class Finetune(Method):
    """Cross-entropy on the new task alone."""

    warmup: NonNegative = (
        0.0  # epochs of what the task brings alone, its head, before all weights (section 3)
    )
    warmup_lr: NonNegative = 0.0  # learning rate of the warm-up; 0: the same as after it
    # rate of θ_s on later tasks, as a multiple of that of what is new (section 4.2: 0.1)
    shared_lr: Positive = 1.0
    # what of θ_s later tasks train; linear: the fully connected layers, "fine-tune FC" (section 4)
    layers: Literal["all", "linear"] = "all"

    def learn(self, task: Task) -> Iterator[Fit]:
        """Grow, then train the backbone and the head rows that this task's labels compete with."""
        fresh = self.model.grow(task.classes)
        yield from warm_up(task, fresh, None, self.warmup, self.warmup_lr)
        parts, rates = self.model.facing(task.competing), dict[nn.Module, float]()
        if task.index:
            new = [] if fresh is None else [fresh]
            rates = {self.model.backbone: self.shared_lr} | dict.fromkeys(new, 1.0)
            if self.layers == "linear":
                parts = [*linear_layers(self.model), *new, *parts[1:]]
        yield Fit(task.train, only=parts, rates=rates)
