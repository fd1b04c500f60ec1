"""Streams by name: settings and a data root in, a compiled stream out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..settings.catalog import StreamEntry, find_stream
from ..settings.folders import is_folder, list_folder, parse_folder
from ..settings.settings import Settings
from .changes import Change, Misread, article_permutations, gpm_permutations, permutations, rotations
from .cut import (
    Cut,
    changed_cuts,
    check_scenario,
    compile_stream,
    hold_out,
    share_out,
    split_cuts,
    superclass_cuts,
)
from .folder import source_from_folder
from .normalise import choose_pixels
from .orders import class_order
from .source import Source
from .sources import load_source
from .task import Scenario, Stream

_UNMOVED = {"mnist": "permuted-mnist", "cifar100": "cifar100-superclasses"}


def build_stream(settings: Settings, root: Path | None = None) -> Stream:
    """The stream that settings name, in their scenario, cut from the data set under the data root.

    Raises:
        SettingsError: an unknown name, a scenario the stream does not offer, settings that cannot work together.
        DataError: the data are missing, damaged or too few.
    """
    entry = find_stream(settings.stream)
    check_scenario(entry.name, entry.scenarios, settings.scenario)
    _check_bounds(settings)
    if not entry.has_order and settings.class_order != "natural":
        raise SettingsError(
            f"Every task of {entry.name} has all classes, so there is no class order to choose; "
            f"'{settings.class_order}' was asked for. Leave it at natural."
        )
    if entry.kind == "folder":
        source = source_from_folder(Path(entry.source), settings.size)
    else:
        source = load_source(entry.source, root)
    crop, flip = (entry.crop, entry.flip) if settings.augment else (0, False)
    mean, std = settings.mean or entry.mean or None, settings.std or entry.std or None
    pixels = choose_pixels(source, mean, std, crop=crop, flip=flip)
    held = hold_out(source, settings.limit, settings.validation, entry.held_out, settings.later_limit)
    source = source.pad(settings.padding)
    cuts = _cuts(entry, settings, source)[: settings.tasks]
    stream = compile_stream(entry.name, entry.version, source, cuts, settings.scenario, pixels, held)
    return replace(stream, notes=_notes(entry))


def stream_from_folder(
    path: Path | str, *, scenario: Scenario = "class", seed: int = 0, **options: Any
) -> Stream:
    """A folder with one sub-folder per class as a stream; `/5` after its path shares the classes out over five tasks.

    Options are fields of `Settings`: class_order, limit, later_limit, validation, mean, std, padding, augment, size.

    Raises:
        DataError: no such folder, or something in it that would spoil a training.
        SettingsError: an unknown option, or settings that cannot work together.
    """
    known = ("class_order", "limit", "later_limit", "validation", "mean", "std", "padding", "augment", "size")
    if strange := [name for name in options if name not in known]:
        raise SettingsError(f"stream_from_folder has no option '{strange[0]}'. It has: {', '.join(known)}.")
    name = str(path) if is_folder(str(path)) else f"./{path}"
    return build_stream(Settings(method="", stream=name, scenario=scenario, seed=seed, **options))


def _notes(entry: StreamEntry) -> tuple[str, ...]:
    """What the user should know of how a folder's name and layout were read."""
    if entry.kind != "folder":
        return ()
    note = parse_folder(entry.name).note
    return ((note,) if note else ()) + list_folder(Path(entry.source)).notes


def _cuts(entry: StreamEntry, settings: Settings, source: Source) -> list[Cut]:
    classes = len(source.class_names)
    if entry.kind in ("split", "folder"):
        order = class_order(settings.class_order, classes, settings.seed)
        return split_cuts(order, share_out(classes, entry.tasks, entry.base), settings.scenario)
    if settings.padding and (entry.kind in ("article", "gpm") or entry.misread):
        raise SettingsError(
            f"{entry.name} moves the pixels of images as they are; a border of {settings.padding} would make it "
            f"another benchmark. Leave padding at 0, or use {_UNMOVED[entry.source]}."
        )
    if entry.kind == "superclasses":
        order = class_order(settings.class_order, len(set(source.groups)), settings.seed)
        if entry.tasks > len(order):
            raise SettingsError(
                f"{entry.name}: there are {len(order)} superclasses, a task for each. Ask for fewer tasks."
            )
        return superclass_cuts(order[: entry.tasks], source.groups, Misread() if entry.misread else None)
    return changed_cuts(classes, _changes(entry, settings.seed, source), settings.scenario)


def _changes(entry: StreamEntry, seed: int, source: Source) -> Sequence[Change | None]:
    """What is done to all images in each task."""
    height, width = source.train_x.shape[1:3]
    if entry.kind == "rotated":
        return rotations(entry.tasks)
    if entry.kind == "permuted":
        return permutations(height * width, entry.tasks, seed)
    if entry.kind == "gpm":
        return gpm_permutations(entry.tasks, seed)
    return article_permutations(entry.tasks)


def _check_bounds(settings: Settings) -> None:
    """Refuse numbers that are out of range."""
    if settings.tasks is not None and settings.tasks < 1:
        raise SettingsError(
            f"tasks is how many of the stream's tasks are learned, at least 1, not {settings.tasks}."
        )
    if not 0 <= settings.padding <= 256:
        raise SettingsError(f"padding is a number of pixels from 0 to 256, not {settings.padding}.")
    if settings.size is not None and not 1 <= settings.size <= 1024:
        raise SettingsError(
            f"size is the side of a folder's images in pixels, from 1 to 1024, not {settings.size}."
        )
