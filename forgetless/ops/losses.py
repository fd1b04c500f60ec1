"""Losses as pure functions of scores and labels, each a scalar: the mean over the batch."""

import torch
from torch import Tensor
from torch.nn import functional as F


def restrict(logits: Tensor, keep: Tensor) -> Tensor:
    """Scores with the columns outside `keep` at minus infinity. (B, C), (B, >= C) bool -> (B, C)"""
    return logits.masked_fill(~keep[..., : logits.shape[-1]], float("-inf"))


def cross_entropy(logits: Tensor, labels: Tensor, rivals: Tensor) -> Tensor:
    """Each example competes in the softmax group of its own label. (B, C), (B,), (C, C) bool -> ()"""
    return F.cross_entropy(restrict(logits, rivals[labels]), labels)


def binary_cross_entropy(logits: Tensor, labels: Tensor, start: int = 0) -> Tensor:
    """One sigmoid for each score: summed over the columns from `start` on, mean over the batch. (B, C), (B,) -> ()

    The targets are 1 for an example's own label and 0 for all others.
    """
    scores = logits[:, start:]
    targets = (labels[:, None] - start == torch.arange(scores.shape[1], device=labels.device)).to(scores)
    return F.binary_cross_entropy_with_logits(scores, targets, reduction="sum") / len(logits)
