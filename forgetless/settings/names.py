"""Names that users type: streams with their suffixes, folders, methods, and what they may have meant. No torch."""

import difflib
import re
from collections.abc import Collection, Iterable
from keyword import iskeyword
from pathlib import Path

from ..errors import SettingsError
from .catalog import StreamEntry, find_stream
from .folders import list_folder

_CLASSES = {"cifar100": 100}  # of each source; the others have ten


def closest(word: str, known: Iterable[str]) -> str:
    """A question, " Did you mean 'lwf'?", or nothing where nothing known looks like it."""
    asked = word.lower()
    near = difflib.get_close_matches(asked, list(known), n=5, cutoff=0.6)
    near.sort(
        key=lambda name: sorted(name) != sorted(asked)
    )  # first of all the same letters in another order
    return f" Did you mean {near[0]!r}?" if near else ""


def check_method_name(name: object, where: str = "") -> None:
    """See to it that a name can be registered: it becomes part of a folder's name, and a title of `--help`.

    Raises:
        SettingsError: it cannot.
    """
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name) or iskeyword(name):
        raise SettingsError(
            f"{where}@method({name!r}) gives no possible name: it needs lower-case letters, digits and underscores, "
            "the first a letter, and must be no word of Python's own."
        )


def possible_name(word: str, taken: Collection[str]) -> str:
    """A name for a method that is as near as may be to a file's, and free."""
    name = re.sub("[^a-z0-9_]+", "_", word.lower())
    sound = name[:1].isalpha() and not iskeyword(name) and name not in taken
    return name if sound else f"my_{name}"


def parse_stream(name: str) -> StreamEntry:
    """What a stream's name stands for, cut as its suffix says: one of the catalogue's, or a folder of images.

    Raises:
        SettingsError: there is no such stream, or it has fewer classes than tasks.
        DataError: there is no such folder.
    """
    entry = find_stream(name.rstrip("/") or name)
    classes = classes_of(entry)
    if entry.kind == "superclasses" and entry.tasks > classes:
        raise SettingsError(
            f"{name!r}: there are {classes} superclasses, a task for each. Ask for fewer tasks."
        )
    if entry.has_order and entry.base + entry.tasks - bool(entry.base) > classes:
        raise SettingsError(
            f"{name!r}: {classes} classes are too few for it, for every task needs one of its own. "
            f"Ask for fewer tasks{'' if entry.kind == 'split' else f', as in {entry.source}/{classes}'}."
        )
    return entry


def classes_of(entry: StreamEntry) -> int:
    """How many classes, or groups of classes, there are to share out over the tasks."""
    if entry.kind == "folder":
        return len(list_folder(Path(entry.source)).train)
    if entry.kind == "superclasses":
        return 20
    return _CLASSES.get(entry.source, 10)
