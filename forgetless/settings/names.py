"""Names that users type: streams with their suffixes, folders, and what they may have meant. No torch."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import SettingsError
from .catalog import STREAMS, StreamEntry

CLASSES = {"cifar100": 100}  # of each source; the others have ten


class StreamName(NamedTuple):
    """A stream's name taken apart: one of the catalogue's, or a folder of images."""

    entry: StreamEntry | None
    folder: Path | None
    tasks: int | None  # None: as many as the stream has by itself
    base: int | None  # classes of the first task, where it is larger than the others


def closest(word: str, known: Iterable[str]) -> str:
    """A question, " Did you mean 'lwf'?", or nothing where nothing known looks like it."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def parse_stream(name: str) -> StreamName:
    """`split-cifar100/20` is twenty tasks; `/B50-5` a base of 50 classes and five more; `./photos/5` a folder's.

    Raises:
        SettingsError: there is no such stream or folder, or it cannot be cut like that.
    """
    head, _, suffix = name.partition("/")
    if head in STREAMS:
        tasks, base = _suffix(name, suffix)
        _check(name, STREAMS[head], tasks, base)
        return StreamName(STREAMS[head], None, tasks, base)
    path = Path(name).expanduser()
    if path.is_dir():
        return StreamName(None, path, None, None)
    if path.parent.is_dir() and path.parent != Path(".") and re.fullmatch(r"\d+|B\d+-\d+", path.name):
        tasks, base = _suffix(name, path.name)
        return StreamName(None, path.parent, tasks, base)
    if name.startswith((".", "/", "~")):
        raise SettingsError(
            f"There is no folder {name}. A stream is a folder with one sub-folder per class, or a name."
        )
    raise SettingsError(
        f"There is no stream {name!r}.{closest(head, STREAMS)} `forgetless list streams` shows them all; "
        "a folder of images is written ./folder."
    )


def _suffix(name: str, suffix: str) -> tuple[int | None, int | None]:
    """`20` -> (20, None); `B50-5` -> (6, 50); nothing -> (None, None)."""
    if not suffix:
        return None, None
    found = re.fullmatch(r"(?:B(\d{1,6})-)?(\d{1,6})", suffix)
    if not found or int(found[2]) < 1 or (found[1] is not None and int(found[1]) < 1):
        raise SettingsError(
            f"{name!r}: after the slash comes a number of tasks, as in split-cifar100/20, "
            "or a base and further tasks, as in split-cifar100/B50-5."
        )
    return (int(found[2]) + 1, int(found[1])) if found[1] else (int(found[2]), None)


def _check(name: str, entry: StreamEntry, tasks: int | None, base: int | None) -> None:
    """Refuse what the classes of a known stream do not allow."""
    classes = CLASSES.get(entry.source, 10)
    if base is not None and entry.kind != "split":
        raise SettingsError(
            f"{name!r}: every task of {entry.name} has all classes; only split streams have a base."
        )
    if entry.kind != "split" or tasks is None:
        return
    rest, further = (classes - base, tasks - 1) if base is not None else (classes, tasks)
    if rest < 1 or further > rest or rest % further:
        what = f"{rest} classes" + (f" that are left after the first {base}" if base is not None else "")
        raise SettingsError(f"{name!r}: the {what} cannot be shared out evenly among {further} tasks.")
