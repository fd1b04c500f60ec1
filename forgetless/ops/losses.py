"""Losses as pure functions of scores and labels, each a scalar: the mean over the batch."""

from torch import Tensor
from torch.nn import functional as F


def restrict(logits: Tensor, keep: Tensor) -> Tensor:
    """Scores with the columns outside `keep` at minus infinity. (B, C), (B, >= C) bool -> (B, C)"""
    return logits.masked_fill(~keep[..., : logits.shape[-1]], float("-inf"))


def cross_entropy(logits: Tensor, labels: Tensor, rivals: Tensor) -> Tensor:
    """Each example competes in the softmax group of its own label. (B, C), (B,), (C, C) bool -> ()"""
    return F.cross_entropy(restrict(logits, rivals[labels]), labels)
