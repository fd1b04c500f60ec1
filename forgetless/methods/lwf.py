"""Learning without Forgetting.

    Li & Hoiem, "Learning without Forgetting", ECCV 2016 / TPAMI 2018. arXiv:1606.09282v3

Before learning a new task, keep the old network. While learning, ask it about the *new* images, and answer them
on the old labels as it does. No old image is ever needed.

    start with   θ_s shared weights, θ_o old heads, θ_n a new random head
    warm-up      freeze θ_s and θ_o, train θ_n on L_new
    joint        train θ_s, θ_o, θ_n on λ_o L_old(Y_o, Ŷ_o) + L_new(Y_n, Ŷ_n)                       (figure 3)

L_new is a softmax cross-entropy over the new labels (eq. 1); L_old that between both networks' probabilities on
the old labels, softened by T (eqs. 2-4): one for each old head, summed, or one where all labels share a head.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from ..data import Batch, Task
from ..kinds import NonNegative, Positive
from ..models import Snapshot, folded
from ..ops import (
    Columns,
    among,
    cross_entropy,
    distill,
    distill_l1,
    distill_l2,
    distill_sigmoid,
    side_by_side,
)
from .base import Fit, Method, Terms, method
from .warmup import warm_up

DISTANCES = {"l1": distill_l1, "l2": distill_l2, "bce": distill_sigmoid}


@method("lwf", capturable=True)
class LwF(Method):
    """Answer new images on the old labels as the old network does."""

    weight: NonNegative = 1.0  # λ_o, of the old labels' loss: larger forgets less (section 3, figure 3)
    temperature: Positive = 2.0  # T, softens both networks' probabilities (section 3, eq. 4)
    # labels in L_new (eq. 1); new: this task's; seen: all that they compete with at test time; auto: new
    scope: Literal["auto", "new", "seen"] = "auto"
    # old labels that share a softmax in L_old; auto: those that do at test time; task: those that came together;
    # concat: all; zero_padded: as auto, with the labels that have joined them, at probability zero
    grouping: Literal["auto", "task", "concat", "zero_padded"] = "auto"
    # tasks: L_new / t + λ_o (1 - 1/t) L_old at task t, the mean over the groups (van de Ven & Tolias 2018)
    balance: Literal["weight", "tasks"] = "weight"
    old_loss: Literal["kd", "ce", "l1", "l2", "bce"] = (
        "kd"  # form of L_old; all but kd at T = 1 (section 4.2)
    )
    kd_form: Literal["ce", "kl"] = "ce"  # kl: less the teacher's entropy; the same gradient, zero at equality
    kd_scale_t2: bool = False  # multiply kd by T squared, which the paper does not
    kd_reduction: Literal["sum", "mean"] = "sum"  # of kd over the labels of a softmax; the paper sums (eq. 3)
    # Y_o as the old network answers each augmented image, or as recorded once, without augmentation (figure 3)
    teacher: Literal["online", "recorded"] = "online"
    # steps from each batch; summed: one, on λ_o L_old + L_new (figure 3); alternating: one for each softmax of L_old,
    # then one for L_new, each on images augmented anew and with weight decay (the authors' code)
    update: Literal["summed", "alternating"] = "summed"
    warmup: NonNegative = 0.0  # epochs of θ_n alone, before all weights (section 3)
    warmup_lr: NonNegative = 0.0  # learning rate of the warm-up; 0: the same as after it
    train_old_heads: bool = True  # False: θ_o that do not compete with the new labels stay as they are

    def setup(self) -> None:
        """Nothing outlives a task: the old network is the one that the task begins with."""
        self.old: Snapshot | None = None
        self.recorded: Tensor | None = None

    def learn(self, task: Task) -> Iterator[Fit]:
        """Keep the old network, grow, warm the new rows up, train."""
        self.old = Snapshot(folded(self.model)) if task.old_groups and self.weight else None
        self.groups = [] if self.old is None else self.old_softmaxes(task)
        self.recorded = self.record(self.old, task) if self.old and self.teacher == "recorded" else None
        self.rivals = task.rivals if self.scope == "seen" else among(task.rivals, task.classes)
        self.turns = [(self.groups, True)]  # of each visit: the part of L_old, and whether L_new is minimised
        if self.update == "alternating":
            self.turns = [*(([group], False) for group in self.groups), ([], True)]
        fresh = self.model.grow(task.classes)
        yield from warm_up(task, fresh, self.loss_new, self.warmup, self.warmup_lr)
        free = None if self.train_old_heads else self.model.facing(task.competing)
        yield Fit(task.train, only=free, visits=len(self.turns))

    def loss_new(self, batch: Batch, task: Task) -> Terms:
        """L_new alone."""
        return {"new": cross_entropy(self.model(batch.x), batch.y, self.rivals)}

    def loss(self, batch: Batch, task: Task) -> Terms:
        """L_new and λ_o L_old, or what has its turn of them."""
        groups, new = self.turns[batch.visit]
        logits, share, weight = self.model(batch.x), 1.0, self.weight
        if self.balance == "tasks" and self.groups:
            share = 1 / (task.index + 1)
            weight = self.weight * (1 - share) / sum(group.softmaxes for group in self.groups)
        terms = {"new": share * cross_entropy(logits, batch.y, self.rivals)} if new else {}
        if groups and self.old is not None:
            answers = self.old(batch.x) if self.recorded is None else self.recorded[batch.index]
            terms["old"] = weight * torch.stack([self.preserve(g, logits, answers) for g in groups]).sum()
        return terms

    def preserve(self, group: Columns, logits: Tensor, answers: Tensor) -> Tensor:
        """L_old, summed over softmaxes that are equally wide. (B, C), (B, C_old) -> ()"""
        now, old = group.now(logits), group.old(answers)
        if self.old_loss in ("kd", "ce"):
            heat = self.temperature if self.old_loss == "kd" else 1.0
            value = distill(now, old, heat, form=self.kd_form, squared=self.kd_scale_t2)
            return group.softmaxes * (value / now.shape[-1] if self.kd_reduction == "mean" else value)
        return group.softmaxes * DISTANCES[self.old_loss](now, old)

    def old_softmaxes(self, task: Task) -> list[Columns]:
        """The old labels, in groups that share a softmax in L_old; where updates alternate, each by itself."""
        self.require_known(task)
        seen = tuple(sorted({label for group in task.old_groups for label in group}))
        groups = {"concat": (seen,), "task": self.model.head.groups}.get(self.grouping, task.old_groups)
        together = [[group] for group in groups] if self.update == "alternating" else [groups]
        rivals = task.rivals if self.grouping == "zero_padded" else None
        return [made for part in together for made in side_by_side(part, task.rivals.device, rivals)]

    def record(self, old: Snapshot, task: Task) -> Tensor:
        """Y_o on the images as they are stored, (N, C_old)."""
        return torch.cat([old(x) for x, _ in task.train.batches(128)])
