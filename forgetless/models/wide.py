"""Layers that gain nodes with each task, beside those that they have.

    Li & Hoiem, "Learning without Forgetting", TPAMI 2018, section 4.2: network expansion. arXiv:1606.09282v3
    Chen, Goodfellow & Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016

What old nodes answer depends on old weights alone, to the bit: nothing leads from new nodes to old ones.
"""

from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .rows import Rows, side_by_side, stored_blocks


class Wide(nn.Module):
    """A linear layer that can be widened; each block reads the inputs that there were when it was made.

    (B, D) -> (B, C)
    """

    def __init__(self, first: nn.Linear) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([_block(first.weight, first.bias)])

    @property
    def rows(self) -> list[Rows]:
        """The blocks."""
        return cast(list[Rows], list(self.blocks))

    @torch.no_grad()
    def widen(self, inputs: int, nodes: int) -> Rows:
        """Add nodes that read so many further inputs too, and return them: copies of nodes drawn from torch's global
        generator.

        A copy has the weights of its original, and zeros for inputs that this does not read, so it begins as the same
        node; what tells the two apart is whatever reads them.
        """
        reads = self.rows[-1].in_features + inputs
        weight = torch.cat([F.pad(block.weight, (0, reads - block.in_features)) for block in self.rows])
        bias = torch.cat([block.bias for block in self.rows])
        originals = torch.randint(len(weight), (nodes,)).to(weight.device)
        made = _block(weight[originals], bias[originals])
        self.blocks.append(made)
        return made

    def facing(self, nodes: int) -> list[Rows]:
        """The blocks of the first so many nodes."""
        ends = accumulate(block.out_features for block in self.rows)
        return [block for block, end in zip(self.rows, ends, strict=True) if end - block.out_features < nodes]

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) -> (B, C)"""
        return side_by_side(self.rows, x)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take the blocks from what was saved. Draws nothing."""
        shapes = [block["weight"].shape for block in stored_blocks(state, prefix)]
        if len(shapes) != len(self.blocks):
            new = self.rows[0].weight.new_empty
            self.blocks = nn.ModuleList(_block(new(shape), new(shape[0])) for shape in shapes)
        super()._load_from_state_dict(state, prefix, *rest)


def _block(weight: Tensor, bias: Tensor) -> Rows:
    """A block of these weights."""
    made = Rows(weight.shape[1], weight.shape[0])
    made.weight, made.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
    return made
