"""The largest entries of a tensor: exactly so many of them, found quickly, and what passes through their mask.

On a CPU what is selected is held as a threshold, as selecting costs as much as a layer otherwise: one partition of
what lies near the threshold, and one comparison for each entry that passes. What is near is told by where the
threshold was before, or by a sample. Elsewhere a mask is held, and nothing is read back.
"""

from dataclasses import dataclass
from math import gcd, isqrt, sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALL = 2_048  # entries from which on a sample is drawn first
CHUNK = 131_072  # entries that are compared at a time, so that they stay in the cache

_below = torch.ops.aten.threshold_backward.default  # (x, s, c): x where s > c, else 0
_within = torch.ops.aten.hardshrink_backward.default  # (x, s, c): x where |s| > c, else 0


def count_of(fraction: float, size: int) -> int:
    """How many entries a fraction of `size` is: rounded, half to even, and at least one."""
    return max(1, round(fraction * size))


@dataclass
class Hint:
    """Where a threshold was, and how far from there to look for it: for speed alone, the result is exact."""

    least: float = 0.0
    width: float = 0.0  # 0: nothing is known
    seen: int = 0  # entries that lay within it

    def learn(self, least: float, seen: int, size: int) -> None:
        """Look a little farther than the threshold moves."""
        moved = abs(least - self.least)
        self.least, self.seen = least, seen
        if moved > self.width / 4:
            self.width *= 2
        elif moved < self.width / 16 and seen > size >> 9:
            self.width /= 2


@dataclass(frozen=True)
class Selected:
    """Entries of a tensor s: those above a threshold but for a few, or those of a mask."""

    cut: float = 0.0
    absolute: bool = False  # |s| is above the threshold
    dropped: tuple[Tensor, ...] | None = None  # where the threshold is passed by more than were asked for
    kept: Tensor | None = None  # in place of a threshold: above zero where an entry is selected

    def through(self, x: Tensor, s: Tensor) -> Tensor:
        """X where s is selected, zero elsewhere. (...), (...) -> (...)"""
        if self.kept is not None:
            return _below(x, self.kept, 0.0)  # type: ignore[no-any-return]
        passed: Tensor = (_within if self.absolute else _below)(x, s, self.cut)
        if self.dropped is not None:
            passed[self.dropped] = 0
        return passed

    def mask(self, s: Tensor) -> Tensor:
        """True where s is selected. (...) -> (...) bool"""
        return self.through(torch.ones_like(s), s).bool()


def through_mask(x: Tensor, mask: Tensor) -> Tensor:
    """X where the mask is True, zero elsewhere, several times quicker than torch.where. (...), (...) -> (...)"""
    return _below(x, mask.to(x.dtype), 0.0)  # type: ignore[no-any-return]


def select_top(s: Tensor, count: int, *, absolute: bool = False, hint: Hint | None = None) -> Selected:
    """The `count` largest entries, or largest in size; among equal ones the first in row-major order."""
    s = s.detach()
    if s.device.type != "cpu":
        return Selected(kept=_top_unread(s.abs() if absolute else s, count).to(s.dtype))
    flat = np.from_dlpack(in_memory_order(s))
    least, surplus = _least_of_top(flat, count, absolute, hint or Hint())
    # just below it; at zero below all sizes, or below all that is not flushed to zero
    just_below = np.nextafter(least, -np.inf) if least != 0 else -torch.finfo(s.dtype).tiny
    cut = float(just_below)
    return Selected(cut, absolute, _last_ties(s, least, surplus, absolute) if surplus else None)


def top_mask(values: Tensor, count: int) -> Tensor:
    """True at the `count` largest entries; among equal ones the first in row-major order. (...) -> (...) bool"""
    return select_top(values, count).mask(values)


