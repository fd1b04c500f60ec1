"""The fully connected network."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import cast

from torch import Tensor, nn

from ..errors import SettingsError
from ..networks import HIDDEN
from .registry import Backbone, Shape, backbone
from .wide import Wide

WIDENED = 3  # top layers that an expansion widens (Li & Hoiem, TPAMI 2018, section 4.2)


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
        self.linear = [f"layers.{place}" for place in range(1, len(hidden))]  # the first is left to be shared

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, width)"""
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x).relu()
        return x

    def make_wide(self) -> None:
        """Make its last layers such as can be widened."""
        linear = [place for place, layer in enumerate(self.layers) if isinstance(layer, nn.Linear)]
        for place in linear[-WIDENED:]:
            self.layers[place] = Wide(cast(nn.Linear, self.layers[place]))

    def widen(self, nodes: int) -> list[nn.Module]:
        """Add nodes to its last layers, which read all old and new nodes below them; return what was added."""
        added: list[nn.Module] = []
        for layer in self.layers:
            if isinstance(layer, Wide):
                added.append(layer.widen(nodes if added else 0, nodes))
        return added

    def read_by(self, features: int) -> list[nn.Module]:
        """All that the first so many features depend on."""
        found: list[nn.Module] = []
        for layer in reversed(self.layers):
            if isinstance(layer, Wide):
                parts = layer.facing(features)
                features = parts[-1].in_features
                found = [*parts, *found]
            else:
                found = [layer, *found]
        return found


@backbone("mlp")
def mlp(shape: Shape, hidden: Sequence[int] | None) -> MLP:
    """Two hidden layers of 400, unless told otherwise."""
    widths = HIDDEN if hidden is None else tuple(hidden)
    if any(width < 1 for width in widths):
        raise SettingsError(f"The hidden widths {widths} were asked for; each must be at least 1.")
    return MLP(prod(shape), widths)
