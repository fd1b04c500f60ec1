"""What several methods begin a later task with: its new rows alone, while all else stays as it is.

    Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 3 and table 2(b). arXiv:1606.09282v3

New rows are random: the first steps on them would push the shared weights about to no purpose.
"""

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from ..data import Task
from .base import Fit


def warm_up(
    task: Task, fresh: nn.Module | None, loss: Callable[..., Any] | None, epochs: float, lr: float
) -> Iterator[Fit]:
    """Train what a task brought, for so many epochs; `lr` 0: at the recipe's rate. Nothing on the first task."""
    if task.index and epochs and fresh is not None:
        yield Fit(task.train, loss, only=fresh, name="warmup", epochs=epochs, lr=lr or None)
