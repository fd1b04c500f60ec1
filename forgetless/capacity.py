"""What methods that keep masks take in memory, by one accounting for all; and how masks overlap. No torch.

Kang et al., ICML 2022, section 4, count CAP = (1 - S) + (1 - alpha) T / 32: the share of the weights that any of
T tasks uses, and one bit a task and weight, compressed by alpha, beside weights of 32 bits. They take 0.78 for
alpha whatever the masks are, and 0 for the methods they compare with. Here the masks are measured as they are
stored, and what the formula leaves out, heads and normalisation among it, has a figure of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .mask_code import GROUP, Bytes, payload_bits

ALPHA = 0.78  # average compression of the masks, as the paper says
WEIGHT = 32  # bits

Figures = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class LayerMasks:
    """One layer's masks: symbols of up to seven tasks each, (N,) per group, and the bytes that storing them takes."""

    symbols: Sequence[Bytes]
    tasks: int
    stored: int

    def mask(self, task: int) -> NDArray[np.bool_]:
        """The weights that a task uses. -> (N,)"""
        return (self.symbols[task // GROUP] >> task % GROUP & 1).astype(bool)

    def union(self, tasks: int) -> NDArray[np.bool_]:
        """The weights that any of the first tasks uses. -> (N,)"""
        whole, rest = divmod(tasks, GROUP)
        union = np.zeros(len(self.symbols[0]), bool)
        for symbols in self.symbols[:whole]:
            union |= symbols != 0
        return union | (self.symbols[whole] & (1 << rest) - 1 != 0) if rest else union

    def shared(self) -> NDArray[np.int64]:
        """How many weights two tasks both use. -> (T, T)"""
        bits = (np.arange(1 << GROUP)[:, None] >> np.arange(GROUP)) & 1
        rows = []
        for one in self.symbols:
            pairs = [
                np.bincount(one.astype(np.int64) << GROUP | two, minlength=1 << 2 * GROUP)
                for two in self.symbols
            ]
            rows.append([bits.T @ pair.reshape(1 << GROUP, 1 << GROUP) @ bits for pair in pairs])
        return np.block(rows)[: self.tasks, : self.tasks]


def cap_paper(density: float, tasks: int, alpha: float = ALPHA) -> float:
    """The paper's CAP of a union density and a number of tasks; alpha 0: masks are not compressed."""
    return density + (1 - alpha) * tasks / WEIGHT


def account(
    layers: Sequence[LayerMasks], other_bytes: int, before: Mapping[str, NDArray[np.float64]]
) -> Figures:
    """The figures with the newest task's added; the capacities as shares of the masked weights' own size.

    cap_paper      (T,)    after each task: the paper's formula
    cap_measured   (T,)    used weights and masks as they are stored
    cap_total      (T,)    and whatever else is kept: heads, normalisation, biases, scores
    mask_payload   (T,)    bits of the masks' code alone for each bit of mask: 1 - alpha, as it is
    mask_container (T,)    the same with its tables and headers
    union_density  (T,)    weights that any task so far uses
    layer_density  (T, L)  the same in each layer
    reuse          (T, L)  of a task's weights, those that earlier tasks used already
    overlap        (T, T)  of a row's task's weights, those that a column's task uses too
    """
    tasks = layers[0].tasks
    sizes = np.array([len(layer.symbols[0]) for layer in layers])
    old = [layer.union(tasks - 1) for layer in layers]
    new = [layer.mask(tasks - 1) for layer in layers]
    used = np.array([np.count_nonzero(a | b) for a, b in zip(old, new, strict=True)])
    again = np.array([np.count_nonzero(a & b) for a, b in zip(old, new, strict=True)])
    density, whole = used.sum() / sizes.sum(), WEIGHT * sizes.sum()
    stored = 8 * sum(layer.stored for layer in layers)
    payload = sum(payload_bits(symbols) for layer in layers for symbols in layer.symbols)
    kept = WEIGHT * used.sum() + stored
    rows = {
        "cap_paper": cap_paper(density, tasks),
        "cap_measured": kept / whole,
        "cap_total": (kept + 8 * other_bytes) / whole,
        "mask_payload": payload / (tasks * sizes.sum()),
        "mask_container": stored / (tasks * sizes.sum()),
        "union_density": density,
        "layer_density": used / sizes,
        "reuse": again / np.maximum([np.count_nonzero(mask) for mask in new], 1),
    }
    shared = np.sum([layer.shared() for layer in layers], 0)
    figures = {name: _append(before.get(name), np.asarray(row)) for name, row in rows.items()}
    return figures | {"overlap": shared / np.maximum(np.diag(shared), 1)[:, None]}


def _append(rows: NDArray[np.float64] | None, row: NDArray[np.float64]) -> NDArray[np.float64]:
    return row[None] if rows is None else np.concatenate([rows, row[None]])
