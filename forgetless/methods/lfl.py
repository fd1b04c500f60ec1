"""Less-forgetting learning: keep the features of the new images where the old network has them.

    Jung, Ju, Jung, Kim, "Less-forgetting learning in deep neural networks", 2016. arXiv:1607.00122
    As compared in Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 2.3. arXiv:1606.09282v3

Old heads stay as they are; as long as the features that they read do not move, neither do their answers. Where LwF
preserves what the old network answers, this preserves what it sees: every feature alike, whether answers hang on it
or not.

    start with   θ_s shared weights, θ_o old heads, both kept; θ_n a new random head
    warm-up      freeze θ_s and θ_o, train θ_n on L_new
    learn        freeze θ_o, train θ_s, θ_n on  L_new(Y_n, Ŷ_n) + λ_i/2 |φ(x; θ_s) - φ(x; old θ_s)|²

φ are the last shared features. Frozen are all head rows that there were before the task: in the class scenario
those of old classes, though they share a softmax with the new; in the domain scenario, where no rows are added, the
whole head, the softmax boundary of Jung et al. With λ_i = 0 it is fine-tuning under that boundary.
"""

from collections.abc import Iterator
from typing import Literal

from torch import nn

from ..data import Batch, Task
from ..kinds import NonNegative
from ..models import Snapshot, folded
from ..ops import among, cross_entropy, in_full, squared_distance
from .base import Fit, Method, Terms, method
from .warmup import warm_up


@method("lfl", capturable=True)
class LFL(Method):
    """See new images as the old network does, in front of old heads that stay."""

    weight: NonNegative = 0.2  # λ_i, of the features' distance: Li & Hoiem's for VGG, the only one they print
    # labels in L_new; new: this task's, as Li & Hoiem's new head; seen: all that they compete with at test time
    scope: Literal["new", "seen"] = "new"
    train_boundary: bool = False  # True: train old head rows that compete with the new labels too
    warmup: NonNegative = 0.0  # epochs of θ_n alone, before all else that is trained (Li & Hoiem, table 2b)
    warmup_lr: NonNegative = 0.0  # learning rate of the warm-up; 0: the same as after it

    def setup(self) -> None:
        """Nothing outlives a task: the old network is the one that the task begins with."""
        self.old: Snapshot | None = None

    def learn(self, task: Task) -> Iterator[Fit]:
        """Keep the old backbone, grow, warm the new rows up, train both."""
        self.old = Snapshot(folded(self.model.backbone)) if task.old_groups and self.weight else None
        self.rivals = task.rivals if self.scope == "seen" else among(task.rivals, task.classes)
        fresh = self.model.grow(task.classes)
        yield from warm_up(task, fresh, self.loss_new, self.warmup, self.warmup_lr)
        free: list[nn.Module] = self.model.facing(task.competing)
        if task.old_groups and not self.train_boundary:
            free = [self.model.backbone] if fresh is None else [self.model.backbone, fresh]
        yield Fit(task.train, only=free)

    def loss_new(self, batch: Batch, task: Task) -> Terms:
        """L_new alone."""
        return {"new": cross_entropy(self.model(batch.x), batch.y, self.rivals)}

    def loss(self, batch: Batch, task: Task) -> Terms:
        """L_new, and λ_i/2 times the features' squared distance, the mean over the batch."""
        # How far features have moved that hardly moved is lost in half precision.
        with in_full(batch.x.device):
            features = self.model.features(batch.x)
            terms = {"new": cross_entropy(self.model.head(features), batch.y, self.rivals)}
            if self.old is not None:
                old = self.old(batch.x)
                kept = features[:, : old.shape[1]]  # a network may have gained features
                apart = squared_distance([kept], [old])
                terms["features"] = self.weight / 2 * apart / len(batch.x)
        return terms
