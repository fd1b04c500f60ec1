"""What there is to say of where methods look: whose maps can be compared, and how far each drifts from its first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..attention import Attention, read_attention
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
    """How far the maps of images of the first task are from the first maps, after each task. (T,) each."""

    label: str
    seeds: int
    images: int
    distance: tuple[
        Estimate, ...
    ]  # mean over images, with its 95 % interval; of each image the mean over seeds
    cosine: Matrix
    dead: Matrix  # share of images with a dead map, which have no distance
    right: Matrix  # share of images answered rightly
    furthest: float  # the largest distance there can be on maps of this size


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
    tasks = min(seen.tasks for seen in found)
    shape = found[0].maps[0].shape[1:]
    distance, cosine, dead, right = [], [], [], []
    for task in range(tasks):
        apart, alike = (np.stack(part) for part in zip(*(seen.compared(task) for seen in found), strict=True))
        dead.append(float(np.isnan(apart).mean()))
        each = _mean_over_seeds(apart)
        distance.append(estimate(each.tolist()) if len(each) else Estimate(np.nan, 0))
        alike = _mean_over_seeds(alike)
        cosine.append(float(alike.mean()) if len(alike) else np.nan)
        right.append(float(np.mean([seen.answers[task] == seen.labels for seen in found])))
    furthest = float(np.sqrt(2 * shape[0] * shape[1]))
    return Drift(
        group.label,
        len(found),
        len(found[0].labels),
        tuple(distance),
        np.array(cosine),
        np.array(dead),
        np.array(right),
        furthest,
    )


def drifts_of(section: Section) -> list[Drift]:
    """The drift of each configuration that made maps."""
    return [drift for group in section.groups if (drift := drift_of(group))]


def _mean_over_seeds(values: Matrix) -> Matrix:
    """The mean of each image's values that are numbers; images without any are left out. (S, N) -> (M,)"""
    known = ~np.isnan(values)
    count = known.sum(0)
    kept = count > 0
    return np.where(known, values, 0.0).sum(0)[kept] / count[kept]  # type: ignore[no-any-return]


def _same_images(a: Attention, b: Attention) -> bool:
    return np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
