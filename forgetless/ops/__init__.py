"""Pure functions of tensors that methods share."""

from .distillation import distill, distill_l1, distill_l2, distill_sigmoid, unknown
from .groups import Columns, among, columns, side_by_side
from .herding import herd
from .losses import binary_cross_entropy, cross_entropy, restrict
from .penalties import distance_from_line, squared_distance
from .search import smallest

__all__ = [
    "Columns",
    "among",
    "binary_cross_entropy",
    "columns",
    "cross_entropy",
    "distance_from_line",
    "distill",
    "distill_l1",
    "distill_l2",
    "distill_sigmoid",
    "herd",
    "restrict",
    "side_by_side",
    "smallest",
    "squared_distance",
    "unknown",
]
