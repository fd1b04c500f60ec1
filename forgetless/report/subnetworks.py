"""Subnetworks, one for each task: what they take, how much they share, and what later tasks use again."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..record import Run
from .figures import LEVELS, colour, swatch
from .formats import percent
from .groups import Group
from .picture import Picture
from .svg import Frame, drawing, element, marker, points, ticks

Matrix = NDArray[np.float64]

_CAPACITY = {  # what was measured -> what the legend says
    "cap_total": "everything that is kept",
    "cap_measured": "used weights, and masks as they are stored",
    "cap_paper": "the paper's formula",
    "union_density": "weights that any task uses",
}


def pictures(groups: Sequence[Group]) -> list[Picture]:
    """Three pictures of each configuration that learned subnetworks, from its first finished run."""
    made = []
    for group in groups:
        run = next((run for run in group.finished if "overlap" in run.measured), None)
        if run is not None:
            made += [_capacity(group.label, run), _overlap(group.label, run), _reuse(group.label, run)]
    return made


def _capacity(label: str, run: Run) -> Picture:
    """What subnetworks take, after each task."""
    lines = {text: _numbers(run, name) for name, text in _CAPACITY.items()}
    tasks = len(next(iter(lines.values())))
    marks = ticks(0.0, max(float(values.max()) for values in lines.values()), 4)
    frame = Frame(440.0, 250.0, (1.0, float(max(tasks, 2))), marks)
    shown = [(float(t), str(t)) for t in range(1, tasks + 1) if tasks <= 12 or t % 5 == 0 or t == 1]
    parts = [frame.axes(shown, "tasks learned", [f"{percent(mark, 0)} %" for mark in marks])]
    for kind, (text, values) in enumerate(lines.items()):
        xs, ys = [frame.x(k + 1.0) for k in range(tasks)], [frame.y(float(v)) for v in values]
        dots = [
            marker(kind, x, y, f"{text}, after task {k + 1}: {percent(float(values[k]), 1)} %")
            for k, (x, y) in enumerate(zip(xs, ys, strict=True))
        ]
        parts.append(
            element(
                "g", element("polyline", points=points(xs, ys), class_="line"), *dots, class_=colour(kind)
            )
        )
    ends = "; ".join(f"{text} {percent(float(values[-1]), 1)} %" for text, values in lines.items())
    return Picture(
        f"capacity {label}",
        f"Capacity of {label}",
        "After each task, in per cent of the masked weights' own size.",
        drawing(440.0, 250.0, f"Capacity after {tasks} tasks: {ends}", *parts),
        [(text, swatch(kind)) for kind, text in enumerate(lines)],
    )


def _overlap(label: str, run: Run) -> Picture:
    """How many of a task's weights another task uses too."""
    values = _numbers(run, "overlap")
    names = [str(k + 1) for k in range(len(values))]
    return Picture(
        f"overlap {label}",
        f"Overlap of the subnetworks of {label}",
        "Of the weights that a row's task uses, those that a column's task uses too, in per cent.",
        _heat(values, names, names, "used by task", "tasks"),
    )


def _reuse(label: str, run: Run) -> Picture:
    """Of each task's weights, layer by layer, those that earlier tasks used already."""
    values = _numbers(run, "reuse")
    tasks, layers = ([str(k + 1) for k in range(size)] for size in values.shape)
    return Picture(
        f"reuse {label}",
        f"Re-use by {label}",
        "Of the weights that a task uses, those that earlier tasks used already, in per cent, layer by layer.",
        _heat(values, tasks, layers, "in layer", "tasks and layers"),
    )


def _numbers(run: Run, name: str) -> Matrix:
    return np.array(run.measured[name], dtype=np.float64)


def _heat(values: Matrix, rows: Sequence[str], columns: Sequence[str], across: str, about: str) -> Markup:
    """A matrix of shares; the number in each cell is per cent."""
    cell = 34.0 if len(columns) <= 12 else 26.0
    left, top = 46.0, 40.0
    parts = [
        element("text", across, x=left + 2, y=13.0, class_="soft"),
        element("text", "task", x=left - 8, y=top - 6, class_="end soft"),
    ]
    parts += [
        element("text", name, x=left + (k + 0.5) * cell, y=top - 6, class_="mid")
        for k, name in enumerate(columns)
    ]
    parts += [
        element("text", name, x=left - 8, y=top + (k + 0.5) * cell + 4, class_="end")
        for k, name in enumerate(rows)
    ]
    for i, j in np.ndindex(values.shape):
        x, y, value = left + j * cell, top + i * cell, float(values[i, j])
        told = f"task {rows[i]}, {across} {columns[j]}: {percent(value, 1)} %"
        parts.append(
            element(
                "g",
                element("title", told),
                element("rect", x=x + 1, y=y + 1, width=cell - 2, height=cell - 2, rx=3),
                element("text", percent(value, 0), x=x + cell / 2, y=y + cell / 2 + 4, class_="mid"),
                class_=f"h{round(min(max(value, 0.0), 1.0) * LEVELS)}",
            )
        )
    size = max(left + len(columns) * cell + 2, 150.0), top + len(rows) * cell + 2
    return drawing(*size, f"Shares in per cent, over {about}", *parts, wide=True)
