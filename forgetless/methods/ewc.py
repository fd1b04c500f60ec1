"""Elastic Weight Consolidation.

    Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017. arXiv:1612.00796v2
    One anchor, the Fisher summed with decay: Schwarz et al., "Progress & Compress", ICML 2018. arXiv:1805.06370v2

After each task, remember where the weights are and how much the network's answers on it depend on each of them.
Later, hold each weight there by a spring, the stiffer the more it mattered.

    after task k   θ*_k = the weights
                   F_k = E_x E_{y ~ p(y|x)} (∂ log p(y|x) / ∂θ)²,    the diagonal of the Fisher information
    later          train on  L_new(θ) + λ/2 Σ_k Σ_i F_k,i (θ_i - θ*_k,i)²                              (eq. 3)

The sum over tasks is one spring: with F = Σ F_k it is F (θ - θ̄)² + c, θ̄ = Σ F_k θ*_k / F, and c, which moves
nothing. That is what is kept, so that memory does not grow with the tasks. Every weight of the backbone and of
all head rows is held; new rows are free, and heads that cannot compete with the new labels are not trained.
"""

from collections.abc import Iterator
from typing import Literal

import torch

from ..data import Batch, Task
from ..kinds import Count, Fraction, NonNegative
from ..models import BufferDict
from ..ops import cross_entropy, weighted_squared_distance
from ..weights import fisher_diagonal
from .base import Fit, Method, Terms, method


@method("ewc", capturable=True)
class EWC(Method):
    """Hold each weight the more, the more old answers depend on it."""

    strength: NonNegative = 100.0  # λ (eq. 3)
    # the answers y of F: all that compete, weighted by the network's probabilities (true), one drawn by these for
    # each example (sampled), the example's label (empirical), or the likeliest (predicted: Hsu et al. 2018)
    fisher: Literal["true", "sampled", "empirical", "predicted"] = "true"
    samples: Count = 0  # examples that F is the mean over, drawn from the task's; 0: all
    online: bool = False  # one anchor, the last weights, for all tasks (Schwarz et al., section 4)
    decay: Fraction = 1.0  # γ, the share of the old F that is kept if online (Schwarz et al., eq. 9)

    def setup(self) -> None:
        """Remember F, the anchor θ̄, and what the springs cost at it, c."""
        self.importance, self.anchor = BufferDict(), BufferDict()
        self.register_buffer("tension", torch.zeros((), dtype=torch.float64))

    def learn(self, task: Task) -> Iterator[Fit]:
        """Train, with the springs from the second task on; then add this task's."""
        self.model.grow(task.classes)
        yield Fit(task.train, only=self.model.facing(task.competing))
        self.consolidate(task)

    def loss(self, batch: Batch, task: Task) -> Terms:
        """L_new and the springs' energy."""
        terms = {"new": cross_entropy(self.model(batch.x), batch.y, task.rivals)}
        if len(self.anchor):
            weights = dict(self.model.named_parameters())
            held = [weights[name] for name in self.anchor]
            anchors, importances = (
                [value for _, value in kept.items()] for kept in (self.anchor, self.importance)
            )
            energy = weighted_squared_distance(held, anchors, importances)
            terms["springs"] = self.strength / 2 * (energy + self.get_buffer("tension").to(energy))
        return terms

    @torch.no_grad()
    def consolidate(self, task: Task) -> None:
        """Add the springs of a task that has just been learned."""
        data = task.train
        if 0 < self.samples < len(data):
            data = data.select(torch.randperm(len(data))[: self.samples].to(data.y.device))
        new = fisher_diagonal(self.model.eval(), data.batches(256), task.rivals, self.fisher)
        for name, weight in self.model.named_parameters():
            anchor, stiffness = weight.detach(), new[name]
            if name in self.anchor and self.online:
                stiffness = self.decay * self.importance[name] + stiffness
            elif name in self.anchor:
                old, move = self.importance[name], anchor - self.anchor[name]
                stiffness = old + new[name]
                share = new[name] / stiffness.clamp_min(torch.finfo(stiffness.dtype).tiny)
                self.get_buffer("tension").add_((old * share * move.square()).sum())
                anchor = self.anchor[name] + share * move
            self.importance[name], self.anchor[name] = stiffness, anchor
