"""Each picture of a report as a file of its own."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..files import write_atomically
from .groups import sections_of
from .page import read_all
from .palette import colours_of, heat_rules
from .picture import standalone
from .pictures import all_pictures


def write_figures(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Write every picture of these run folders as an SVG file into a folder, and return the files.

    Raises:
        StorageError: none of the run folders can be read, or the place cannot be written.
    """
    found, _ = read_all(runs)
    sections = sections_of(found)
    colours = colours_of([group for section in sections for group in section.groups])
    rules, written = heat_rules(), list[Path]()
    for section in sections:
        for picture in all_pictures(section, colours):
            words = f"{section.stream} {section.scenario} {picture.name}"
            stem = re.sub(r"[^A-Za-z0-9.=_]+", "-", words).strip("-.")[:120]
            path = folder / f"{stem}.svg"
            number = 2
            while path in written:
                path, number = folder / f"{stem}-{number}.svg", number + 1
            write_atomically(path, standalone(picture, rules))
            written.append(path)
    return written
