"""A folder of images as a stream: what its name says, which classes and files it has. Opens headers only. No torch."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
FORMATS = (
    "JPEG",
    "PNG",
    "BMP",
    "GIF",
    "TIFF",
    "WEBP",
    "PPM",
)  # what Pillow may try: none of them runs a program
GREY_SIDE = 28  # pixels; grey images up to this side are brought to it
COLOUR_SIDE = 32
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class FolderName:
    """What a stream's name says of a folder."""

    path: Path
    tasks: int = 2
    base: int = 0
    note: str = ""  # what the user should know of how the name was read


@dataclass(frozen=True)
class Listing:
    """The files of a folder by class, in natural order of the classes' names: `2` before `10`."""

    path: Path
    train: dict[str, tuple[Path, ...]]
    test: dict[str, tuple[Path, ...]] | None  # None: nothing was set aside for testing
    ignored: tuple[Path, ...]  # files in class folders whose names are not those of images
    notes: tuple[str, ...] = ()


def parse_suffix(suffix: str) -> tuple[int, int] | None:
    """`5` is (5 tasks, no base), `B50-5` a base of 50 classes and five further tasks: (6, 50); None if neither."""
    found = re.fullmatch(r"(?:B0*([1-9]\d{0,5})-)?0*([1-9]\d{0,5})", suffix)
    if not found:
        return None
    base = int(found[1] or 0)
    return int(found[2]) + bool(base), base


def is_folder(name: str) -> bool:
    """Whether a stream's name, which the catalog does not know, is to be read as a path."""
    path = Path(name)
    return name.startswith((".", "/", "~")) or path.is_dir() or (path.name != name and path.parent.is_dir())


def parse_folder(name: str) -> FolderName:
    """A folder's name with its suffix, `./photos/5`; a folder that is really called so wins.

    Raises:
        DataError: there is no such folder.
    """
    path = Path(name).expanduser()
    shares = parse_suffix(path.name)
    if path.is_dir():
        if shares is None:
            return FolderName(path)
        return FolderName(
            path,
            note=f"{path} is a real folder, so it was taken for the folder of images; for {path.parent} in "
            f"{path.name} tasks write {path.parent}/0{path.name}.",
        )
    if shares is not None and path.parent.is_dir():
        return FolderName(path.parent, *shares)
    raise DataError(
        f"There is no folder {path}. A stream is a name that `forgetless list streams` shows, or a folder."
    )


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A key that sorts numbers within names by value: `class 2` before `class 10`."""
    parts = re.split(r"(\d+)", name.casefold())
    return (*((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part), (1, name))


def list_folders(path: Path) -> list[Path]:
    """The sub-folders in natural order, without hidden ones and what systems leave behind."""
    found = [entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__"))]
    return sorted(found, key=lambda entry: natural(entry.name))


def list_folder(path: Path) -> Listing:
    """The images of a folder by class: from its train/ and its test/ or val/, where it has these.

    Raises:
        DataError: it has no sub-folders, or cannot be read.
    """
    try:
        return _list(path)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _list(path: Path) -> Listing:
    ignored: list[Path] = []
    train, test = path / "train", next((path / n for n in ("test", "val") if (path / n).is_dir()), None)
    if test is None or not train.is_dir() or not list_folders(train):
        return Listing(path, _classes(path, ignored), None, tuple(ignored))
    notes = (
        (f"{path} has test/ and val/; val/ is not used.",)
        if (path / "val").is_dir() and test.name == "test"
        else ()
    )
    return Listing(path, _classes(train, ignored), _classes(test, ignored), tuple(ignored), notes)


def _classes(path: Path, ignored: list[Path]) -> dict[str, tuple[Path, ...]]:
    folders = list_folders(path)
    if not folders:
        raise DataError(
            f"{path} has no sub-folders. A folder of images has one sub-folder for each class, named like it."
        )
    return {folder.name: tuple(_images(folder, ignored, set())) for folder in folders}


def _images(folder: Path, ignored: list[Path], visited: set[str]) -> list[Path]:
    """All images below a folder, in natural order; a folder reached twice, through links, is entered once."""
    real = os.path.realpath(folder)
    if real in visited:
        return []
    visited.add(real)
    found: list[Path] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: natural(entry.name)):
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            found += _images(entry, ignored, visited)
        elif entry.suffix.lower() in SUFFIXES:
            found.append(entry)
        else:
            ignored.append(entry)
    return found


def is_small_grey(listing: Listing) -> bool:
    """Whether all images that can be read are grey and at most 28 pixels wide and high, by their headers."""
    from PIL import Image, UnidentifiedImageError

    for files in (*listing.train.values(), *(listing.test or {}).values()):
        for file in files:
            try:
                with Image.open(file, formats=FORMATS) as image:
                    if image.mode not in _GREY_MODES or max(image.size) > GREY_SIDE:
                        return False
            except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
                continue
    return any(listing.train.values())
