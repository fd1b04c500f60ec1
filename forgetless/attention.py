"""Where a run's method looked in images of its first task, after each task: `attention.npz`. No torch.

The file holds `images`, (N, H, W, K) uint8, test images of the first task; `labels`, (N,), their classes; `names`
of all classes; and for each task i learned so far `maps/i`, (N, h, w) float32, the Grad-CAM map of each image's own
class, rectified, and `answers/i`, (N,), the class that was answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arrays import damaged, read_arrays, write_arrays

FILE = "attention.npz"
FAINT = 1e-6  # a map whose norm is below this is dead, as in training
BRIGHTEST = 0.2  # share of a map's pixels that overlap is measured on

Maps = NDArray[np.float32]
Labels = NDArray[np.uint16]
Flat = NDArray[np.float64]


class Compared(NamedTuple):
    """Each image's map held against the one after the first task. (N,) each, NaN where one of the two is dead."""

    distance: Flat  # L1, of maps of unit length
    cosine: Flat
    overlap: Flat  # of the brightest fifths: pixels in both, as a share of those in either (IoU)
    pointing: Flat  # 1 where both are brightest at the same pixel, else 0


@dataclass(frozen=True)
class Attention:
    """Maps by the last task learned, of the same images throughout."""

    images: NDArray[np.uint8]  # (N, H, W, K)
    labels: Labels  # (N,)
    names: tuple[str, ...]  # of all classes, in order of arrival
    maps: Mapping[int, Maps]  # (N, h, w) each
    answers: Mapping[int, Labels]  # (N,) each

    @property
    def tasks(self) -> int:
        """After how many tasks, from the first on, there are maps."""
        return next(i for i in range(len(self.maps) + 1) if i not in self.maps)

    def and_after(self, task: int, maps: Maps, answers: Labels) -> "Attention":
        """The same with what was seen after a task, and without what there was of this one and of later ones."""
        kept = [i for i in self.maps if i < task]
        return replace(
            self,
            maps={i: self.maps[i] for i in kept} | {task: maps},
            answers={i: self.answers[i] for i in kept} | {task: answers},
        )

    def dead(self, task: int) -> NDArray[np.bool_]:
        """Which maps have nothing in them. (N,)"""
        maps = self.maps[task]
        return np.asarray(np.linalg.norm(maps.reshape(len(maps), -1), axis=1) < FAINT)

    def compared(self, task: int) -> Compared:
        """How each image's map after a task compares with that after the first.

        Of equal pixels the first in row-major order count as brighter: also of the zeros that fill up the brightest
        fifth of a map with less than a fifth of its pixels above zero.
        """
        first, now = (_unit(self.maps[place]) for place in (0, task))
        known = ~np.isnan(first + now).any(1)
        shared = (_brightest(first) & _brightest(now)).sum(1)
        overlap = shared / (2 * fifth(first.shape[1]) - shared)
        pointing = first.argmax(1) == now.argmax(1)
        return Compared(
            np.abs(first - now).sum(1),
            (first * now).sum(1),
            np.where(known, overlap, np.nan),
            np.where(known, pointing, np.nan),
        )


def fifth(pixels: int) -> int:
    """How many of a map's pixels are its brightest fifth; at least one."""
    return max(1, round(BRIGHTEST * pixels))


def overlap_by_chance(pixels: int) -> float:
    """The overlap to be expected of two maps whose brightest fifths are anywhere, independently.

    >>> round(overlap_by_chance(64), 3)
    0.117
    """
    k = fifth(pixels)
    ways = {shared: comb(k, shared) * comb(pixels - k, k - shared) for shared in range(k + 1)}
    return sum(n * shared / (2 * k - shared) for shared, n in ways.items()) / comb(pixels, k)


def _unit(maps: Maps) -> Flat:
    """Flat maps of unit length; NaN where there is nothing in them. (N, h, w) -> (N, h w)"""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.where(norm < FAINT, np.nan, norm)


def _brightest(flat: Flat) -> NDArray[np.bool_]:
    """Which pixels are a map's brightest fifth. (N, l) -> (N, l)"""
    order = np.argsort(-flat, axis=1, kind="stable")[:, : fifth(flat.shape[1])]
    chosen = np.zeros(flat.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen


def write_attention(folder: Path, attention: Attention) -> None:
    """Write a run's maps in one step.

    Raises:
        StorageError: the place cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {
        "images": attention.images, "labels": attention.labels, "names": np.array(attention.names, dtype=str),
    }  # fmt: skip
    arrays |= {f"maps/{i}": maps for i, maps in attention.maps.items()}
    arrays |= {f"answers/{i}": labels for i, labels in attention.answers.items()}
    write_arrays(folder / FILE, arrays)


def read_attention(folder: Path) -> Attention | None:
    """Read a run's maps; None where it made none.

    Raises:
        StorageError: the file is damaged, or not what this program writes.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    try:
        return _sorted_out(arrays)
    except (LookupError, ValueError, TypeError) as error:
        raise damaged(path, error) from error


def _sorted_out(arrays: Mapping[str, NDArray[Any]]) -> Attention:
    images, labels, names = arrays["images"], arrays["labels"], tuple(map(str, arrays["names"]))
    by_task: dict[str, dict[int, NDArray[Any]]] = {"maps": {}, "answers": {}}
    for name, array in arrays.items():
        kind, _, task = name.partition("/")
        if task:
            by_task[kind][int(task)] = array
    maps, answers = by_task["maps"], by_task["answers"]
    sizes = {len(array) for array in (images, labels, *maps.values(), *answers.values())}
    shapes = {array.shape[1:] for array in maps.values()}
    whole = images.dtype == np.uint8 and images.ndim == 4 and maps.keys() == answers.keys() and 0 in maps
    if not whole or len(sizes) != 1 or len(shapes) != 1 or any(len(shape) != 2 for shape in shapes):
        raise ValueError("its parts do not belong together")
    if max(int(part.max()) for part in (labels, *answers.values())) >= len(names):
        raise ValueError("a label has no name")
    return Attention(images, labels, names, maps, answers)
