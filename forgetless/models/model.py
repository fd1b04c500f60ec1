"""A model is a backbone and a head that grows. It knows nothing of tasks, methods or training."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ..errors import DataError
from .rows import Rows, Tower, side_by_side, stored_blocks


class Head(nn.Module):
    """One linear block for each growth; the scores are theirs side by side. (B, D) -> (B, C)

    Each block is a product of its own: what later blocks add cannot change a bit of what earlier blocks answer. It
    reads the features that there were when it was made, and has hidden layers of its own where `hidden` names widths.
    """

    def __init__(self, width: int, hidden: Sequence[int] = (), *, biases: bool = True) -> None:
        super().__init__()
        self.width = self.narrow = width  # of the features now, and as they were at first
        self.hidden, self.biases = tuple(hidden), biases
        self.draw: Literal["glorot", "torch"] = "glorot"  # how new rows begin; torch: as its linear layers
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

        Its weights are drawn from torch's global generator (Glorot and Bengio's uniform, unless `draw` is another), its
        biases are zero; hidden layers begin as those of a backbone do.
        """
        if size <= self.size:
            return None
        block = self._block(self.width, size - self.size)
        for layer in block.below if isinstance(block, Tower) else ():
            nn.Linear.reset_parameters(cast(nn.Linear, layer))
        if self.draw == "torch":
            nn.Linear.reset_parameters(block)
        else:
            nn.init.xavier_uniform_(block.weight)
        if self.biases:
            nn.init.zeros_(block.bias)
        self.blocks.append(block.to(self.get_buffer("place")))
        return block

    def _block(self, width: int, labels: int) -> Rows:
        """Rows for so many labels, with nothing drawn for them yet; on the CPU, so that all devices draw the same."""
        if self.hidden:
            return Tower(width, self.hidden, labels, bias=self.biases)
        return Rows(width, labels, bias=self.biases)

    def facing(self, labels: Iterable[int]) -> list[nn.Module]:
        """The blocks that score any of these labels."""
        wanted = set(labels)
        return [block for block, group in zip(self.blocks, self.groups, strict=True) if wanted & set(group)]

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take the blocks from what was saved: a checkpoint says how many labels it knows. Draws nothing."""
        stored = stored_blocks(state, prefix)
        if [len(block["weight"]) for block in stored] != [len(group) for group in self.groups]:
            lowest = "below.0.weight" if self.hidden else "weight"
            made = (self._block(block[lowest].shape[1], len(block["weight"])) for block in stored)
            self.blocks = nn.ModuleList(block.to(self.get_buffer("place")) for block in made)
            self.width = cast(Rows, self.blocks[-1]).reads if stored else self.narrow
        super()._load_from_state_dict(state, prefix, *rest)

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, C), never in half precision: a loss of scores in bfloat16 has three digits."""
        joined = side_by_side(cast(list[Rows], self.blocks), features)
        return joined.float() if joined.dtype in (torch.bfloat16, torch.float16) else joined


class Model(nn.Module):
    """A backbone from images to features, and a head from features to scores. (B, K, H, W) -> (B, C)

    `hidden`: widths of the layers that each block of the head has of its own. `widen`: nodes that the backbone's last
    layers gain with each block after the first; the first features are always those that there were before.
    """

    def __init__(self, backbone: nn.Module, width: int, hidden: Sequence[int] = (), widen: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Head(width, hidden)
        self.nodes = widen

    def grow(self, classes: Iterable[int]) -> nn.Module | None:
        """Make room for these labels; what was added, or None if there was room. What was there stays as it is."""
        last = max(classes, default=None)
        if last is None:
            raise DataError(
                "A model was asked to grow for a task with no labels at all. Give each task some classes."
            )
        if not self.nodes or not 0 < self.head.size <= last:
            return self.head.grow(last + 1)
        added = cast(Any, self.backbone).widen(self.nodes)
        self.head.width += self.nodes
        return nn.ModuleList([*added, cast(Rows, self.head.grow(last + 1))])

    def facing(self, labels: Iterable[int]) -> list[nn.Module]:
        """The backbone and those parts of the head that score any of these labels."""
        return [self.backbone, *self.head.facing(labels)]

    def read_by(self, labels: Iterable[int]) -> list[nn.Module]:
        """Those parts of the backbone and of the head that the scores of any of these labels depend on."""
        blocks = self.head.facing(labels)
        if not self.nodes:
            return [self.backbone, *blocks]
        return [*cast(Any, self.backbone).read_by(max(cast(Rows, block).reads for block in blocks)), *blocks]

    def features(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, D)"""
        return self.backbone(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, C)"""
        return self.head(self.backbone(x))  # type: ignore[no-any-return]
