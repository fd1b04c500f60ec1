"""Names that users type: streams with their suffixes, folders, and what they may have meant. No torch."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import SettingsError
from .catalog import STREAMS, StreamEntry, find_stream

CLASSES = {"cifar100": 100}  # of each source; the others have ten


class StreamName(NamedTuple):
    """What a stream's name stands for: one of the catalogue's, cut as the suffix says, or a folder of images."""

    entry: StreamEntry | None
    folder: Path | None = None
    tasks: int | None = None  # of a folder; None: two


def closest(word: str, known: Iterable[str]) -> str:
    """A question, " Did you mean 'lwf'?", or nothing where nothing known looks like it."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def parse_stream(name: str) -> StreamName:
    """`split-cifar100/20` is twenty tasks; `/B50-5` a base of 50 classes and five more; `./photos/5` a folder's.

    Raises:
        SettingsError: there is no such stream or folder, or it cannot be cut like that.
    """
    name = name.rstrip("/")
    if name.partition("/")[0] in STREAMS:
        entry = find_stream(name)
        _check_classes(entry)
        return StreamName(entry)
    path = Path(name).expanduser()
    if path.is_dir():
        return StreamName(None, path)
    if "/" in name and path.parent.is_dir() and path.name.isdecimal() and int(path.name):
        return StreamName(None, path.parent, int(path.name))
    if name.startswith((".", "/", "~")):
        raise SettingsError(
            f"There is no folder {name}. A stream is a name, or a folder with one sub-folder for each class."
        )
    raise SettingsError(
        f"There is no stream {name!r}.{closest(name.partition('/')[0], STREAMS)} "
        "`forgetless list streams` shows them all; a folder of images is written ./folder."
    )


def _check_classes(entry: StreamEntry) -> None:
    """Refuse more tasks than there are classes."""
    classes = CLASSES.get(entry.source, 10)
    further = entry.tasks - bool(entry.base)
    if entry.kind == "split" and entry.base + further > classes:
        raise SettingsError(
            f"{entry.name!r}: {classes} classes are too few for it, for every task needs one of its own. "
            "Ask for fewer tasks."
        )
