"""The report's figures, drawn as SVG that takes its colours from the page, so that it is at home in light and dark."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from .formats import percent
from .series import Heat, Losses, Series
from .svg import Frame, drawing, element, marker, points, ticks

LEVELS = 10  # steps of the heat maps' colours
_WIDTH, _HEIGHT = 440.0, 270.0

COLOURS = 7  # that the style sheet defines
_TERM_COLOURS = (5, 3, 6, 4)  # of the terms of a loss: not those of the usual configurations

Colours = Mapping[str, int]
"""Label of a configuration -> number of its colour and marker, the same in all figures."""


def colour(number: int) -> str:
    """The style classes of a number; after all colours are used they come again, dashed."""
    return f"c{number % COLOURS}" + (" again" if number // COLOURS % 2 else "")


def heat_map(heat: Heat) -> Markup:
    """An accuracy matrix: row i after task i, column j on task j; the number in each cell is per cent."""
    tasks = len(heat.mean)
    cell = 40.0 if tasks <= 6 else 32.0 if tasks <= 12 else 27.0
    left, top = 46.0, 40.0
    parts = [
        element("text", "accuracy on task", x=left + tasks * cell / 2, y=13.0, class_="mid soft"),
        element("text", "after", x=left - 8, y=top - 6, class_="end soft"),
    ]
    for k in range(tasks):
        parts.append(element("text", str(k + 1), x=left + (k + 0.5) * cell, y=top - 6, class_="mid"))
        parts.append(element("text", str(k + 1), x=left - 8, y=top + (k + 0.5) * cell + 4, class_="end"))
    for i, j in zip(*np.nonzero(~np.isnan(heat.mean)), strict=True):
        parts.append(_heat_cell(heat, int(i), int(j), left + j * cell, top + i * cell, cell))
    about = f"Accuracy matrix of {heat.label}: in per cent, on each task (columns) after each task (rows)"
    return drawing(max(left + tasks * cell + 2, 150.0), top + tasks * cell + 2, about, *parts, wide=True)


def _heat_cell(heat: Heat, i: int, j: int, x: float, y: float, side: float) -> Markup:
    value = float(heat.mean[i, j])
    spread = f" ± {percent(float(heat.std[i, j]), 1)} over {heat.n} seeds" if heat.std is not None else ""
    about = f"task {j + 1} after task {i + 1}: {percent(value, 1)} %{spread}"
    return element(
        "g",
        element("title", about),
        element("rect", x=x + 1, y=y + 1, width=side - 2, height=side - 2, rx=3),
        element("text", percent(value, 0), x=x + side / 2, y=y + side / 2 + 4, class_="mid"),
        class_=f"h{round(value * LEVELS)}",
    )


def accuracy_lines(lines: Sequence[Series], colours: Colours) -> Markup:
    """Mean accuracy over the tasks seen so far, after each task, with a band of one standard deviation."""
    tasks = max(len(line.x) for line in lines)
    lowest = min(float((line.mean - (0 if line.std is None else line.std)).min()) for line in lines)
    marks = ticks(foot(lowest), 1.0, 4)
    frame = Frame(_WIDTH, _HEIGHT, (1.0, float(max(tasks, 2))), marks)
    begins = f" (the axis begins at {percent(marks[0], 0)} %)" if marks[0] else ""
    labels = [f"{100 * mark:.3g}" for mark in marks]
    parts = [frame.axes(task_ticks(tasks), f"tasks learned{begins}", [*labels[:-1], f"{labels[-1]} %"])]
    for line in lines:
        kind = colours[line.label]
        xs = [frame.x(float(x)) for x in line.x]
        inside = [_band(frame, xs, line)] if line.std is not None else []
        inside.append(
            element("polyline", points=points(xs, [frame.y(float(y)) for y in line.mean]), class_="line")
        )
        inside += [
            marker(
                kind, x, frame.y(float(line.mean[k])), f"{line.label}, after task {k + 1}: {_told(line, k)}"
            )
            for k, x in enumerate(xs)
        ]
        parts.append(element("g", *inside, class_=colour(kind)))
    about = "Mean accuracy over the tasks seen so far, after each task: " + "; ".join(
        f"{line.label} ends at {_told(line, -1)}" for line in lines
    )
    return drawing(_WIDTH, _HEIGHT, about, *parts)


def foot(lowest: float) -> float:
    """Where an axis up to 1 begins: at 0, unless all lie so high that nothing could be told apart."""
    return min(math.floor(lowest * 10) / 10, 0.9) if lowest >= 0.6 else 0.0


def _band(frame: Frame, xs: Sequence[float], line: Series) -> Markup:
    std = np.zeros_like(line.mean) if line.std is None else line.std
    upper = [frame.y(float(min(y, 1.0))) for y in line.mean + std]
    lower = [frame.y(float(max(y, frame.y_ticks[0]))) for y in line.mean - std]
    return element("polygon", points=points([*xs, *reversed(xs)], [*upper, *reversed(lower)]), class_="band")


def forgetting_bars(bars: Sequence[Series], colours: Colours) -> Markup:
    """What each old task lost, one bar for each configuration, with a whisker of one standard deviation."""
    tasks = max(len(series.x) for series in bars)
    reach = [
        series.mean + sign * (0 if series.std is None else series.std) for series in bars for sign in (-1, 1)
    ]
    low, high = min(float(r.min()) for r in reach), min(1.0, max(0.1, *(float(r.max()) for r in reach)))
    low = low if low < -0.05 else 0.0  # a whisker may hang a little below the axis
    width = max(_WIDTH, 60.0 + tasks * (7.0 * len(bars) + 10.0))
    marks = ticks(low, high)
    frame = Frame(width, _HEIGHT, (0.5, tasks + 0.5), marks)
    labels = [percent(mark, 0) for mark in marks]
    parts = [frame.axes(task_ticks(tasks), "task", [*labels[:-1], f"{labels[-1]} pt"])]
    room = (frame.x(2.0) - frame.x(1.0)) * 0.8
    each = min(room / len(bars), 34.0)
    for place, series in enumerate(bars):
        shift = (place - len(bars) / 2) * each
        inside = [_bar(frame, frame.x(k + 1.0) + shift, each, series, k) for k in range(len(series.x))]
        parts.append(element("g", *inside, class_=colour(colours[series.label])))
    about = "Points of accuracy that each old task lost from its best to the end: " + "; ".join(
        f"{series.label} {percent(float(series.mean.mean()), 1)} on average" for series in bars
    )
    return drawing(width, _HEIGHT, about, *parts, wide=width > _WIDTH)


def _bar(frame: Frame, x: float, width: float, series: Series, k: int) -> Markup:
    value = float(series.mean[k])
    top, bottom = sorted((frame.y(value), frame.y(0.0)))
    about = element("title", f"{series.label}, task {k + 1}: {_told(series, k, 'points')} lost")
    height = max(bottom - top, 0.8)
    parts = [about, element("rect", x=x + 0.5, y=top, width=max(width - 1, 1.0), height=height, class_="bar")]
    if series.std is not None and width >= 5:
        ends = [frame.y(min(value + sign * float(series.std[k]), 1.0)) for sign in (-1, 1)]
        middle = x + width / 2
        parts.append(element("line", x1=middle, x2=middle, y1=ends[0], y2=ends[1], class_="whisker"))
    return element("g", *parts)


def loss_lines(losses: Losses) -> Markup:
    """The terms of a loss over all steps of a run, broken where a Fit is without them; dashed where a task begins."""
    last = max(float(term.x[-1]) for term in losses.terms)
    highest = max(float(term.mean.max()) for term in losses.terms)
    lowest = min(0.0, *(float(term.mean.min()) for term in losses.terms), 0.0)
    marks = ticks(lowest, highest or 1.0, 4)
    frame = Frame(_WIDTH, 210.0, (0.0, last), marks)
    shown = [mark for mark in ticks(0.0, last, 4) if mark <= last]
    parts = [frame.axes([(mark, f"{mark:,.0f}") for mark in shown], "steps", [f"{mark:g}" for mark in marks])]
    for start in losses.starts[1:]:
        x = frame.x(float(start))
        parts.append(
            element("line", x1=x, x2=x, y1=frame.top, y2=frame.height - frame.bottom, class_="grid dash")
        )
    for place, term in enumerate(losses.terms):
        kind = term_colour(place)
        xs, ys = [frame.x(float(x)) for x in term.x], [frame.y(float(y)) for y in term.mean]
        name = element("title", term.label)
        drawn = [
            element("polyline", name, points=points(xs[part], ys[part]), class_="line thin")
            for part in losses.stretches(term)
        ]
        parts.append(element("g", *drawn, class_=colour(kind)))
    names = ", ".join(term.label for term in losses.terms)
    return drawing(
        _WIDTH, 210.0, f"Loss of {losses.label}, seed {losses.seed}, over the steps: {names}", *parts
    )


def term_colour(place: int) -> int:
    """The colour of a loss's term."""
    return _TERM_COLOURS[place % len(_TERM_COLOURS)]


def swatch(kind: int, *, plain: bool = False) -> Markup:
    """The sample of a line for a legend: with its marker, or `plain` as the losses' lines are."""
    line = element("polyline", points="1,7 25,7", class_="line")
    inside = [line] if plain else [line, marker(kind, 13.0, 7.0)]
    group = element("g", *inside, class_=colour(kind))
    return element("svg", group, viewBox="0 0 26 14", width=26, height=14, aria_hidden="true")


def _told(series: Series, k: int, unit: str = "%") -> str:
    """One point of a series in words."""
    mean = percent(float(series.mean[k]), 1)
    spread = f" ± {percent(float(series.std[k]), 1)} ({series.n} seeds)" if series.std is not None else ""
    return f"{mean} {unit}{spread}"


def task_ticks(tasks: int) -> list[tuple[float, str]]:
    """Places and labels on an axis over tasks: each, or where there are many every fifth."""
    step = 1 if tasks <= 12 else 5
    shown = sorted({1, *range(step, tasks + 1, step)})
    return [(float(t), str(t)) for t in shown]
