"""Pictures of where methods look as they learn: maps laid over images."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ..attention import Attention
from .formats import DASH
from .groups import Section
from .looks import Row, rows_of
from .picture import Picture
from .svg import drawing, element

GRID_IMAGES = 8  # of which there are grids
STEPS = 9  # columns after the first map, at most
_SIDE, _GAP, _LINE = 78.0, 8.0, 14.0
_SHADES = 64
_LETTERS = 12  # of a class's name, under a picture
# Viridis (van der Walt and Smith, 2015): equal steps of it look equal, also to those who see few colours.
_RAMP = ("440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725")


def pictures(section: Section) -> list[Picture]:
    """Every grid; nothing where no run recorded maps."""
    rows = rows_of(section)
    return [
        Picture(
            f"attention {k + 1}",
            f"Where the network looks, image {k + 1}",
            f"Grad-CAM of the image's own class; under it distance from M₀'s map, cosine, answer. Seed {rows[0].seed}.",
            grid(rows, k, f"look-{k}"),
        )
        for k in range(shown(rows))
    ]


def shown(rows: Sequence[Row]) -> int:
    """Of how many images there is a grid."""
    return min(GRID_IMAGES, len(rows[0].seen.labels)) if rows else 0


def grid(rows: Sequence[Row], image: int, key: str) -> Markup:
    """One image: a row for each configuration; columns: the image, the first map, and the maps after later tasks.

    The map is of the image's own class. Under it: the distance from the first map, their cosine, and the answer.
    `key` tells this picture from all others on its page.
    """
    first = rows[0].seen
    steps = _columns(min(row.seen.tasks for row in rows))
    pitch, high = _SIDE + _GAP, _SIDE + 4 * _LINE + 12
    heads = ["image", "M₀", *(f"step {step}" for step in steps[1:])]
    parts = [
        element("text", head, x=k * pitch + _SIDE / 2, y=12.0, class_="mid soft")
        for k, head in enumerate(heads)
    ]
    shared = f"{key}-image"
    own = element("image", id=shared, width=_SIDE, height=_SIDE, href=_picture(first.images[image]))
    parts.append(element("defs", own))
    for place, row in enumerate(rows):
        top = 20 + place * high
        parts.append(element("text", row.label, x=0.0, y=top + _LINE, class_="strong"))
        parts.append(_placed(shared, 0.0, top + _LINE + 6))
        for k, step in enumerate(steps, 1):
            parts.append(_cell(row, image, step, shared, k * pitch, top + _LINE + 6))
    name = first.names[int(first.labels[image])]
    about = f"Where {', '.join(row.label for row in rows)} look for the class {name} in a test image, step by step"
    return drawing(len(heads) * pitch - _GAP, 20 + len(rows) * high, about, *parts, wide=True)


def _columns(tasks: int) -> list[int]:
    """The first, the last, and as many between them as there is room for, evenly."""
    return sorted({round(step) for step in np.linspace(0, tasks - 1, min(tasks, STEPS + 1))})


def _placed(shared: str, x: float, y: float) -> Markup:
    return element("use", href=f"#{shared}", x=x, y=y)


def _cell(row: Row, image: int, step: int, shared: str, x: float, y: float) -> Markup:
    """The image with a map over it, and what is to be said of it."""
    seen = row.seen
    compared = seen.compared(step)
    apart, alike = float(compared.distance[image]), float(compared.cosine[image])
    answer, right = (
        seen.names[int(seen.answers[step][image])],
        seen.answers[step][image] == seen.labels[image],
    )
    dead = bool(seen.dead(step)[image])
    parts = [_placed(shared, x, y), _veil(x, y) if dead else _heat(seen, seen.maps[step][image], x, y)]
    told = (
        "first map" if not step and not dead else DASH if np.isnan(apart) else f"{apart:.2f}, cos {alike:.2f}"
    )
    middle, foot = x + _SIDE / 2, y + _SIDE + _LINE
    parts.append(element("text", told, x=middle, y=foot, class_="mid small"))
    mark = "✓" if right else "✗"
    shown = answer if len(answer) <= _LETTERS else f"{answer[: _LETTERS - 1]}…"
    parts.append(
        element(
            "text",
            f"{mark} {shown}",
            x=middle,
            y=foot + _LINE,
            class_="mid small" if right else "mid small soft",
        )
    )
    words = "dead map" if dead else f"distance {told}" if step else "first map"
    about = f"{row.label}, after task {step + 1}: {words}; answered {answer}, {'right' if right else 'wrong'}"
    return element("g", element("title", about), *parts)


def _heat(seen: Attention, map_: NDArray[np.float32], x: float, y: float) -> Markup:
    href = _shaded(map_, seen.images.shape[1:3])
    return element("image", x=x, y=y, width=_SIDE, height=_SIDE, opacity=0.6, href=href)


def _veil(x: float, y: float) -> Markup:
    """What lies over an image whose map has nothing in it."""
    cover = element("rect", x=x, y=y, width=_SIDE, height=_SIDE, class_="veil")
    return cover + element("text", "dead map", x=x + _SIDE / 2, y=y + _SIDE / 2 + 4, class_="mid unveiled")


def _picture(image: NDArray[np.uint8]) -> str:
    """An image (H, W, K) as a data address."""
    return _address(
        Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image[:, :, :3]))
    )


def _shaded(map_: NDArray[np.float32], shape: tuple[int, ...]) -> str:
    """A map, bilinearly brought to an image's size, from its least to its greatest value, in colours."""
    height, width = shape
    small = Image.fromarray(map_.astype(np.float32))
    large = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    low, high = float(large.min()), float(large.max())
    shades = np.round((large - low) / ((high - low) or 1.0) * (_SHADES - 1)).astype(np.uint8)
    coloured = Image.fromarray(shades)
    coloured.putpalette(_palette())
    return _address(coloured)


def _palette() -> list[int]:
    ramp = np.array([[int(shade[i : i + 2], 16) for i in (0, 2, 4)] for shade in _RAMP], dtype=float)
    places = np.linspace(0, len(ramp) - 1, _SHADES)
    channels = [np.interp(places, np.arange(len(ramp)), ramp[:, c]) for c in range(3)]
    return [int(value) for value in np.round(np.stack(channels, 1)).flatten()]


def _address(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
