"""A network at other points of its weight space: its answers with other weights, which are fed in, never written.

A point is a dictionary of some of a network's weights and running statistics by name; it keeps its own of the rest.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..models import Model
from ..ops import cross_entropy

Point = Mapping[str, Tensor]


class Examples(Protocol):
    """Labelled examples, such as a `Split`."""

    def __len__(self) -> int: ...

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All of them in order, at most so many at a time."""


def weights_within(model: Model, parts: Iterable[nn.Module]) -> dict[str, Tensor]:
    """The weights of some of a network's parts, by their names in the network."""
    inside = {id(weight) for part in parts for weight in part.parameters()}
    return {name: weight for name, weight in model.named_parameters() if id(weight) in inside}


def loss_at(model: Model, point: Point, x: Tensor, y: Tensor, rivals: Tensor) -> Tensor:
    """The cross-entropy of what the network would answer there. (B, K, H, W), (B,), (C, C) bool -> ()"""
    return cross_entropy(functional_call(model, dict(point), (x,)), y, rivals)


@torch.no_grad()
def risks_at(model: Model, points: Iterable[Point], data: Examples, rivals: Tensor) -> list[float]:
    """At each point the mean of that loss over all examples, in evaluation mode."""
    model.eval()
    return [
        sum(len(y) * loss_at(model, point, x, y, rivals).item() for x, y in data.batches(256)) / len(data)
        for point in points
    ]


@torch.no_grad()
def move_to(model: Model, point: Point) -> None:
    """Write a point into the network."""
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, value in point.items():
        own[name].copy_(value)
