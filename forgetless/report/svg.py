"""The smallest vocabulary for drawing: elements whose text is escaped, axes, ticks. Colours are the page's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(name: str, *children: Markup | str, **attributes: float | str) -> Markup:
    """One SVG element, its text escaped; names of attributes are written with `_` for `-`, and `class_` for `class`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(short(value) if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
    )
    inside = Markup("").join(children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


def short(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def drawing(width: float, height: float, about: str, *children: Markup, wide: bool = False) -> Markup:
    """A whole picture with its description; `wide` ones keep their size and are scrolled instead of shrunk."""
    fixed = {"width": width, "height": height} if wide else {}
    return element(
        "svg", element("title", about), *children,
        viewBox=f"0 0 {short(width)} {short(height)}", role="img", aria_label=about, **fixed,
    )  # fmt: skip


def points(x: Sequence[float], y: Sequence[float]) -> str:
    """Coordinates as `points` attributes want them."""
    return " ".join(f"{short(a)},{short(b)}" for a, b in zip(x, y, strict=True))


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from at most `low` to at least `high`."""
    raw = (high - low) / wanted if high > low else 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class Frame:
    """The rectangle that holds the data, and the way from numbers to places in it."""

    width: float
    height: float
    x_range: tuple[float, float]
    y_ticks: Sequence[float]
    left: float = 54.0
    right: float = 12.0
    top: float = 10.0
    bottom: float = 38.0

    def x(self, value: float) -> float:
        """Place of a number on the horizontal axis."""
        low, high = self.x_range
        return self.left + (value - low) / ((high - low) or 1.0) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Place of a number on the vertical axis."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return (
            self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)
        )

    def axes(self, x_ticks: Sequence[tuple[float, str]], x_title: str, y_labels: Sequence[str]) -> Markup:
        """Grid lines, tick labels and the horizontal axis' title."""
        parts = []
        for value, label in zip(self.y_ticks, y_labels, strict=True):
            y = self.y(value)
            kind = "zero" if abs(value) < 1e-12 else "grid"
            parts.append(element("line", x1=self.left, x2=self.width - self.right, y1=y, y2=y, class_=kind))
            parts.append(element("text", label, x=self.left - 6, y=y + 4, class_="end"))
        base = self.height - self.bottom
        parts += [element("text", label, x=self.x(v), y=base + 16, class_="mid") for v, label in x_ticks]
        middle = (self.left + self.width - self.right) / 2
        parts.append(element("text", escape(x_title), x=middle, y=self.height - 5, class_="mid soft"))
        return Markup("").join(parts)


def marker(kind: int, x: float, y: float, about: str = "") -> Markup:
    """One of seven shapes, so that lines are told apart without colour."""
    title = [element("title", about)] if about else []
    r = 3.6
    long, thin = r * 1.3, r * 0.45
    arm = [(-thin, -thin), (-thin, -long), (thin, -long)]  # of a plus, from the corner on its left
    plus = [*arm, *((-b, a) for a, b in arm), *((-a, -b) for a, b in arm), *((b, -a) for a, b in arm)]
    shapes = {
        1: [(-r, -r), (r, -r), (r, r), (-r, r)],
        2: [(0.0, -r * 1.25), (r * 1.2, r), (-r * 1.2, r)],
        3: [(0.0, -r * 1.35), (r * 1.35, 0.0), (0.0, r * 1.35), (-r * 1.35, 0.0)],
        4: [(0.0, r * 1.25), (r * 1.2, -r), (-r * 1.2, -r)],
        5: plus,
        6: [((a - b) * 0.7, (a + b) * 0.7) for a, b in plus],
    }
    corners = shapes.get((kind + kind // 7) % 7)
    if corners is None:
        return element("circle", *title, cx=x, cy=y, r=r, class_="dot")
    xs, ys = zip(*corners, strict=True)
    return element("polygon", *title, points=points([x + a for a in xs], [y + b for b in ys]), class_="dot")
