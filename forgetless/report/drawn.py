"""The report's figures as files: each an SVG that stands by itself, light or dark as the reader's system is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from ..files import write_atomically
from . import attention, figures, looks, series
from .groups import Section, sections_of
from .page import read_all
from .palette import colours_of, heat_rules
from .svg import element

_KEY = 20.0  # height of one line of a legend
_MARGIN = 12.0


@dataclass(frozen=True)
class Picture:
    """A figure, its name, and the configurations that its legend names."""

    name: str
    drawn: Markup
    labels: tuple[str, ...] = ()


def write_figures(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Write each figure of the report into a folder, and return the files.

    Raises:
        StorageError: none of the run folders can be read, or the place cannot be written.
    """
    found, _ = read_all(runs)
    sections = sections_of(found)
    colours = colours_of([group for section in sections for group in section.groups])
    written = []
    for section in sections:
        for picture in pictures_of(section, colours):
            place = folder / f"{_word(section.stream)}-{section.scenario}-{picture.name}.svg"
            write_atomically(place, alone(picture, colours))
            written.append(place)
    return written


def pictures_of(section: Section, colours: figures.Colours) -> Iterator[Picture]:
    """Each figure of a stream in a scenario."""
    lines = [line for group in section.groups if (line := series.after_each_task(group))]
    if any(len(line.x) > 1 for line in lines):
        yield Picture("accuracy", figures.accuracy_lines(lines, colours), _labels(lines))
    bars = [bar for group in section.groups if (bar := series.forgetting_of_tasks(group))]
    if bars:
        yield Picture("forgetting", figures.forgetting_bars(bars, colours), _labels(bars))
    for group in section.groups:
        if heat := series.heat_of(group):
            yield Picture(f"matrix-{_word(group.label)}", figures.heat_map(heat))
    rows = looks.rows_of(section)
    for k in range(min(attention.GRID_IMAGES, len(rows[0].seen.labels)) if rows else 0):
        yield Picture(f"attention-{k + 1}", attention.grid(rows, k, f"look-{k}"))
    drifts = [drift for group in section.groups if (drift := looks.drift_of(group))]
    if drifts:
        yield Picture("drift", attention.drift_lines(drifts, colours), _labels(drifts))
        yield Picture("dead-maps", attention.dead_lines(drifts, colours), _labels(drifts))


def alone(picture: Picture, colours: figures.Colours) -> str:
    """A picture with all that it took from its page: the style, the paper, a legend, a size."""
    box = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', picture.drawn)
    assert box is not None, "every drawing says how large it is"
    width, height = float(box[1]), float(box[2])
    parts = [element("svg", picture.drawn, width=width, height=height)]
    for k, label in enumerate(picture.labels):
        y = height + 6 + _KEY * k
        parts.append(element("svg", figures.swatch(colours[label]), x=_MARGIN, y=y, width=26.0, height=14.0))
        parts.append(element("text", escape(label), x=_MARGIN + 34, y=y + 11))
    height += _KEY * len(picture.labels) + 6
    paper = element(
        "rect",
        x=-_MARGIN,
        y=-_MARGIN,
        width=width + 2 * _MARGIN,
        height=height + 2 * _MARGIN,
        fill="var(--card)",
    )
    style = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    whole = element(
        "svg",
        element("style", Markup(style + heat_rules())),
        paper,
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-_MARGIN:g} {-_MARGIN:g} {width + 2 * _MARGIN:g} {height + 2 * _MARGIN:g}",
        width=width + 2 * _MARGIN,
        height=height + 2 * _MARGIN,
    )
    return f"{whole}\n"


def _labels(lines: Sequence[series.Series] | Sequence[looks.Drift]) -> tuple[str, ...]:
    return tuple(line.label for line in lines)


def _word(text: str) -> str:
    """A part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "-", text).strip("-.")
