"""Groups of labels as columns of scores."""

from collections.abc import Sequence

import torch
from torch import Tensor


def columns(labels: Sequence[int], device: torch.device) -> slice | Tensor:
    """What picks these labels' columns out of scores: a slice where they follow one another, which costs nothing."""
    if list(labels) == list(range(labels[0], labels[-1] + 1)):
        return slice(labels[0], labels[-1] + 1)
    return torch.tensor(labels, device=device)


def among(rivals: Tensor, labels: Sequence[int]) -> Tensor:
    """The table of rivals with competition among these labels only. (C, C) bool -> (C, C) bool"""
    member = torch.zeros_like(rivals[0])
    member[list(labels)] = True
    return rivals & member
