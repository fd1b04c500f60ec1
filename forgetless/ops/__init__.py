"""Pure functions of tensors that methods share."""

from .attention import attention_distance, class_map, full, gradient_map, in_full, mixes_images
from .distillation import distill, distill_l1, distill_l2, distill_one_sided, distill_sigmoid, unknown
from .groups import Columns, among, columns, side_by_side
from .herding import herd
from .losses import binary_cross_entropy, cross_entropy, restrict
from .penalties import distance_from_line, squared_distance, weighted_squared_distance
from .search import smallest
from .selection import Hint, Selected, count_of, official_mask, select_top, through_mask, top_mask

__all__ = [
    "Columns",
    "Hint",
    "Selected",
    "among",
    "attention_distance",
    "binary_cross_entropy",
    "class_map",
    "columns",
    "count_of",
    "cross_entropy",
    "distance_from_line",
    "distill",
    "distill_l1",
    "distill_l2",
    "distill_one_sided",
    "distill_sigmoid",
    "full",
    "gradient_map",
    "herd",
    "in_full",
    "mixes_images",
    "official_mask",
    "restrict",
    "select_top",
    "side_by_side",
    "smallest",
    "squared_distance",
    "through_mask",
    "top_mask",
    "unknown",
    "weighted_squared_distance",
]
