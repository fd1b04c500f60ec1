"""One picture of a report: what it is called, what is to be seen on it, and its drawing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from .svg import element

Key = tuple[str, Markup]
"""A name, and the sample of the line or mark that stands for it."""

_EDGE, _LINE = 14.0, 20.0


@dataclass(frozen=True)
class Picture:
    """A drawing with its words."""

    name: str  # of its file, after stream and scenario
    title: str
    caption: str  # what is to be seen, a sentence
    svg: Markup
    keys: Sequence[Key] = ()


def standalone(picture: Picture, rules: str) -> str:
    """The text of an SVG file that needs nothing else: title, drawing, legend, and the colours of both pages."""
    width, height = _size(picture.svg)
    wide = max(width, 9.0 * len(picture.title), *(60.0 + 8.0 * len(name) for name, _ in picture.keys), 200.0)
    top, foot = 2 * _LINE, _LINE * len(picture.keys) + _EDGE
    inner = _placed(picture.svg, _EDGE, top, width, height)
    parts = [
        element("style", Markup(_style() + rules)),
        element("rect", x=0.0, y=0.0, width=wide + 2 * _EDGE, height=top + height + foot, class_="paper"),
        element("text", picture.title, x=_EDGE, y=1.2 * _LINE, class_="heading"),
        inner,
    ]
    for place, (name, swatch) in enumerate(picture.keys):
        y = top + height + _LINE * (place + 0.6)
        parts += [
            _placed(swatch, _EDGE, y - 10.0, 26.0, 14.0),
            element("text", name, x=_EDGE + 34.0, y=y + 2.0),
        ]
    box = f"0 0 {wide + 2 * _EDGE:.0f} {top + height + foot:.0f}"
    whole = element("svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=box)
    return f"{whole}\n"


def _size(svg: Markup) -> tuple[float, float]:
    """Width and height of a drawing, from its view box."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    return float(found[1]), float(found[2])


def _placed(svg: Markup, x: float, y: float, width: float, height: float) -> Markup:
    """A drawing as a part of another, at a place."""
    head, rest = str(svg).split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return Markup(f'{head} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">{rest}')


def _style() -> str:
    """The page's rules for drawings, with its colours in light and dark."""
    lines = (Path(__file__).parent / "templates" / "style.css").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("* {"))
    drawn = [
        line
        for line in lines
        if re.match(r"svg |\.(grid|zero|dash|c\d|line|thin|again|band|dot|bar|whisker|veil)\b", line)
    ]
    own = ".paper { fill: var(--card); } text.heading { font-weight: 600; font-size: 15px; }"
    return "\n".join([*lines[:start], *drawn, own])
