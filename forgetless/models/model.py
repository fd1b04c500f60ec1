"""A model is a backbone and a head that grows. It knows nothing of tasks, methods or training."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import DataError


class _Rows(nn.Linear):
    """A linear layer for which nothing is drawn when it is made. (B, D) -> (B, C)

    The usual way, over torch's meta device, imports a library for symbolic mathematics: half a second.
    """

    def reset_parameters(self) -> None:
        """Leave the weights to whoever asked for the rows."""


class Head(nn.Module):
    """One linear block for each growth; the scores are theirs side by side. (B, D) -> (B, C)

    Each block is a product of its own: what later blocks add cannot change a bit of what earlier blocks answer.
    """

    def __init__(self, width: int, *, biases: bool = True) -> None:
        super().__init__()
        self.width, self.biases = width, biases
        self.blocks = nn.ModuleList()
        self.register_buffer(
            "place", torch.empty(0), persistent=False
        )  # tells new blocks the device and the type

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """The labels that each block scores."""
        ends = [0]
        for block in self.blocks:
            ends.append(ends[-1] + cast(nn.Linear, block).out_features)
        return [tuple(range(start, end)) for start, end in pairwise(ends)]

    @property
    def size(self) -> int:
        """How many labels the head can score."""
        return sum(map(len, self.groups))

    def grow(self, size: int) -> nn.Module | None:
        """Add a block so that `size` labels can be scored; None where they can be already.

        Its weights are drawn from torch's global generator (Glorot and Bengio's uniform), its biases are zero.
        """
        if size <= self.size:
            return None
        block = self._block(size - self.size)
        nn.init.xavier_uniform_(block.weight)
        if self.biases:
            nn.init.zeros_(block.bias)
        self.blocks.append(block.to(self.get_buffer("place")))
        return block

    def _block(self, labels: int) -> nn.Linear:
        """Rows for so many labels, with nothing drawn for them yet; on the CPU, so that all devices draw the same."""
        return _Rows(self.width, labels, bias=self.biases)

    def facing(self, labels: Iterable[int]) -> list[nn.Module]:
        """The blocks that score any of these labels."""
        wanted = set(labels)
        return [block for block, group in zip(self.blocks, self.groups, strict=True) if wanted & set(group)]

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take the blocks from what was saved: a checkpoint says how many labels it knows. Draws nothing."""
        names = [f"{prefix}blocks.{i}.weight" for i in range(len(state))]
        sizes = [len(state[name]) for name in names if name in state]
        if sizes != [len(group) for group in self.groups]:
            self.blocks = nn.ModuleList(self._block(size).to(self.get_buffer("place")) for size in sizes)
        super()._load_from_state_dict(state, prefix, *rest)

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, C), never in half precision: a loss of scores in bfloat16 has three digits."""
        scores = [block(features) for block in self.blocks]
        joined = scores[0] if len(scores) == 1 else torch.cat(scores, -1)
        return joined.float() if joined.dtype in (torch.bfloat16, torch.float16) else joined


class Model(nn.Module):
    """A backbone from images to features, and a head from features to scores. (B, K, H, W) -> (B, C)"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Head(width)

    def grow(self, classes: Iterable[int]) -> nn.Module | None:
        """Make room for these labels; the new head rows, or None if there was room. Old rows stay as they are."""
        last = max(classes, default=None)
        if last is None:
            raise DataError(
                "A model was asked to grow for a task with no labels at all. Give each task some classes."
            )
        return self.head.grow(last + 1)

    def facing(self, labels: Iterable[int]) -> list[nn.Module]:
        """The backbone and those parts of the head that score any of these labels."""
        return [self.backbone, *self.head.facing(labels)]

    def features(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, D)"""
        return self.backbone(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, C)"""
        return self.head(self.backbone(x))  # type: ignore[no-any-return]
