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
    """Tensor by tensor where that is possible: what was just written is still in the cache when it is read again."""

    @staticmethod
    def forward(
        ctx: Any, anchors: list[Tensor], direction: list[Tensor], per_tensor: bool, *weights: Tensor
    ) -> Tensor:
        moves, products = [], []
        for weight, anchor, part in zip(weights, anchors, direction, strict=True):
            moves.append(weight - anchor)
            products.append(_dot(moves[-1], part))
        along, length = torch.stack(products), torch.stack(torch._foreach_norm(direction)).square()
        shares = along / length if per_tensor else (along.sum() / length.sum()).expand(len(moves))
        off = zip(moves, direction, shares.unbind(), strict=True)
        norms = [move.addcmul_(part, share, value=-1).norm() for move, part, share in off]
        ctx.save_for_backward(*moves)
        return torch.stack(norms).square().sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, None, *torch._foreach_mul(ctx.saved_tensors, 2 * gradient))


def _dot(one: Tensor, two: Tensor) -> Tensor:
    """The inner product of two tensors of one shape, in one pass where both lie row by row. -> ()"""
    if one.is_contiguous() and two.is_contiguous():
        return torch.dot(one.view(-1), two.view(-1))
    return (one * two).sum()
