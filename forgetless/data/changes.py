"""What is done to a task's images when it is cut from a data set: pixels put in another order, or turned."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingsError
from ..files import sha256
from ..randomness import generator
from .orders import shuffled

_ONE = 1 << 14  # weights are multiples of 2^-14: sums of weighted bytes are exact, on every machine


class Change(Protocol):
    """Takes images to images, (N, H, W, K) uint8 both, always in the same way."""

    def __call__(self, x: Tensor) -> Tensor:
        """The changed images, (N, H, W, K) -> (N, H, W, K)."""

    @property
    def fact(self) -> str:
        """What decides the result, for fingerprints."""


@dataclass(frozen=True)
class Permute:
    """Pixel i of the result is pixel order[i] of the image."""

    order: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """(N, H, W, K) -> (N, H, W, K)"""
        pixels = x.numpy().reshape(len(x), -1, x.shape[-1])
        pixels = pixels[..., 0] if x.shape[-1] == 1 else pixels  # one byte per pixel: twice as fast
        return torch.from_numpy(np.take(pixels, np.array(self.order), axis=1)).view_as(x)

    @property
    def fact(self) -> str:
        """A digest of the order."""
        return "permuted " + sha256(np.array(self.order, "<u2").tobytes())


@dataclass(frozen=True)
class Rotate:
    """The image turned counter-clockwise about its centre, bilinear, zeros where nothing was."""

    degrees: float

    def __call__(self, x: Tensor) -> Tensor:
        """(N, H, W, K) -> (N, H, W, K)"""
        size, height, width, channels = x.shape
        where, weights = self._corners(height, width)
        pixels = x.numpy().reshape(size, height * width, channels)
        turned = np.empty_like(pixels)
        for start in range(0, size, 1024):  # small enough to stay in the processor's cache
            part = pixels[start : start + 1024]
            total = np.full(part.shape, _ONE // 2, np.uint32)
            for place, weight in zip(where, weights, strict=True):
                total += np.take(part, place, axis=1) * weight[:, None]
            turned[start : start + 1024] = total // _ONE
        return torch.from_numpy(turned).view_as(x)

    def _corners(self, height: int, width: int) -> Iterator[np.ndarray]:
        """For each of the four neighbours of where a pixel comes from: (4, H * W) places and (4, H * W) weights."""
        angle = math.radians(self.degrees)
        row, column = np.mgrid[:height, :width].reshape(2, -1) - np.array([[height - 1], [width - 1]]) / 2
        source_row = math.cos(angle) * row + math.sin(angle) * column + (height - 1) / 2
        source_column = -math.sin(angle) * row + math.cos(angle) * column + (width - 1) / 2
        top, left = np.floor(source_row).astype(int), np.floor(source_column).astype(int)
        down = np.rint((source_row - top) * _ONE).astype(np.int64)
        right = np.rint((source_column - left) * _ONE).astype(np.int64)
        places, weights = [], []
        for i, share in ((0, _ONE - down), (1, down)):
            for j, part in ((0, _ONE - right), (1, right)):
                inside = (top + i >= 0) & (top + i < height) & (left + j >= 0) & (left + j < width)
                places.append(np.where(inside, (top + i) * width + left + j, 0))
                weights.append(np.where(inside, share * part // _ONE, 0).astype(np.uint32))
        return iter((np.stack(places), np.stack(weights)))

    @property
    def fact(self) -> str:
        """The angle."""
        return f"rotated {self.degrees!r}"


@dataclass(frozen=True)
class Misread:
    """An image stored plane after plane, read as if its colours lay side by side: what a wrong reshape makes."""

    def __call__(self, x: Tensor) -> Tensor:
        """(N, H, W, K) -> (N, H, W, K)"""
        return x.permute(0, 3, 1, 2).reshape(x.shape)

    @property
    def fact(self) -> str:
        """There is only the one."""
        return "planes as pixels"


def permutations(pixels: int, tasks: int, seed: int) -> list[Permute | None]:
    """One change for each task: the first leaves the images alone, the others draw from the run's seed."""
    drawn = (
        torch.randperm(pixels, generator=generator(seed, "permutation", task)) for task in range(1, tasks)
    )
    return [None, *(Permute(tuple(order.tolist())) for order in drawn)]


def rotations(tasks: int) -> list[Rotate | None]:
    """One change for each task: 0 to 90 degrees in even steps."""
    return [Rotate(90 * task / (tasks - 1)) if task else None for task in range(tasks)]


def article_permutations(tasks: int) -> list[Permute | None]:
    """The source article's: Python's own shuffle of 784 places, task after task from seed 2024, the first too."""
    shuffler = random.Random(2024)
    changes: list[Permute | None] = []
    for _ in range(tasks):
        order = list(range(784))
        shuffler.shuffle(order)
        changes.append(Permute(tuple(order)))
    return changes


def gpm_permutations(tasks: int, seed: int) -> list[Permute | None]:
    """Those of HAT's, GPM's and WSN's code: ids shuffled by the seed, then for id r in place i the seed 100 r + i.

    The first task is permuted too. WSN's script has seed 1. For fewer or more than ten tasks so many ids are
    shuffled, as in that code.

    Raises:
        SettingsError: a seed that numpy's generator does not take.
    """
    if seed >= 2**32:
        raise SettingsError(
            f"permuted-mnist-gpm takes seeds below 2^32, as the published code does, not {seed}."
        )
    ids = shuffled(np.random.RandomState(seed), tasks)
    return [Permute(shuffled(np.random.RandomState(100 * r + i), 784)) for i, r in enumerate(ids)]
