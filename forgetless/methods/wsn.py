"""Winning SubNetworks.

    Kang et al., "Forget-free Continual Learning with Winning Subnetworks", ICML 2022, PMLR 162:10734-10750

One dense network, one binary mask per task. Beside every weight θ stands a score s; a task's subnetwork keeps
the c best-scored weights of each layer, and weights and scores are learned together (algorithm 1, eqs. 2-5):

    start with   θ, s random; M_0 = 0
    task t       m_t = 1 where |s| is among the top c of its layer, 0 elsewhere
                 minimise L(θ ⊙ m_t) over θ and s:
                     θ <- θ - η (∂L/∂θ ⊙ (1 - M_{t-1}))
                     s <- s - η ∂L/∂s                    straight through m_t, as if it were |s|
                 keep m_t;  M_t = M_{t-1} ∨ m_t
    answer       task t by θ ⊙ m_t and its own head

Weights that an earlier task uses are read but never written, whatever the optimiser does to them, so nothing is
forgotten: an old task's scores do not change by one bit. The scores s are not drawn anew between tasks.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data import Batch, Task
from ..errors import SettingsError
from ..kinds import Count, Fraction, Positive
from ..ops import cross_entropy
from ..weights import OfTask, Rule, Subnet, count_capacity, divide, parts_of_tasks, wearing
from .base import Fit, Method, Terms, method


@method("wsn", capturable=True)
class WSN(Method):
    """Learn each task in a subnetwork of its own, which reads earlier tasks' weights and never writes them."""

    capacity: Fraction = 0.5  # c, the share of each layer's weights that a task's mask keeps (section 3.1)
    scope: Literal["layer", "global"] = "layer"  # which scores are ranked together; global: all layers'
    score: Literal["abs", "raw"] = "abs"  # what is ranked: |s|, as in the official code, or s
    ste_sign: bool = True  # abs: the gradient of s carries the sign of s, as that of |s| does
    # exact: max(1, round(c n)) weights; official: the official code's k-th smallest and all that equal it
    threshold: Literal["exact", "official"] = "exact"
    # of s; uniform: within one over the root of the fan-in, as in the official code (Kaiming's, a = sqrt 5)
    score_init: Literal["uniform", "N01", "U01"] = "uniform"
    score_lr: Positive = 1.0  # rate of the scores, as a multiple of that of the weights (eqs. 4-5: the same)
    reset_scores: bool = False  # draw s anew for each task, which is worse (table 3)
    bias: Literal["none", "masked", "per_task"] = "none"  # the official networks have no biases
    # per_task: statistics and factors of each task's own; batch_stats: the batch's, at test time too (official)
    bn: Literal["per_task", "batch_stats"] = "per_task"
    head_init: Literal["glorot", "torch"] = "glorot"  # of head rows; torch: its linear layers' own (official)
    outputs: Count = (
        0  # of a head in training, those of classes that never come too (official); 0: the task's own
    )
    restore: bool = True  # put owned weights back after each step; False: only their gradient is zero
    # keep the mask that the last training step began with, whichever weights are kept: the official code's fault
    parity: bool = False

    needs_task = True
    scenarios = ("task",)
    isolates: ClassVar[tuple[str, ...]] = ("task",)

    def setup(self) -> None:
        """Put scores beside the weights."""
        rule = Rule(
            self.capacity, self.scope, self.score, self.ste_sign, self.threshold, self.score_init, self.score_lr,
            self.parity,
        )  # fmt: skip
        divide(self.model.backbone, rule, self.bias, self.bn)
        self.model.head.biases, self.model.head.draw = self.bias != "none", self.head_init
        self.subnets: list[Subnet] = []
        self.idle: nn.Module = nn.Identity()  # while a task is learned, rows of classes that never come to it

    def learn(self, task: Task) -> Iterator[Fit]:
        """Search for the task's subnetwork, then keep it."""
        self.require_known(task)
        head = cast(nn.Module, self.model.grow(task.classes))
        self.idle = self.idle_rows(task)
        parts = parts_of_tasks(self.model)
        self.subnets = [part for part in parts if isinstance(part, Subnet)]
        for part in parts:
            part.open()
        for subnet in self.subnets if self.reset_scores and task.index else ():
            subnet.reset_scores()
        yield Fit(task.train, only=[self.model.backbone, head, self.idle])
        self.idle = nn.Identity()
        assert not self.restore or all(subnet.holds() for subnet in self.subnets)
        for part in parts:
            part.close()
        count_capacity(self.model, self.measured)

    def loss(self, batch: Batch, task: Task) -> Terms:
        """L, the cross-entropy over the task's head, with its idle rows where it has them."""
        features, rivals = self.model.features(batch.x), task.rivals
        scores = self.model.head(features)
        if isinstance(self.idle, nn.Linear):
            scores = torch.cat([scores, self.idle(features).float()], 1)
            rivals = F.pad(rivals, (0, self.idle.out_features), value=True)
        return {"new": cross_entropy(scores, batch.y, rivals)}

    def validation_loss(self, batch: Batch, task: Task) -> Tensor:
        """L, as in training. -> ()"""
        return self.loss(batch, task)["new"]

    def idle_rows(self, task: Task) -> nn.Module:
        """Rows that make up for `outputs`, where the task's own are not as many."""
        head, missing = self.model.head, self.outputs - len(task.classes) if self.outputs else 0
        if missing < 0:
            raise SettingsError(
                f"outputs: {self.outputs} are fewer than the classes of task {task.index + 1}; 0 makes them as many."
            )
        if missing and head.hidden:
            raise SettingsError(
                "outputs: heads of several layers can have none but their own; leave head_layers out."
            )
        rows = nn.Linear(head.width, missing, bias=head.biases) if missing else nn.Identity()
        return rows.to(task.rivals.device)

    def after_backward(self, batch: Batch, task: Task) -> None:
        """Note what must be known after the step."""
        for subnet in self.subnets:
            subnet.note()

    def after_step(self, batch: Batch, task: Task, aux: Any) -> None:
        """Put back what earlier tasks own."""
        for subnet in self.subnets:
            subnet.rescale()
            if self.restore:
                subnet.restore()

    def logits(self, x: Tensor, task: Task | None = None) -> Tensor:
        """The scores of a task's subnetwork. (B, K, H, W) -> (B, C)"""
        if task is None:
            raise SettingsError("wsn answers with the subnetwork of one task: it must be told which task.")
        with wearing(self.model, task.index):
            return self.model(x)  # type: ignore[no-any-return]

    def influences(self, task: Task) -> dict[str, Tensor]:
        """Every tensor on which this task's scores depend: m_t, θ under it, its normalisation, its head."""
        found = {
            f"{path}.{name}": value
            for path, part in self.model.named_modules()
            if isinstance(part, OfTask)
            for name, value in part.influences(task.index).items()
        }
        (head,) = self.model.head.facing(task.classes)
        return found | {f"head.{name}": value.detach() for name, value in head.named_parameters()}
