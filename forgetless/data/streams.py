"""Streams by name: settings and a data root in, a compiled stream out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..settings.catalog import StreamEntry, find_stream
from ..settings.folders import is_folder, list_folder, parse_folder
from ..settings.settings import Settings
from .arrays import own_pixels
from .augment import Pixels
from .changes import article_permutations, permutations, rotations
from .cut import Cut, changed_cuts, compile_stream, hold_out, share_out, split_cuts
from .folder import source_from_folder
from .orders import class_order
from .source import Source
from .sources import load_source
from .task import Scenario, Stream


def build_stream(settings: Settings, root: Path | None = None) -> Stream:
    """The stream that settings name, in their scenario, cut from the data set under the data root.

    Raises:
        SettingsError: an unknown name, a scenario the stream does not offer, settings that cannot work together.
        DataError: the data are missing, damaged or too few.
    """
    entry = find_stream(settings.stream)
    check_scenario(entry.name, entry.scenarios, settings.scenario)
    check_bounds(settings)
    if entry.kind not in ("split", "folder") and settings.class_order != "natural":
        raise SettingsError(
            f"Every task of {entry.name} has all classes, so there is no class order to choose; "
            f"'{settings.class_order}' was asked for. Leave it at natural."
        )
    if entry.kind == "folder":
        source = source_from_folder(Path(entry.source), settings.size)
    else:
        source = load_source(entry.source, root)
    pixels = _choose_pixels(entry, settings, source)
    held = hold_out(source, settings.limit, settings.validation)
    source = source.pad(settings.padding)
    cuts = _cuts(entry, settings, source)
    stream = compile_stream(entry.name, entry.version, source, cuts, settings.scenario, pixels, held)
    return replace(stream, notes=_notes(entry))


def stream_from_folder(
    path: Path | str, *, scenario: Scenario = "class", seed: int = 0, **options: Any
) -> Stream:
    """A folder with one sub-folder per class as a stream; `/5` after its path shares the classes out over five tasks.

    Options are fields of `Settings`: class_order, limit, validation, mean, std, padding, augment, size.

    Raises:
        DataError: no such folder, or something in it that would spoil a training.
        SettingsError: an unknown option, or settings that cannot work together.
    """
    known = ("class_order", "limit", "validation", "mean", "std", "padding", "augment", "size")
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
    height, width = source.train_x.shape[1:3]
    if entry.kind == "rotated":
        return changed_cuts(classes, rotations(entry.tasks), settings.scenario)
    if entry.kind == "permuted":
        return changed_cuts(
            classes, permutations(height * width, entry.tasks, settings.seed), settings.scenario
        )
    if settings.padding:
        raise SettingsError(
            f"{entry.name} permutes the 784 pixels of images as they are; a border of {settings.padding} would make "
            "it another benchmark. Leave padding at 0, or use permuted-mnist."
        )
    return changed_cuts(classes, article_permutations(entry.tasks), settings.scenario)


def check_scenario(name: str, offered: tuple[str, ...], asked: str) -> None:
    """Refuse a scenario that a stream does not offer."""
    if asked not in offered:
        raise SettingsError(
            f"{name} has no {asked} scenario: how its tasks relate does not allow one. It has: {', '.join(offered)}."
        )


def check_bounds(settings: Settings) -> None:
    """Refuse numbers that are out of range."""
    if settings.limit is not None and settings.limit < 1:
        raise SettingsError(
            f"limit is the most training images per class and must be at least 1, not {settings.limit}."
        )
    if not 0 <= settings.validation < 1:
        raise SettingsError(f"validation is a share from 0 to below 1, not {settings.validation:g}.")
    if not 0 <= settings.padding <= 256:
        raise SettingsError(f"padding is a number of pixels from 0 to 256, not {settings.padding}.")
    if settings.size is not None and not 1 <= settings.size <= 1024:
        raise SettingsError(
            f"size is the side of a folder's images in pixels, from 1 to 1024, not {settings.size}."
        )


def _choose_pixels(entry: StreamEntry, settings: Settings, source: Source) -> Pixels:
    """How the stored bytes become inputs: the data set's own mean and deviation unless the settings have others."""
    own = Pixels(entry.mean, entry.std) if entry.mean else own_pixels(source, None, None)
    channels = source.train_x.shape[-1]
    mean = _per_channel("mean", settings.mean or own.mean, channels)
    std = _per_channel("std", settings.std or own.std, channels)
    if not all(value > 0 for value in std):
        raise SettingsError(
            f"std divides and must be above zero; {', '.join(f'{v:g}' for v in std)} was given."
        )
    return Pixels(mean, std, entry.crop, entry.flip) if settings.augment else Pixels(mean, std)


def _per_channel(name: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise SettingsError(
            f"{name} needs one value or one for each of {channels} channels; {len(values)} were given."
        )
    return tuple(values) * (channels if len(values) == 1 else 1)
