"""Figures of how far attention maps drift from the first as tasks are learned, one for each measure of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from ..estimates import Estimate
from .figures import Colours, colour, foot, swatch, task_ticks
from .formats import percent
from .groups import Section
from .looks import Drift, drifts_of
from .picture import Picture
from .svg import Frame, drawing, element, marker, points, ticks

_WIDTH, _HEIGHT = 330.0, 220.0  # so small that three stand side by side


@dataclass(frozen=True)
class Quantity:
    """One measure of drift, and how it is shown."""

    name: str  # in a drift's lines
    file: str
    title: str
    caption: str
    share: bool = False  # of images, told in per cent
    bounded: bool = True  # its axis goes from 0 to 1

    def text(self, value: float) -> str:
        """A value as people read it."""
        return f"{percent(value, 0)} %" if self.share else f"{value:.2f}"

    def told(self, point: Estimate) -> str:
        """A mean with its interval, and over how many images."""
        if not point.n:
            return "nothing, for all maps are dead"
        interval = "" if point.low is None else " ({} to {})".format(*map(self.text, _ends(point)))
        return f"{self.text(point.mean)}{interval}, {point.n} image{'' if point.n == 1 else 's'}"


QUANTITIES = (
    Quantity(
        "distance", "drift-distance", "Distance from the first map",
        "Sum over pixels of the differences of two maps of unit length; 0: the same.",
        bounded=False,
    ),
    Quantity(
        "cosine", "drift-cosine", "Cosine to the first map",
        "1: the same but for brightness; 0: nowhere bright together.",
    ),
    Quantity(
        "overlap", "drift-overlap", "Overlap with the first map",
        "Of the pixels in the brightest fifth of either map, the share that is in that of both (IoU).",
    ),
    Quantity(
        "pointing", "drift-pointing", "Pointing where the first map does",
        "Share of images whose map is brightest at the same pixel.",
        share=True,
    ),
    Quantity(
        "dead", "dead-maps", "Dead maps",
        "Share of images for whose class no pixel speaks, now or in the first map; other measures leave them out.",
        share=True,
    ),
)  # fmt: skip


def pictures(section: Section, colours: Colours) -> list[Picture]:
    """A picture of each quantity; nothing where no run recorded maps."""
    about = "over images of the first task"
    return [
        replace(picture, title=f"{picture.title}, {about}")
        for picture in pictures_of(drifts_of(section), colours)
    ]


def pictures_of(drifts: Sequence[Drift], colours: Colours) -> list[Picture]:
    """A picture of each quantity, without the words that stand over all of them on a page."""
    if not drifts:
        return []
    keys = [(drift.label, swatch(colours[drift.label])) for drift in drifts]
    return [
        Picture(quantity.file, quantity.title, quantity.caption, over_tasks(quantity, drifts, colours), keys)
        for quantity in QUANTITIES
    ]


def over_tasks(quantity: Quantity, drifts: Sequence[Drift], colours: Colours) -> Markup:
    """A quantity after each task, with its 95 % interval over the images; dashed, what chance alone would give."""
    frame, axes = _framed(quantity, drifts)
    parts = [axes, *_chance(quantity, drifts, frame)]
    kinds = [colours[drift.label] for drift in drifts]
    for drift, kind in zip(drifts, kinds, strict=True):  # before all lines, so that none is veiled
        parts.append(element("g", *_bands(drift.lines[quantity.name], frame), class_=colour(kind)))
    for drift, kind in zip(drifts, kinds, strict=True):
        parts.append(element("g", *_lines(quantity, drift, kind, frame), class_=colour(kind)))
    about = f"{quantity.title}, over images of the first task, after each task: " + "; ".join(
        f"{drift.label} ends at {quantity.told(drift.lines[quantity.name][-1])}" for drift in drifts
    )
    return drawing(_WIDTH, _HEIGHT, about, *parts)


def _framed(quantity: Quantity, drifts: Sequence[Drift]) -> tuple[Frame, Markup]:
    """The frame of a figure over tasks, and its axes."""
    lines = [drift.lines[quantity.name] for drift in drifts]
    tasks = max(map(len, lines))
    ends = [_ends(point) for line in lines for point in line if point.n]
    if quantity.bounded:
        lowest = [low for low, _ in ends] + _chances(quantity, drifts)
        marks = ticks(foot(min(lowest, default=0.0)), 1.0, 4)
    else:
        marks = ticks(0.0, max([0.1, *(high for _, high in ends)]), 4)
    labels = [f"{100 * mark:.3g}" if quantity.share else f"{mark:.3g}" for mark in marks]
    begins = f" (the axis begins at {labels[0]})" if marks[0] else ""
    if quantity.share:
        labels[-1] += " %"
    frame = Frame(_WIDTH, _HEIGHT, (1.0, float(max(tasks, 2))), marks)
    return frame, frame.axes(task_ticks(tasks), f"tasks learned{begins}", labels)


def _chance(quantity: Quantity, drifts: Sequence[Drift], frame: Frame) -> list[Markup]:
    """A thin line at what chance would give, named at the left, where all lines are still at their best."""
    drawn = []
    for value in _chances(quantity, drifts):
        y = frame.y(value)
        ends = {"x1": frame.left, "x2": frame.width - frame.right, "y1": y, "y2": y}
        drawn.append(element("line", **ends, class_="grid dash"))
        words = f"chance {quantity.text(value)}"
        drawn.append(element("text", words, x=frame.left + 4, y=y - 4, class_="soft small"))
    return drawn


def _chances(quantity: Quantity, drifts: Sequence[Drift]) -> list[float]:
    """What chance would give: one for each size of maps, none where it is not known."""
    return sorted({drift.chance[quantity.name] for drift in drifts if quantity.name in drift.chance})


def _bands(line: Sequence[Estimate], frame: Frame) -> list[Markup]:
    """The intervals along a line."""
    drawn = []
    for stretch in _stretches(line):
        xs = [frame.x(k + 1.0) for k in stretch]
        low, high = ([_inside(frame, _ends(line[k])[end]) for k in stretch] for end in (0, 1))
        around = points([*xs, *reversed(xs)], [*high, *reversed(low)])
        drawn.append(element("polygon", points=around, class_="band"))
    return drawn


def _lines(quantity: Quantity, drift: Drift, kind: int, frame: Frame) -> list[Markup]:
    """A line with a marker for each task; broken where all maps were dead: there is nothing to compare."""
    line, drawn = drift.lines[quantity.name], []
    for stretch in _stretches(line):
        xs, ys = [frame.x(k + 1.0) for k in stretch], [frame.y(line[k].mean) for k in stretch]
        drawn.append(element("polyline", points=points(xs, ys), class_="line"))
        drawn += [
            marker(kind, x, y, f"{drift.label}, after task {k + 1}: {quantity.told(line[k])}")
            for x, y, k in zip(xs, ys, stretch, strict=True)
        ]
    return drawn


def _stretches(line: Sequence[Estimate]) -> list[list[int]]:
    """Tasks that follow one another without one of which nothing is known."""
    found: list[list[int]] = []
    for place in (k for k, point in enumerate(line) if point.n):
        if found and found[-1][-1] == place - 1:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def _ends(point: Estimate) -> tuple[float, float]:
    """The interval about a mean; the mean itself where there is one image alone."""
    return (point.mean if point.low is None else point.low, point.mean if point.high is None else point.high)


def _inside(frame: Frame, value: float) -> float:
    """Where a number is drawn that may lie outside: the interval of a share can go past 0 and 1."""
    return frame.y(min(max(value, frame.y_ticks[0]), frame.y_ticks[-1]))