def official_mask(values: Tensor, fraction: float) -> Tensor:
    """True from the k-th smallest on, k = 1 + round((1 - c)(n - 1)), with all that equal it. (...) -> (...) bool

    As the official code of Winning SubNetworks selects: n - k + 1 entries where there are no ties.
    """
    place = 1 + round((1 - fraction) * (values.numel() - 1))
    return values >= values.reshape(-1).kthvalue(place).values


def in_memory_order(values: Tensor) -> Tensor:
    """A view of a dense tensor as a row, in the order in which its entries lie. (...) -> (N,)"""
    return values.as_strided((values.numel(),), (1,), values.storage_offset())


def _least_of_top(flat: NDArray[Any], count: int, absolute: bool, hint: Hint) -> tuple[Any, int]:
    """The smallest of the `count` largest, and how many beyond `count` equal it."""
    for attempt in range(2 if flat.size >= SMALL else 0):
        if attempt or not hint.width:
            low, high = _sampled(flat, count, absolute)
            hint.least, hint.width = (low + high) / 2, (high - low) / 2
        else:
            low, high = hint.least - hint.width, hint.least + hint.width
        near, above = _between(flat, low, high, absolute)
        if 0 < count - above <= near.size:
            least, surplus = _nth(near, count - above)
            hint.learn(float(least), near.size, flat.size)
            return least, surplus
    return _nth(np.abs(flat) if absolute else flat, count)


def _nth(values: NDArray[Any], count: int) -> tuple[Any, int]:
    """The n-th largest, and how many after it equal it."""
    place = values.size - count
    parted = np.partition(values, place)
    return parted[place], int(np.count_nonzero(parted[:place] == parted[place]))


def _sampled(flat: NDArray[Any], count: int, absolute: bool) -> tuple[float, float]:
    """Between which values the threshold should lie, by every so manieth entry."""
    stride = isqrt(isqrt(flat.size)) * 3 // 2 | 1
    while gcd(stride, flat.size) > 1:  # so that all columns of a matrix are seen
        stride += 2
    sample = np.abs(flat[::stride]) if absolute else flat[::stride]
    share = count / flat.size
    rank, margin = (1 - share) * sample.size, 3 * sqrt(sample.size * share * (1 - share)) + 1
    low, high = max(0, int(rank - margin)), min(sample.size - 1, int(rank + margin))
    parted = np.partition(sample, (low, high))
    least, most = float(parted[low]), float(parted[high])
    span = most - least  # a sample does not reach the ends
    return least - (span if rank <= margin else 0), most + (span if rank + margin >= sample.size - 1 else 0)


def _between(flat: NDArray[Any], low: float, high: float, absolute: bool) -> tuple[NDArray[Any], int]:
    """The entries from `low` to `high`, and how many are above."""
    above, near = 0, []
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        part = np.abs(part) if absolute else part
        higher = part > high
        above += int(np.count_nonzero(higher))
        higher ^= part >= low
        near.append(part[_marked(higher)])
    return near[0] if len(near) == 1 else np.concatenate(near), above


def _marked(marks: NDArray[np.bool_]) -> NDArray[Any]:
    """Where few of many marks are True: eight at a time are passed over."""
    if marks.size % 8:
        return np.flatnonzero(marks)
    words = np.flatnonzero(marks.view(np.uint64) != 0)
    places = (words[:, None] * 8 + np.arange(8)).reshape(-1)
    found: NDArray[Any] = places[marks[places]]
    return found


def _last_ties(s: Tensor, least: Any, surplus: int, absolute: bool) -> tuple[Tensor, ...]:
    """Where the last so many entries are that equal `least`, in row-major order."""
    ties = ((s.abs() if absolute else s) == float(least)).reshape(-1).nonzero().flatten()[-surplus:]
    return torch.unravel_index(ties, s.shape)


def _top_unread(values: Tensor, count: int) -> Tensor:
    least = values.reshape(-1).topk(count, sorted=False).values.amin()
    above, ties = values > least, values == least
    rank = ties.reshape(-1).cumsum(0).view(values.shape)
    return above | (ties & (rank <= count - above.sum()))
