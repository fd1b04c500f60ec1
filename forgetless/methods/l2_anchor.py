"""A spring from every weight to where it was when the task began.

    Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 4.2: L2 soft constraint. Compared in
    Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017, figure 2A: L2.

The plainest way to forget less: do not move far. All weights are held alike, whether they matter or not.

    start with   w* = all weights that the last task ended with, θ_s and θ_o; θ_n new and free
    learn        train on L_new + alpha |w - w*|^2
"""

from collections.abc import Iterator

from ..data import Batch, Task
from ..kinds import NonNegative
from ..models import BufferDict
from ..ops import cross_entropy, squared_distance
from .base import Fit, Method, Terms, method


@method("l2_anchor", capturable=True)
class L2Anchor(Method):
    """Fine-tuning with every old weight held near its last value."""

    alpha: NonNegative = 0.05  # α of the squared distance (λ/2 in section 4.2)

    def setup(self) -> None:
        """Remember the weights that the last task ended with."""
        self.anchor = BufferDict()

    def learn(self, task: Task) -> Iterator[Fit]:
        """Train, with the spring from the second task on; then fasten it to where the weights are now."""
        self.model.grow(task.classes)
        yield Fit(task.train, only=self.model.facing(task.competing))
        self.anchor.update(self.model.named_parameters())

    def loss(self, batch: Batch, task: Task) -> Terms:
        """L_new and the spring's energy."""
        terms = {"new": cross_entropy(self.model(batch.x), batch.y, task.rivals)}
        if len(self.anchor):
            weights = dict(self.model.named_parameters())
            held = [weights[name] for name in self.anchor]
            terms["anchor"] = self.alpha * squared_distance(held, [last for _, last in self.anchor.items()])
        return terms
