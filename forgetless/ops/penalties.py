"""Penalties on weights that have moved."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def squared_distance(weights: Sequence[Tensor], anchors: Sequence[Tensor]) -> Tensor:
    """The squared Euclidean distance of two lists of tensors of equal shapes. -> ()

    One node of the graph, with its closed gradient 2 (w - a): a tenth of the calls that a sum over tensors makes.
    """
    return _SquaredDistance.apply(list(anchors), *weights)  # type: ignore[no-any-return, no-untyped-call]


def weighted_squared_distance(
    weights: Sequence[Tensor], anchors: Sequence[Tensor], importances: Sequence[Tensor]
) -> Tensor:
    """The sum of importance times squared distance over two lists of tensors of equal shapes. -> ()

    One node of the graph as well, with its closed gradient 2 F (w - a).
    """
    return _WeightedSquaredDistance.apply(list(anchors), list(importances), *weights)  # type: ignore[no-any-return, no-untyped-call]


class _SquaredDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchors: list[Tensor], *weights: Tensor) -> Tensor:
        moves = torch._foreach_sub(list(weights), anchors)
        ctx.save_for_backward(*moves)
        return torch.stack(torch._foreach_norm(moves)).square().sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *torch._foreach_mul(ctx.saved_tensors, 2 * gradient))


class _WeightedSquaredDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchors: list[Tensor], importances: list[Tensor], *weights: Tensor) -> Tensor:
        moves = torch._foreach_sub(list(weights), anchors)
        pulls = torch._foreach_mul(moves, importances)
        ctx.save_for_backward(*pulls)
        return torch.stack([(pull * move).sum() for pull, move in zip(pulls, moves, strict=True)]).sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *torch._foreach_mul(ctx.saved_tensors, 2 * gradient))


def distance_from_line(
    weights: Sequence[Tensor],
    anchors: Sequence[Tensor],
    direction: Sequence[Tensor],
    *,
    per_tensor: bool = False,
) -> Tensor:
    """|s - v <s, v> / <v, v>|^2 with s the way from anchors to weights: what of it is not along v. -> ()

    All tensors are one long vector, or `per_tensor` one each. The length of v does not matter. One node of the
    graph, with its closed gradient 2 (s - v <s, v> / <v, v>).
    """
    return _DistanceFromLine.apply(list(anchors), list(direction), per_tensor, *weights)  # type: ignore[no-any-return, no-untyped-call]


class _DistanceFromLine(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, anchors: list[Tensor], direction: list[Tensor], per_tensor: bool, *weights: Tensor
    ) -> Tensor:
        moves = torch._foreach_sub(list(weights), anchors)
        along, length = _dots(moves, direction), _dots(direction, direction)
        shares = along / length if per_tensor else (along.sum() / length.sum()).expand(len(moves))
        off = torch._foreach_sub(moves, torch._foreach_mul(direction, list(shares.unbind())))
        ctx.save_for_backward(*off)
        return torch.stack(torch._foreach_norm(off)).square().sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, None, *torch._foreach_mul(ctx.saved_tensors, 2 * gradient))


def _dots(one: Sequence[Tensor], two: Sequence[Tensor]) -> Tensor:
    """The inner product of each tensor with its partner, (K,)."""
    return torch.stack([product.sum() for product in torch._foreach_mul(list(one), list(two))])
