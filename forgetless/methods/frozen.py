"""Feature extraction: the network stays as the first task left it; each later task only gets head rows.

    Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 2.1: feature extraction. With one new linear
    layer, as Rebuffi et al., "iCaRL", CVPR 2017, section 4.1: fixed representation.

What can be learned by a network that must not forget anything: old answers stay as they are, to the bit.

    first task     train everything
    later tasks    θ_s and θ_o fixed, with their batch statistics and without dropout; train θ_n on L_new

Where a task brings no new labels there is nothing to train, and the network answers as before.
"""

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor

from ..data import Task
from ..kinds import Positive
from .base import Fit, Method, method


@method("frozen", capturable=True)
class Frozen(Method):
    """The network as it is after the first task; later tasks train new head rows alone."""

    head_lr: Positive = 1.0  # rate of later heads, as a multiple of the recipe's (Li & Hoiem, section 3.1: 5)

    # in the class scenario new rows compete with old ones
    isolates: ClassVar[tuple[str, ...]] = ("task", "domain")

    def learn(self, task: Task) -> Iterator[Fit]:
        """Grow, then train everything the first time and the new head rows later."""
        fresh = self.model.grow(task.classes)
        if task.index == 0:
            yield Fit(task.train)
        elif fresh is not None:
            yield Fit(task.train, only=fresh, rates={fresh: self.head_lr})

    def influences(self, task: Task) -> dict[str, Tensor]:
        """The head rows that score the task's labels, and what they read."""
        parts = enumerate(self.model.read_by(task.classes))
        return {
            f"{number}.{name}": value for number, part in parts for name, value in part.state_dict().items()
        }
