"""Colours that a colour-blind reader can tell apart, and the heat maps' ramp, light and dark."""

import itertools
from collections.abc import Sequence

from .figures import COLOURS, LEVELS
from .groups import Group

_FLOOR, _CEILING = 1, 2

_LIGHT = ("#edf3f9", "#7fb0d8", "#08457e")  # low, middle, high
_DARK = ("#1c2733", "#2f6ea6", "#9fd4ff")
_INKS = ("#08121b", "#ffffff")


def colours_of(groups: Sequence[Group]) -> dict[str, int]:
    """A number for each label, the same wherever it occurs; floor and ceiling always have theirs."""
    free = (k for k in itertools.count() if k % COLOURS not in (_FLOOR, _CEILING))
    colours: dict[str, int] = {}
    for group in groups:
        if group.label in colours:
            continue
        reference = {"floor": _FLOOR, "ceiling": _CEILING}.get(group.role)
        if reference is not None and reference not in colours.values():
            colours[group.label] = reference
        else:
            colours[group.label] = next(free)
    return colours


def heat_rules() -> str:
    """Style rules for the cells of a heat map, levels 0 to 10, in a light and in a dark page."""
    light = "".join(_rules(level, _LIGHT) for level in range(LEVELS + 1))
    dark = "".join(_rules(level, _DARK) for level in range(LEVELS + 1))
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"


def _rules(level: int, ramp: Sequence[str]) -> str:
    paper = _between(ramp, level / LEVELS)
    ink = max(_INKS, key=lambda ink: contrast(paper, ink))
    return f".h{level} rect{{fill:{paper}}}.h{level} text{{fill:{ink}}}"


def contrast(a: str, b: str) -> float:
    """How well one colour stands out on another, 1 to 21 (WCAG 2)."""
    dark, light = sorted((_luminance(a), _luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _between(ramp: Sequence[str], share: float) -> str:
    """The colour at a share of the way through a ramp of hexadecimal colours."""
    place = share * (len(ramp) - 1)
    k = min(int(place), len(ramp) - 2)
    a, b = (tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in ramp[k : k + 2])
    return "#" + "".join(f"{round(p + (q - p) * (place - k)):02x}" for p, q in zip(a, b, strict=True))
