"""The loss where a method might have gone: along the direction it kept free, and on the segment where it stopped."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..record import Run
from .figures import colour, swatch
from .groups import Group
from .picture import Picture
from .svg import Frame, drawing, element, marker, points, ticks

Curve = NDArray[np.float64]

PANELS, COLUMNS = 10, 5  # of tasks shown at most, and of them side by side
_WIDTH, _HEIGHT, _LEFT, _RIGHT = 210.0, 158.0, 46.0, 10.0
_FOUND, _CHANCE, _SEGMENT = 0, 1, 3  # numbers of colours and markers


def pictures(groups: Sequence[Group]) -> list[Picture]:
    """Two pictures of each configuration that measured such lines, from its first finished run that did."""
    made = []
    for group in groups:
        for name, draw in (("direction", _directions), ("segment", _segments)):
            run = next((run for run in group.finished if tasks_of(run, name)), None)
            if run is not None:
                made.append(draw(group.label, run))
    return made


def tasks_of(run: Run, name: str) -> list[int]:
    """The tasks, counted from 0, after which a run measured a curve of this name."""
    found = (key.partition("/") for key, values in run.measured.items() if values)
    return sorted(int(task) for what, _, task in found if what == name and task.isdigit())


def curves_of(run: Run) -> Iterator[tuple[str, int, Curve]]:
    """Every curve that a run measured: what it lies on, its task, counted from 0, and its values at even places."""
    for task in tasks_of(run, "direction"):
        found, chance = _numbers(run, f"direction/{task}")
        yield "less forgetting direction", task, found
        yield "random direction", task, chance
    for task in tasks_of(run, "segment"):
        yield "segment", task, _numbers(run, f"segment/{task}")


def _directions(label: str, run: Run) -> Picture:
    """The old loss along the less forgetting direction and along a random one."""
    tasks = _chosen(tasks_of(run, "direction"))
    curves = {task: _numbers(run, f"direction/{task}") for task in tasks}

    def draw(task: int, frame: Frame) -> Markup:
        found, chance = curves[task]
        return _line(frame, chance, _CHANCE, "random") + _line(frame, found, _FOUND, "less forgetting")

    ends = "; ".join(
        f"task {task + 1}: {_told(c[0][-1])} against {_told(c[1][-1])}" for task, c in curves.items()
    )
    return Picture(
        f"direction {label}",
        f"Old loss along the directions of {label}",
        "Mean loss of old exemplars, from the old weights (0) to the sphere (r), before the task is learned: along the "
        f"less forgetting direction, and along the random one that it was found from. Seed {run.seed}.",
        _panels(
            tasks, list(curves.values()), ("0", "r"), f"Old loss at the end of both directions: {ends}", draw
        ),
        [("less forgetting direction", swatch(_FOUND)), ("random direction", swatch(_CHANCE))],
    )


def _segments(label: str, run: Run) -> Picture:
    """The memory's loss between old and new weights, and the place that was chosen."""
    tasks = _chosen(tasks_of(run, "segment"))
    curves = {task: _numbers(run, f"segment/{task}") for task in tasks}
    places = {task: float(_numbers(run, f"lambda/{task}")) for task in tasks}

    def draw(task: int, frame: Frame) -> Markup:
        curve, place = curves[task], places[task]
        loss = float(np.interp(place, np.linspace(0, 1, len(curve)), curve))
        about = f"task {task + 1}: λ = {place:.2f}, loss {_told(loss)}"
        dot = element("g", marker(_SEGMENT, frame.x(place), frame.y(loss), about), class_=colour(_SEGMENT))
        words = element("text", f"λ = {place:.2f}", x=_WIDTH - _RIGHT, y=14.0, class_="end")
        return _line(frame, curve, _SEGMENT, "memory", marks=False) + dot + words

    chosen = "; ".join(f"task {task + 1}: {place:.2f}" for task, place in places.items())
    return Picture(
        f"segment {label}",
        f"Loss between old and new weights of {label}",
        "Mean loss of all exemplars, the new task's among them, from the old weights (0) to the new ones (1), and "
        f"the equilibrium point λ that was chosen. Seed {run.seed}.",
        _panels(tasks, list(curves.values()), ("0", "1"), f"The place that was chosen: {chosen}", draw),
    )


def _panels(
    tasks: Sequence[int],
    curves: Sequence[Curve],
    ends: tuple[str, str],
    about: str,
    draw: Callable[[int, Frame], Markup],
) -> Markup:
    """A panel for each task, all to one scale."""
    marks = ticks(0.0, max(float(curve.max()) for curve in curves), 3)
    frame = Frame(_WIDTH, _HEIGHT, (0.0, 1.0), marks, left=_LEFT, right=_RIGHT, top=24.0, bottom=24.0)
    axes = frame.axes([(0.0, ends[0]), (1.0, ends[1])], "", [f"{mark:.3g}" for mark in marks])
    columns = min(COLUMNS, len(tasks))
    parts = []
    for number, task in enumerate(tasks):
        row, column = divmod(number, columns)
        title = element("text", f"task {task + 1}", x=_LEFT, y=14.0, class_="strong")
        place = f"translate({column * _WIDTH:.0f} {row * _HEIGHT:.0f})"
        parts.append(element("g", axes, title, draw(task, frame), transform=place))
    rows = -(-len(tasks) // columns)
    return drawing(max(columns * _WIDTH, 300.0), rows * _HEIGHT, about, *parts, wide=True)


def _line(frame: Frame, curve: Curve, kind: int, name: str, *, marks: bool = True) -> Markup:
    """A curve over even places from 0 to 1; with its marker at the end."""
    xs = [frame.x(float(place)) for place in np.linspace(0, 1, len(curve))]
    ys = [frame.y(float(value)) for value in curve]
    line = element("polyline", element("title", name), points=points(xs, ys), class_="line")
    end = [marker(kind, xs[-1], ys[-1], f"{name}: {_told(curve[-1])}")] if marks else []
    return element("g", line, *end, class_=colour(kind))


def _chosen(tasks: Sequence[int]) -> list[int]:
    """All of them, or as many as there are panels, evenly, the first and the last among them."""
    count = min(len(tasks), PANELS)
    return [tasks[round(place)] for place in np.linspace(0, len(tasks) - 1, count)]


def _numbers(run: Run, name: str) -> Curve:
    return np.array(run.measured[name], dtype=np.float64)


def _told(value: float) -> str:
    return f"{value:.3g}"
