"""The picture of what it costs to forget less: old tasks against new ones, over the weight that trades them.

Li & Hoiem, "Learning without Forgetting", TPAMI 2018, figure 7
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from ..record import Run
from .figures import Colours, colour, swatch
from .formats import percent
from .groups import PROTOCOL, Group, Section, told_apart
from .palette import colours_of
from .picture import Picture
from .svg import Frame, drawing, element, marker, points, ticks

_WIDTH, _HEIGHT, _TOP = 440.0, 300.0, 26.0
_SMALLEST, _LARGEST = 0.75, 2.0  # a marker's size at the first weight and at the last: its area grows evenly


@dataclass(frozen=True)
class Curve:
    """One method over its weights; a method with nothing to weigh is a curve of one point."""

    label: str
    group: str  # the label whose colour it has
    weights: tuple[float | None, ...]
    old: tuple[float, ...]  # mean accuracy on all tasks but the last, after the last
    new: tuple[float, ...]  # mean accuracy on each task but the first, just after it


def pictures(section: Section) -> list[Picture]:
    """The trade-off of all methods, where there is one with several weights; a colour for each method."""
    curves = curves_of(section.groups)
    if all(len(curve.weights) == 1 for curve in curves):
        return []
    first = {curve.group for curve in curves}
    colours = colours_of([group for group in section.groups if group.label in first])
    keys = [(curve.label, swatch(colours[curve.group])) for curve in curves]
    about = (
        "Up and to the right is better. Each line is a method over its weights; larger marks, larger weights."
    )
    return [
        Picture(
            "trade-off", "What old tasks keep, and what new ones reach", about, lines(curves, colours), keys
        )
    ]


def curves_of(groups: Sequence[Group]) -> list[Curve]:
    """A curve for configurations of a method that differ in one number of its own, and points for the others.

    Where there are curves, a configuration that was trained otherwise than all of them is left out.
    """
    known = [group for group in groups if any(len(run.accuracy) > 1 for run in group.finished)]
    methods = dict.fromkeys(group.method for group in known)
    weighed = {method: _weighed([group for group in known if group.method == method]) for method in methods}
    trained = {_training(line[0]) for _, lines in weighed.values() for line in lines}
    curves = []
    for method, (knob, lines) in weighed.items():
        fixed = [{key: value for key, value in line[0].settings.items() if key != knob} for line in lines]
        for line, words in zip(lines, told_apart(fixed), strict=True):
            label = f"{' '.join([method, *words])}, {knob}"
            curves.append(_curve(label, line, [float(group.settings[knob]) for group in line]))
        alone = [
            group for group in known if group.method == method and not any(group in line for line in lines)
        ]
        alike = [group for group in alone if _training(group) in trained]
        curves += [_curve(group.label, [group], [None]) for group in alike or ([] if lines else alone)]
    return curves


def _weighed(groups: Sequence[Group]) -> tuple[str, list[list[Group]]]:
    """The number of the method's own over which its configurations make the longest lines, and these, in order."""
    best: tuple[str, list[list[Group]]] = "", []
    keys = dict.fromkeys(key for group in groups for key in group.settings if key not in PROTOCOL)
    for knob in keys:
        if not all(type(group.settings.get(knob)) in (int, float) for group in groups):
            continue
        found: dict[str, list[Group]] = {}
        for group in groups:
            rest = sorted((key, repr(value)) for key, value in group.settings.items() if key != knob)
            found.setdefault(repr(rest), []).append(group)
        lines = [sorted(line, key=lambda group: float(group.settings[knob])) for line in found.values()]
        lines = [line for line in lines if len(line) > 1]
        if _length(lines) > _length(best[1]):
            best = knob, lines
    return best


def _length(lines: Sequence[Sequence[Group]]) -> int:
    return max(map(len, lines), default=0)


def _training(group: Group) -> str:
    """How a configuration was trained, its method's own settings apart."""
    return repr(sorted((key, repr(value)) for key, value in group.settings.items() if key in PROTOCOL))


def lines(curves: Sequence[Curve], colours: Colours) -> Markup:
    """Old tasks on the horizontal axis, new ones on the vertical."""
    across = ticks(*_reach([x for curve in curves for x in curve.old]), 4)
    up = ticks(*_reach([y for curve in curves for y in curve.new]), 4)
    frame = Frame(_WIDTH, _HEIGHT, (across[0], across[-1]), up, top=_TOP)
    labels = [(x, _label(x, across)) for x in across]
    parts = [
        frame.axes(labels, "old tasks, after the last (%)", [_label(y, up) for y in up]),
        element("text", "new tasks, just after each (%)", x=frame.left, y=_TOP - 12, class_="soft"),
    ]
    for curve in curves:
        kind = colours[curve.group]
        places = [(frame.x(x), frame.y(y)) for x, y in zip(curve.old, curve.new, strict=True)]
        inside = [element("polyline", points=points(*zip(*places, strict=True)), class_="line thin")]
        inside += [_mark(kind, curve, k, *place) for k, place in enumerate(places)]
        parts.append(element("g", *inside, class_=colour(kind)))
    about = "Accuracy on old tasks after the last and on new tasks just after each: " + "; ".join(
        f"{curve.label} {_told(curve, 0)} to {_told(curve, -1)}" for curve in curves
    )
    return drawing(_WIDTH, _HEIGHT, about, *parts)


def _mark(kind: int, curve: Curve, k: int, x: float, y: float) -> Markup:
    share = k / max(1, len(curve.weights) - 1)
    size = math.sqrt(_SMALLEST**2 + share * (_LARGEST**2 - _SMALLEST**2)) if len(curve.weights) > 1 else 1.4
    weight = curve.weights[k]
    name = curve.label if weight is None else f"{curve.label} {weight:g}"
    return element(
        "g",
        marker(kind, 0.0, 0.0, f"{name}: {_told(curve, k)}"),
        transform=f"translate({x:.1f} {y:.1f}) scale({size:.2f})",
    )


def _told(curve: Curve, k: int) -> str:
    return f"old {percent(curve.old[k], 1)} %, new {percent(curve.new[k], 1)} %"


def _label(value: float, marks: Sequence[float]) -> str:
    step = 100 * (marks[1] - marks[0])
    return percent(value, 0 if abs(step - round(step)) < 1e-6 else 1 if step > 0.099 else 2)


def _reach(values: Sequence[float]) -> tuple[float, float]:
    """From a little below the least to a little above the largest."""
    low, high = min(values), max(values)
    room = max(0.05 * (high - low), 0.002)
    return low - room, min(1.0, high + room)


def _curve(label: str, groups: Sequence[Group], weights: Sequence[float | None]) -> Curve:
    old, new = (tuple(_mean(group, which) for group in groups) for which in (_old, _new))
    return Curve(label, groups[0].label, tuple(weights), old, new)


def _mean(group: Group, which: Any) -> float:
    return float(np.mean([which(run) for run in group.finished if len(run.accuracy) > 1]))


def _old(run: Run) -> float:
    return float(run.accuracy[-1, :-1].mean())


def _new(run: Run) -> float:
    return float(np.diag(run.accuracy)[1:].mean())
