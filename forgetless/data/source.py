"""A data set in memory: labelled images as bytes, for training and for testing."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Source:
    """What streams are cut from. Images are (N, H, W, K) uint8, or (N, ...) float features; labels (N,) int64."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    class_names: tuple[str, ...]  # class_names[y] is what label y is called
    fingerprint: str  # equal means equal bytes and labels
    groups: tuple[int, ...] = ()  # groups[y] is the superclass of label y, where the set has such

    def pad(self, border: int) -> "Source":
        """The same images within a border of zeros, `border` pixels wide on each side."""
        if not border:
            return self
        around = (0, 0, border, border, border, border)
        return replace(self, train_x=F.pad(self.train_x, around), test_x=F.pad(self.test_x, around))


def hash_tensors(*tensors: Tensor) -> str:
    """SHA-256 of the bytes, shapes and kinds of some tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
