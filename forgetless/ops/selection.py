"""The largest entries of a tensor, exactly so many of them."""

import numpy as np
import torch
from torch import Tensor


def count_of(fraction: float, size: int) -> int:
    """How many entries a fraction of `size` is: rounded, half to even, and at least one."""
    return max(1, round(fraction * size))


def top_mask(values: Tensor, count: int) -> Tensor:
    """True at the `count` largest entries; among equal ones the first in row-major order. (...) -> (...) bool

    On a CPU one partition of a copy, exact and several times quicker than torch's own selections; elsewhere
    nothing is read back.
    """
    if values.device.type != "cpu":
        return _top_mask_unread(values, count)
    flat = np.from_dlpack(_in_memory_order(values.detach()))
    place = flat.size - count
    mask = values >= float(np.partition(flat, place)[place])
    surplus = int(np.count_nonzero(np.from_dlpack(_in_memory_order(mask)))) - count
    if surplus > 0:
        _drop_last_ties(mask, values, surplus)
    return mask


def _in_memory_order(values: Tensor) -> Tensor:
    """A view of a dense tensor as a row, in the order in which its entries lie. (...) -> (N,)"""
    return values.as_strided((values.numel(),), (1,), values.storage_offset())


def _drop_last_ties(mask: Tensor, values: Tensor, surplus: int) -> None:
    """Unmark the last so many of the smallest marked entries, in row-major order."""
    cut = values[mask].min()
    ties = (values == cut).reshape(-1).nonzero().flatten()[-surplus:]
    mask[torch.unravel_index(ties, values.shape)] = False


def _top_mask_unread(values: Tensor, count: int) -> Tensor:
    cut = values.reshape(-1).topk(count).values[-1]
    above, ties = values > cut, values == cut
    rank = ties.reshape(-1).cumsum(0).view(values.shape)
    return above | (ties & (rank <= count - above.sum()))


def official_mask(values: Tensor, fraction: float) -> Tensor:
    """True from the k-th smallest on, k = 1 + round((1 - c)(n - 1)), with all that equal it. (...) -> (...) bool

    As the official code of Winning SubNetworks selects: n - k + 1 entries where there are no ties.
    """
    place = 1 + round((1 - fraction) * (values.numel() - 1))
    return values >= values.reshape(-1).kthvalue(place).values
