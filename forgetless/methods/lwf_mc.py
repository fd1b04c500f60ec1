"""LwF-MC: learning without forgetting with one sigmoid for each class.

    Rebuffi, Kolesnikov, Sperl, Lampert, "iCaRL: Incremental Classifier and Representation Learning", CVPR 2017,
    algorithm 3 and section 4.1. arXiv:1611.07725v2

iCaRL's training without its exemplars, classified by the network's own scores: each class seen is a yes-or-no
question; for old classes the right answer is what the old network says, for new ones what the label says.

    start with   θ the old network, its scores g_y; new head rows
    learn        train all on  - Σ_new [y = y_i] log g_y + [y ≠ y_i] log (1 - g_y)
                               - Σ_old  q_y log g_y + (1 - q_y) log (1 - g_y),   q_y the old network's scores

No temperature and no weight. The published code divides the sums by all outputs that there will ever be, which
exist and are trained to answer no from the start: `class_reduction="mean_total"` with `fixed_width`.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from ..data import Batch, Task
from ..errors import SettingsError
from ..kinds import Count
from ..models import Snapshot, folded
from ..ops import binary_cross_entropy, distill_sigmoid
from .base import Fit, Method, Terms, method


@method("lwf_mc", capturable=True)
class LwFMC(Method):
    """One yes-or-no question for each class; the old network answers those about old classes."""

    scenarios = ("class",)

    # what the sum over classes is divided by: the classes seen so far, all there will be (fixed_width), or nothing
    class_reduction: Literal["mean_seen", "mean_total", "sum"] = "mean_seen"
    fixed_width: Count = (
        0  # outputs that exist from the start, 100 in the published code; 0: as many as classes seen
    )

    def setup(self) -> None:
        """Remember how many classes have been seen: a head of fixed width does not tell."""
        self.register_buffer("known", torch.zeros((), dtype=torch.long))
        self.old: Snapshot | None = None
        self.before = 0  # how many classes the old network knows
        if self.class_reduction == "mean_total" and not self.fixed_width:
            raise SettingsError(
                "lwf_mc was asked to divide by all classes there will be (class_reduction=mean_total) without their "
                "number. Set fixed_width to it, or use class_reduction=mean_seen."
            )

    def learn(self, task: Task) -> Iterator[Fit]:
        """Keep the old network, grow, train."""
        if not self.fixed_width:
            self.require_known(task)
        self.old = Snapshot(folded(self.model)) if task.old_groups else None
        self.before = sum(map(len, task.old_groups))
        if 0 < self.fixed_width < len(task.seen):
            raise SettingsError(
                f"lwf_mc was asked for {self.fixed_width} outputs (fixed_width), but {len(task.seen)} classes have "
                f"come by task {task.index + 1}. Set fixed_width to the stream's number of classes, or to 0."
            )
        if self.fixed_width and self.model.nodes:
            raise SettingsError(
                "lwf_mc was asked for outputs that are there from the start (fixed_width), and for a network that "
                "gains nodes as its head grows (widen): the head would never grow. Leave one of them out."
            )
        self.model.grow(range(max(self.fixed_width, len(task.seen))))
        self.get_buffer("known").fill_(len(task.seen))
        yield Fit(task.train)

    def loss(self, batch: Batch, task: Task) -> Terms:
        """The sum over new classes, and over old ones where there are any."""
        logits = self.model(batch.x)
        outputs = {"sum": 1, "mean_seen": len(task.seen), "mean_total": self.fixed_width}[
            self.class_reduction
        ]
        terms = {"new": binary_cross_entropy(logits, batch.y, self.before) / outputs}
        if self.old is not None:
            answers = self.old(batch.x)[:, : self.before]
            terms["old"] = distill_sigmoid(logits[:, : self.before], answers) / outputs
        return terms

    def validation_loss(self, batch: Batch, task: Task) -> Tensor:
        """The sum over new classes, as in training. -> ()"""
        return binary_cross_entropy(self.model(batch.x), batch.y, self.before)

    def logits(self, x: Tensor, task: Task | None = None) -> Tensor:
        """Scores of the classes seen so far; outputs that wait for theirs cannot win."""
        scores: Tensor = self.model(x)
        waiting = torch.arange(scores.shape[-1], device=scores.device) >= self.get_buffer("known")
        return scores.masked_fill(waiting, float("-inf"))
