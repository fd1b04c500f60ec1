"""What is wrong with a folder of images, found before training: every file is decoded."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..files import sha256
from ..settings.folders import COLOUR_SIDE, GREY_SIDE, Listing, is_small_grey, list_folder
from .images import Unreadable, decode

FEW = 5  # a class with fewer images is worth a warning


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in a sentence. Errors stop training, warnings do not."""

    level: Literal["error", "warning"]
    kind: str  # a word for it: unreadable, empty, duplicate, ...
    text: str


@dataclass(frozen=True)
class Picture:
    """One readable image file."""

    path: Path
    label: str
    part: Literal["train", "test"]
    digest: str  # SHA-256 of the file
    pixels: np.ndarray | None = field(repr=False, default=None)  # (side, side, 1 or 3) uint8, if asked for


@dataclass(frozen=True)
class Scan:
    """What a folder holds and what is wrong with it."""

    path: Path
    classes: tuple[str, ...]
    images: tuple[Picture, ...]
    problems: tuple[Problem, ...]
    side: int  # pixels, to which the images are brought
    grey: bool
    separate_test: bool  # test images lie in a folder of their own

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop training."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    def counts(self, part: str) -> dict[str, int]:
        """How many readable images each class has in `train` or `test`."""
        found = [image.label for image in self.images if image.part == part]
        return {label: found.count(label) for label in self.classes}


def scan_folder(path: Path, size: int | None = None, *, keep: bool = False) -> Scan:
    """Look at every file of a folder with one sub-folder per class; decode each image, keep the pixels on request.

    Raises:
        DataError: the folder cannot be read, or has no sub-folders.
    """
    listing = list_folder(path)
    grey = is_small_grey(listing)
    side = size or (GREY_SIDE if grey else COLOUR_SIDE)
    problems = [*_layout_problems(listing)]
    images: list[Picture] = []
    for part, classes in (("train", listing.train), ("test", listing.test or {})):
        for label, files in classes.items():
            for file in files:
                found = _read(file, label, "test" if part == "test" else "train", side, grey)
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    images.append(found if keep else replace(found, pixels=None))
    problems += [*_count_problems(listing, images), *_duplicates(images)]
    problems.sort(key=lambda problem: problem.level)  # errors first
    return Scan(
        path, tuple(listing.train), tuple(images), tuple(problems), side, grey, listing.test is not None
    )


def _read(file: Path, label: str, part: Literal["train", "test"], side: int, grey: bool) -> Picture | Problem:
    try:
        content = file.read_bytes()
        return Picture(file, label, part, sha256(content), decode(content, side, grey))
    except Unreadable as reason:
        return Problem("error", "unreadable", f"{file} {reason}.")
    except OSError as error:
        return Problem("error", "unreadable", f"{file} cannot be opened: {error.strerror}.")


def _layout_problems(listing: Listing) -> Iterator[Problem]:
    """Names that look alike, classes of one part only, files that are no images."""
    known: dict[str, str] = {}
    for name in dict.fromkeys((*listing.train, *(listing.test or {}))):
        plain = unicodedata.normalize("NFC", name).strip().casefold()
        if known.setdefault(plain, name) != name:
            text = f"The folders '{known[plain]}' and '{name}' have almost the same name."
            yield Problem("error", "names", f"{text} If they are one class, merge them; if not, rename one.")
    if listing.test is not None:
        for name in sorted(listing.train.keys() ^ listing.test.keys()):
            has, lacks = ("training", "test") if name in listing.train else ("test", "training")
            text = f"The class '{name}' has a folder for {has} images but none for {lacks} images."
            yield Problem("error", "layout", text)
    if listing.ignored:
        text = f"{len(listing.ignored)} files are no images by their names, {listing.ignored[0]} for one."
        yield Problem("warning", "ignored", f"{text} They are ignored.")
    yield from (Problem("warning", "layout", note) for note in listing.notes)


def _count_problems(listing: Listing, images: list[Picture]) -> Iterator[Problem]:
    """Classes with no readable image, or with few."""
    parts: list[tuple[str, Mapping[str, tuple[Path, ...]]]] = [("training", listing.train)]
    if listing.test is not None:
        parts.append(("test", listing.test))
    for what, classes in parts:
        part = "train" if what == "training" else "test"
        for name in classes:
            digests = {image.digest for image in images if image.label == name and image.part == part}
            least = 2 if listing.test is None else 1  # one to learn from, one to test on
            if len(digests) < least:
                need = (
                    ""
                    if least == 1
                    else "; it needs two different ones, one to learn from and one to test on"
                )
                yield Problem(
                    "error",
                    "empty",
                    f"The class '{name}' has {len(digests) or 'no'} readable {what} image{need}.",
                )
            elif len(digests) < FEW and part == "train":
                text = f"The class '{name}' has only {len(digests)} different images; its accuracy will say little."
                yield Problem("warning", "few", text)


def _duplicates(images: list[Picture]) -> Iterator[Problem]:
    """Files with the same content: an error in two classes, else a warning."""
    first: dict[str, Picture] = {}
    within: list[tuple[Picture, Picture]] = []
    for image in images:
        other = first.setdefault(image.digest, image)
        if other.label != image.label:
            text = f"{image.path} and {other.path} are the same image in two classes. Keep one of them."
            yield Problem("error", "duplicate", text)
        elif other is not image:
            within.append((other, image))
    leaked = [(a, b) for a, b in within if a.part != b.part]
    for pairs, where in (
        (leaked, "in training and test data"),
        ([p for p in within if p not in leaked], "twice in a class"),
    ):
        if pairs:
            one, two = pairs[0]
            text = f"{len(pairs)} images occur {where}, {one.path} and {two.path} for one."
            yield Problem("warning", "duplicate", text)
