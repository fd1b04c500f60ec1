"""iCaRL: a few exemplars of each class, a sigmoid for each, and the nearest mean of exemplars as the classifier.

    Rebuffi, Kolesnikov, Sperl, Lampert, "iCaRL: Incremental Classifier and Representation Learning", CVPR 2017,
    algorithms 1-5. arXiv:1611.07725v2

The features φ change with every task; class means are made anew from stored exemplars, and so change with them.

    start with   θ the old network, its scores q_y; exemplars P_1, ..., P_s of the old classes; new head rows
    learn        on the new images and all exemplars, train all on                                   (algorithm 3)
                     - Σ_new [y = y_i] log g_y + [y ≠ y_i] log (1 - g_y) - Σ_old q_y log g_y + (1 - q_y) log (1 - g_y)
    remember     m = K / t exemplars for each of t classes: cut the old lists to their first m (5); of each new
                 class take, one after the other, what keeps the exemplars' mean nearest to the class's   (4)
    answer       argmin_y |φ(x) - μ_y|, μ_y the mean of P_y; all features and means of unit length        (1)

m is rounded up for the classes that came first and down for the others, so that there are never more than K. What
is trained is the same whether or not the task is told; told it, the nearest mean is sought among its classes.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data import Batch, Split, Task
from ..errors import SettingsError
from ..kinds import Count, Positive, PositiveInt
from ..memory import Memory
from ..models import BufferDict, Snapshot, folded
from ..ops import binary_cross_entropy, distill_sigmoid, herd, unknown
from .base import Fit, Method, Terms, method


@method("icarl", capturable=True)
class ICaRL(Method):
    """Rehearse exemplars, distil, and answer with the nearest mean of exemplars."""

    scenarios = ("class", "task")

    memory: PositiveInt = 2000  # K, exemplars in all (section 4)
    per_class: Count = 0  # exemplars of each class, however many classes there are; 0: as many as K allows
    # nme: the nearest mean of exemplars (algorithm 1); network: its own scores, the paper's "hybrid 1"
    classifier: Literal["nme", "network"] = "nme"
    mirror: bool = False  # means over the exemplars and their mirror images, as in the published code
    # T of q = σ(v / T); the paper has none, van de Ven & Tolias 2019 have 2: then agreeing with the old network is not
    # what costs least
    temperature: Positive = 1.0
    divisor: Count = (
        0  # what the sum over classes is divided by: 100 in the published code; 0: the classes seen
    )

    def setup(self) -> None:
        """Remember exemplars, and their means as the network sees them now."""
        self.exemplars, self.means = Memory(), BufferDict()
        self.old: Snapshot | None = None
        self.known = 0  # classes that the old network knows

    def learn(self, task: Task) -> Iterator[Fit]:
        """Keep the old network, train on new images and exemplars, choose exemplars, make all means anew."""
        self.require_known(task)
        self.old = Snapshot(folded(self.model)) if task.old_groups else None
        self.known = self.exemplars.groups
        shares = self.shares(task)
        self.model.grow(task.classes)
        old = [self.exemplars.split(task.train)] if self.known else []
        yield Fit(Split.concatenate([task.train, *old]))
        self.exemplars.trim(shares)
        for label in task.classes:
            rows = (task.train.y == label).nonzero().flatten()
            best = herd(self.features(task.train.select(rows)), int(shares[label]))
            self.exemplars.add(task.train, rows[best])
        self.means["all"] = torch.stack([self.mean(task.train, label) for label in task.seen])

    def loss(self, batch: Batch, task: Task) -> Terms:
        """The sum over new classes, and over old ones where there are any."""
        logits = self.model(batch.x)
        classes = self.divisor or len(task.seen)
        terms = {"new": binary_cross_entropy(logits, batch.y, self.known) / classes}
        if self.old is not None:
            answers = self.old(batch.x) / self.temperature
            terms["old"] = distill_sigmoid(logits[:, : self.known], answers) / classes
        return terms

    def validation_loss(self, batch: Batch, task: Task) -> Tensor:
        """The sum over new classes, as in training: held-out examples are the new task's. -> ()"""
        return binary_cross_entropy(self.model(batch.x), batch.y, self.known)

    def logits(self, x: Tensor, task: Task | None = None) -> Tensor:
        """Minus the squared distance to each class's mean; before there are exemplars the network's own scores."""
        if self.classifier == "network" or not len(self.means):
            return self.model(x)  # type: ignore[no-any-return]
        means = self.means["all"]
        features = F.normalize(self.model.features(x).to(means), dim=1)
        distances = (features[:, None] - means).square().sum(-1)
        return unknown(-distances, self.model.head.size - len(means))

    def shares(self, task: Task) -> Tensor:
        """How many exemplars each class seen so far may have. -> (classes,)"""
        classes = len(task.seen)
        if not self.per_class and self.memory < classes:
            raise SettingsError(
                f"icarl was asked to keep {self.memory} exemplars in all (memory), but {classes} classes have come by "
                f"task {task.index + 1}, and each needs one. Set memory to the stream's number of classes or more."
            )
        if self.per_class:
            return torch.full((classes,), self.per_class, device=task.rivals.device)
        share, left = divmod(self.memory, classes)
        return share + (torch.arange(classes, device=task.rivals.device) < left).long()

    @torch.no_grad()
    def features(self, data: Split, *, mirrored: bool = False) -> Tensor:
        """Features of examples, not augmented, of unit length. -> (N, D)"""
        self.model.eval()
        images = (x.flip(-1) if mirrored else x for x, _ in data.batches(128))
        return F.normalize(torch.cat([self.model.features(x) for x in images]), dim=1)

    def mean(self, like: Split, label: int) -> Tensor:
        """The mean of a class's exemplars, of unit length. -> (D,)"""
        mine = self.exemplars.split(like, label)
        ways = (False, True) if self.mirror else (False,)
        return F.normalize(torch.cat([self.features(mine, mirrored=way) for way in ways]).mean(0), dim=0)
