"""The numbers behind the report's table and figures as CSV files: fractions, bytes, seconds, in full."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..files import write_atomically
from . import directions, looks, series
from .groups import Group, Section, sections_of
from .page import read_all
from .render import as_csv, render_csv
from .series import Series
from .table import make_table

Line = Sequence[object]
_PLACE = ("stream", "scenario", "label")
_LOOKED = ("measure", "mean", "low95", "high95", "chance", "images", "seeds")


def write_tables(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Write the table and each figure's numbers as CSV into a folder, and return the files.

    Raises:
        StorageError: none of the run folders can be read, or the place cannot be written.
    """
    found, _ = read_all(runs)
    sections = sections_of(found)
    texts = {
        "table.csv": render_csv(make_table(found)),
        "accuracy_matrix.csv": _text(
            (*_PLACE, "after_task", "on_task", "mean", "std", "n"), _matrices(sections)
        ),
        "accuracy_after_each_task.csv": _text(
            (*_PLACE, "tasks_learned", "mean", "std", "n"), _accuracies(sections)
        ),
        "forgetting.csv": _text((*_PLACE, "task", "mean", "std", "n"), _forgettings(sections)),
        "attention.csv": _text((*_PLACE, "tasks_learned", *_LOOKED), _attentions(sections)),
        "directions.csv": _text((*_PLACE, "seed", "curve", "task", "place", "loss"), _lines(sections)),
        "loss.csv": _text((*_PLACE, "seed", "term", "step", "value"), _losses(sections)),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]


def _text(names: Line, lines: Iterator[Line]) -> str:
    return as_csv([names, *lines])


def _rows(sections: Sequence[Section]) -> Iterator[tuple[tuple[str, str, str], Group]]:
    for section in sections:
        for group in section.groups:
            yield (section.stream, section.scenario, group.label), group


def _matrices(sections: Sequence[Section]) -> Iterator[Line]:
    for place, group in _rows(sections):
        heat = series.heat_of(group) if group.finished else None
        if heat is None:
            continue
        for i, j in np.argwhere(~np.isnan(heat.mean)):
            std = None if heat.std is None else float(heat.std[i, j])
            yield (*place, i + 1, j + 1, float(heat.mean[i, j]), std, heat.n)


def _accuracies(sections: Sequence[Section]) -> Iterator[Line]:
    for place, group in _rows(sections):
        yield from _points(place, series.after_each_task(group))


def _forgettings(sections: Sequence[Section]) -> Iterator[Line]:
    for place, group in _rows(sections):
        yield from _points(place, series.forgetting_of_tasks(group))


def _points(place: tuple[str, str, str], line: Series | None) -> Iterator[Line]:
    if line is None:
        return
    for k, value in enumerate(line.mean):
        yield (*place, k + 1, float(value), None if line.std is None else float(line.std[k]), line.n)


def _attentions(sections: Sequence[Section]) -> Iterator[Line]:
    """Each measure of drift, and the share of right answers: means over those images of the first task that have it."""
    for place, group in _rows(sections):
        drift = looks.drift_of(group)
        if drift is None:
            continue
        for name, line in drift.lines.items():
            for k, point in enumerate(line):
                mean = point.mean if point.n else None
                spread = (point.low, point.high, drift.chance.get(name), point.n, drift.seeds)
                yield (*place, k + 1, name, mean, *spread)


def _lines(sections: Sequence[Section]) -> Iterator[Line]:
    """The loss along directions and segments; places are shares of the way."""
    for place, group in _rows(sections):
        for run in group.finished:
            for curve, task, values in directions.curves_of(run):
                for k, value in enumerate(values):
                    yield (*place, run.seed, curve, task + 1, k / (len(values) - 1), float(value))


def _losses(sections: Sequence[Section]) -> Iterator[Line]:
    for place, group in _rows(sections):
        losses = series.losses_of(group)
        for term in losses.terms if losses else ():
            for step, value in zip(term.x, term.mean, strict=True):
                yield (*place, losses.seed if losses else None, term.label, float(step), float(value))
