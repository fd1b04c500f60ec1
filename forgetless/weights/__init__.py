"""What is done with a network's weights: which of them a task uses, which matter, and the ways between them."""

from .fisher import fisher_diagonal
from .isolation import count_capacity, divide, parts_of_tasks, wearing
from .masks import Masks
from .points import Point, loss_at, move_to, risks_at, weights_within
from .segment import Segment
from .sphere import Sphere
from .subnets import OfTask, Rule, Subnet

__all__ = [
    "Masks",
    "OfTask",
    "Point",
    "Rule",
    "Segment",
    "Sphere",
    "Subnet",
    "count_capacity",
    "divide",
    "fisher_diagonal",
    "loss_at",
    "move_to",
    "parts_of_tasks",
    "risks_at",
    "wearing",
    "weights_within",
]
