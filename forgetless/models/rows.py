"""Linear layers that come in blocks, one with each growth: what a block is, and how it is made again from a state."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn


class Rows(nn.Linear):
    """A linear layer for which nothing is drawn when it is made. (B, D) -> (B, C)

    The usual way, over torch's meta device, imports a library for symbolic mathematics: half a second.
    """

    @property
    def reads(self) -> int:
        """How many features it reads."""
        return self.in_features

    def reset_parameters(self) -> None:
        """Leave the weights to whoever asked for the rows."""


class Tower(Rows):
    """Rows with hidden layers of their own below them, a ReLU after each. (B, D) -> (B, C)"""

    def __init__(self, width: int, hidden: Sequence[int], labels: int, *, bias: bool) -> None:
        super().__init__(hidden[-1], labels, bias=bias)
        self.below = nn.ModuleList(Rows(*sizes, bias=bias) for sizes in pairwise((width, *hidden)))

    @property
    def reads(self) -> int:
        """How many features it reads."""
        return cast(Rows, self.below[0]).in_features

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) -> (B, C)"""
        for layer in self.below:
            x = layer(x).relu()
        return super().forward(x)


def side_by_side(blocks: Sequence[Rows], x: Tensor) -> Tensor:
    """What the blocks answer, each on the first features, those that there were when it was made. (B, D) -> (B, C)"""
    answers = [block(x if block.reads == x.shape[-1] else first(x, block.reads)) for block in blocks]
    return answers[0] if len(answers) == 1 else torch.cat(answers, -1)


def first(x: Tensor, width: int) -> Tensor:
    """The first features, laid out as if they were all: a product of a part of a larger array may round otherwise."""
    return x[..., :width].contiguous()


def stored_blocks(state: dict[str, Any], prefix: str) -> list[dict[str, Tensor]]:
    """The tensors of each of the `blocks` that a saved state has, by their names within the block."""
    found: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key.startswith(start := f"{prefix}blocks."):
            number, _, name = key.removeprefix(start).partition(".")
            found.setdefault(int(number), {})[name] = value
    return [found[number] for number in sorted(found)]
