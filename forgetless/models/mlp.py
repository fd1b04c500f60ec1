"""The fully connected network."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from ..errors import SettingsError
from .registry import Backbone, Shape, backbone


class MLP(Backbone):
    """Pixels in a row, then a linear layer and a ReLU for each hidden width. (B, ...) -> (B, width)

    Weights and biases are uniform within one over the root of the layer's inputs: torch's own default for a
    linear layer, which the published Split MNIST and Permuted MNIST networks were also left at.
    """

    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        widths = (inputs, *hidden)
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.width = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, width)"""
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x).relu()
        return x


@backbone("mlp")
def mlp(shape: Shape, hidden: Sequence[int] | None) -> MLP:
    """Two hidden layers of 400, unless told otherwise."""
    widths = (400, 400) if hidden is None else tuple(hidden)
    if any(width < 1 for width in widths):
        raise SettingsError(f"The hidden widths {widths} were asked for; each must be at least 1.")
    return MLP(prod(shape), widths)
