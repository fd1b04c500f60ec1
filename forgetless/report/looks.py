"""What there is to say of where methods look: whose maps can be compared, and how far each drifts from its first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..attention import Attention, Compared, overlap_by_chance, read_attention
from ..errors import StorageError
from ..estimates import Estimate, estimate
from ..predictions import Matrix
from ..record import Run
from .groups import Group, Section


@dataclass(frozen=True)
class Row:
    """One configuration's maps, of one seed."""

    label: str
    seed: int
    seen: Attention


@dataclass(frozen=True)
class Drift:
    """How the maps of images of the first task compare with the first maps, after each task.

    `lines` has for each quantity of `Compared`, for the share `dead` of images with a dead map, of which the others
    say nothing, and for the share `right` of those answered rightly, one estimate a task: the mean over images, of
    each image the mean over seeds, with its 95 % interval.
    """

    label: str
    seeds: int
    images: int
    shape: tuple[int, int]  # of a map
    lines: Mapping[str, tuple[Estimate, ...]]

    @property
    def furthest(self) -> float:
        """The largest distance there can be between maps of this size."""
        return float(np.sqrt(2 * self.shape[0] * self.shape[1]))

    @property
    def chance(self) -> dict[str, float]:
        """What two unrelated maps of this size are expected to have, where that is known."""
        pixels = self.shape[0] * self.shape[1]
        return {"overlap": overlap_by_chance(pixels), "pointing": 1 / pixels}


def maps_of(run: Run) -> Attention | None:
    """A run's maps after two tasks or more; None where there are none that can be read."""
    try:
        seen = read_attention(run.path)
    except StorageError:
        return None
    return seen if seen is not None and seen.tasks > 1 else None


def rows_of(section: Section) -> list[Row]:
    """For each configuration that made maps one seed, the lowest that all have if there is one; on the same images."""
    found = [{run.seed: seen for run in group.finished if (seen := maps_of(run))} for group in section.groups]
    common = set.intersection(*(set(seeds) for seeds in found if seeds)) if any(found) else set[int]()
    rows: list[Row] = []
    for group, seeds in zip(section.groups, found, strict=True):
        seed = min(common & set(seeds) or seeds, default=None)
        if seed is not None and (not rows or _same_images(rows[0].seen, seeds[seed])):
            rows.append(Row(group.label, seed, seeds[seed]))
    return rows


def begin_alike(rows: Sequence[Row]) -> bool:
    """Whether all rows have the same maps after the first task, as runs of one seed do."""
    first = rows[0].seen.maps[0]
    return all(np.array_equal(first, row.seen.maps[0]) for row in rows)


def drift_of(group: Group) -> Drift | None:
    """A configuration's drift, over its finished runs that made maps."""
    found = [seen for run in group.finished if (seen := maps_of(run)) is not None]
    if not found:
        return None
    steps = [_after(task, found) for task in range(min(seen.tasks for seen in found))]
    height, width = found[0].maps[0].shape[1:]
    lines = {name: tuple(_over_images(values[name]) for values in steps) for name in steps[0]}
    return Drift(group.label, len(found), len(found[0].labels), (height, width), lines)


def _after(task: int, found: Sequence[Attention]) -> dict[str, Matrix]:
    """What there is to say of each image after a task, by quantity. (S, N) each"""
    columns = zip(*(seen.compared(task) for seen in found), strict=True)
    values = {name: np.stack(column) for name, column in zip(Compared._fields, columns, strict=True)}
    values["dead"] = np.isnan(values["distance"]).astype(float)
    values["right"] = np.stack([seen.answers[task] == seen.labels for seen in found]).astype(float)
    return values


def drifts_of(section: Section) -> list[Drift]:
    """The drift of each configuration that made maps."""
    return [drift for group in section.groups if (drift := drift_of(group))]


def _over_images(values: Matrix) -> Estimate:
    """The mean over images of each image's mean over the seeds with a number; over those that have any. (S, N)"""
    known = ~np.isnan(values)
    count = known.sum(0)
    kept = count > 0
    each = np.where(known, values, 0.0).sum(0)[kept] / count[kept]
    return estimate(each.tolist()) if len(each) else Estimate(np.nan, 0)


def _same_images(a: Attention, b: Attention) -> bool:
    return np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
