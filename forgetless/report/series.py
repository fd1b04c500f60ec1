"""The numbers behind the figures: means over the seeds of one configuration. Fractions throughout."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import StorageError
from ..metrics import forgetting_per_task
from ..predictions import Matrix
from ..record import Run, read_steps
from .groups import Group

POINTS = 150  # of a loss curve: more cannot be told apart on a screen


@dataclass(frozen=True)
class Series:
    """One line or one set of bars: means over n seeds, and their standard deviation where n > 1."""

    label: str
    x: Matrix
    mean: Matrix
    std: Matrix | None = None
    n: int = 1


@dataclass(frozen=True)
class Heat:
    """An accuracy matrix, the mean over n seeds, (T, T), NaN where there is none."""

    label: str
    mean: Matrix
    std: Matrix | None
    n: int
    state: str = ""  # of a run that did not finish and is shown for want of one that did


@dataclass(frozen=True)
class Losses:
    """The terms of one run's loss over its steps, and the step at which each task and each Fit began."""

    label: str
    seed: int
    terms: tuple[Series, ...]
    starts: tuple[int, ...]
    fits: tuple[int, ...]

    def stretches(self, term: Series) -> list[slice]:
        """The points of a term that belong together: between them lies no Fit without it."""
        fit = np.searchsorted(self.fits, term.x)
        ends = [0, *(np.flatnonzero(np.diff(fit) > 1) + 1).tolist(), len(fit)]
        return [slice(*pair) for pair in pairwise(ends)]


def heat_of(group: Group) -> Heat | None:
    """The mean accuracy matrix of a configuration; of none that finished, the one that came furthest."""
    if group.finished:
        matrices = [run.accuracy for run in group.finished]
        return Heat(group.label, *_spread(matrices), len(matrices))
    furthest = max(group.runs, key=lambda run: len(run.accuracy))
    learned = len(furthest.accuracy)
    if not learned:
        return None
    state = f"{furthest.state} after {learned} of {furthest.tasks} tasks, seed {furthest.seed}"
    return Heat(group.label, furthest.accuracy, None, 1, state)


def after_each_task(group: Group) -> Series | None:
    """Mean accuracy over the tasks seen so far, after each task; its last point is the final average accuracy."""
    return _series(group, [np.nanmean(run.accuracy, axis=1) for run in group.finished])


def forgetting_of_tasks(group: Group) -> Series | None:
    """What each old task lost from its best to the end; None where there are not two tasks."""
    return _series(
        group, [forgetting_per_task(run.accuracy) for run in group.finished if len(run.accuracy) > 1]
    )


def losses_of(group: Group) -> Losses | None:
    """The loss terms of the configuration's first seed that logged any."""
    for run in group.finished or group.runs:
        found = losses_of_run(group.label, run)
        if found is not None:
            return found
    return None


def losses_of_run(label: str, run: Run) -> Losses | None:
    """The loss terms that a run logged, thinned to means over equal stretches; None if they make no line."""
    try:
        lines = read_steps(run.path)
    except StorageError:
        return None
    points: dict[str, list[tuple[int, float]]] = {}
    starts: list[int] = []
    fits: list[int] = []
    offset, last, place, task = 0, 0, None, None
    for line in lines:
        here = (line.get("task"), line.get("fit"))
        if here != place:
            offset, place = offset + last, here
            fits.append(offset)
        if line.get("task") != task:
            task = line.get("task")
            starts.append(offset)
        last = int(line.get("step", 0))
        for name, value in _terms(line):
            points.setdefault(name, []).append((offset + last, value))
    terms = tuple(_thinned(name, found, offset + last) for name, found in points.items())
    if not any(len(term.x) > 1 for term in terms):
        return None
    return Losses(label, run.seed, terms, tuple(starts), tuple(fits))


def _terms(line: dict[str, Any]) -> list[tuple[str, float]]:
    terms = line.get("terms")
    if not isinstance(terms, dict):
        return []
    return [(name, float(v)) for name, v in terms.items() if isinstance(v, int | float) and np.isfinite(v)]


def _thinned(name: str, points: Sequence[tuple[int, float]], steps: int) -> Series:
    x, y = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    places = np.minimum((x / max(steps, 1) * POINTS).astype(int), POINTS - 1)
    kept = np.unique(places)
    return Series(
        name, np.array([x[places == k].mean() for k in kept]), np.array([y[places == k].mean() for k in kept])
    )


def _series(group: Group, rows: Sequence[Matrix]) -> Series | None:
    if not rows:
        return None
    mean, std = _spread(rows)
    return Series(group.label, np.arange(1, len(mean) + 1, dtype=float), mean, std, len(rows))


def _spread(values: Sequence[Matrix]) -> tuple[Matrix, Matrix | None]:
    stack = np.stack(values)
    return stack.mean(axis=0), stack.std(axis=0, ddof=1) if len(values) > 1 else None
