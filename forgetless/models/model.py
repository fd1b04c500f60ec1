"""A model is a backbone and a head that grows. It knows nothing of tasks, methods or training."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Head(nn.Module):
    """One linear block for each growth; the scores are theirs side by side. (B, D) -> (B, C)

    Each block is a product of its own: what later blocks add cannot change a bit of what earlier blocks answer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList()

    @property
    def size(self) -> int:
        """How many labels the head can score."""
        return sum(block.out_features for block in self.blocks)

    def grow(self, size: int) -> nn.Module | None:
        """Add a block so that `size` labels can be scored; None where they can be already."""
        if size <= self.size:
            return None
        block = nn.Linear(self.width, size - self.size)
        nn.init.xavier_uniform_(block.weight)
        nn.init.zeros_(block.bias)
        reference = next(self.parameters(), None)
        self.blocks.append(block if reference is None else block.to(reference.device, reference.dtype))
        return block

    def facing(self, labels: Iterable[int]) -> list[nn.Module]:
        """The blocks that score any of these labels."""
        wanted, chosen, start = set(labels), [], 0
        for block in self.blocks:
            if wanted & set(range(start, start + block.out_features)):
                chosen.append(block)
            start += block.out_features
        return chosen

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Grow to what was saved first: a checkpoint says how many labels it knows."""
        while (weight := state.get(f"{prefix}blocks.{len(self.blocks)}.weight")) is not None:
            self.grow(self.size + len(weight))
        super()._load_from_state_dict(state, prefix, *rest)  # type: ignore[no-untyped-call]

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, C)"""
        scores = [block(features) for block in self.blocks]
        return scores[0] if len(scores) == 1 else torch.cat(scores, -1)


class Model(nn.Module):
    """A backbone from images to features, and a head from features to scores. (B, K, H, W) -> (B, C)"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Head(width)

    def grow(self, classes: Iterable[int]) -> nn.Module | None:
        """Make room for these labels; the new head rows, or None if there was room. Old rows stay as they are."""
        return self.head.grow(max(classes) + 1)

    def facing(self, labels: Iterable[int]) -> list[nn.Module]:
        """The backbone and those parts of the head that score any of these labels."""
        return [self.backbone, *self.head.facing(labels)]

    def features(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, D)"""
        return self.backbone(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, C)"""
        return self.head(self.backbone(x))  # type: ignore[no-any-return]
