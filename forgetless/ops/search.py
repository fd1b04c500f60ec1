"""The smallest value of a function of one number in [0, 1]."""

import math
from collections.abc import Callable, Sequence

SECTION = (math.sqrt(5) - 1) / 2


def smallest(function: Callable[[float], float], grid: Sequence[float], tolerance: float = 1e-3) -> float:
    """Where a function is smallest: the best place of an even grid, refined by golden sections beside it.

    `grid` are its values at evenly spread places from 0 to 1; of equals the lowest place. Never worse than these.
    """
    best = min(range(len(grid)), key=grid.__getitem__)
    last = len(grid) - 1
    refined = golden_section(function, max(best - 1, 0) / last, min(best + 1, last) / last, tolerance)
    return refined if function(refined) < grid[best] else best / last


def golden_section(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Where a function with one valley between two numbers is smallest, to within the tolerance."""
    left, right = high - SECTION * (high - low), low + SECTION * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - SECTION * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + SECTION * (high - low)
            at_right = function(right)
    return (low + high) / 2
