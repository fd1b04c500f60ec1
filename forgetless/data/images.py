"""One image file to bytes of one size, whatever is in it: upright, opaque, 8 bits, grey or colour."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..settings.folders import FORMATS

_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # more than 8 bits a pixel


class Unreadable(Exception):  # noqa: N818 - reported per file, in sentences
    """Why a file cannot be used as an image."""


def decode(content: bytes, side: int, grey: bool) -> np.ndarray:
    """The image in a file's content: its middle square, scaled. (side, side, 1 or 3) uint8

    Turned as its camera noted, transparent parts on white, 16 bits scaled to 8, of an animation the first frame.

    Raises:
        Unreadable: empty, truncated, too large or no image.
    """
    if not content:
        raise Unreadable("is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                image = _plain(ImageOps.exif_transpose(opened), "L" if grey else "RGB")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Unreadable("has more pixels than can safely be unpacked") from error
    except (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        OverflowError,
        MemoryError,
        KeyError,
        IndexError,
        EOFError,
    ) as error:
        raise Unreadable(_reason(error)) from error
    scaled = ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
    return np.asarray(scaled).reshape(side, side, -1).copy()


def _plain(image: Image.Image, mode: str) -> Image.Image:
    """8 bits a channel, opaque, in the mode asked for."""
    if image.mode in _DEEP:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its values are not those of 8 or 16 bits")
        image = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its values are floating-point numbers")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "is not an image of a kind that is read (JPEG, PNG, BMP, GIF, TIFF, WebP, PPM)"
    return f"cannot be decoded: {error}"
