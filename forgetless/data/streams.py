"""Streams by name: settings and a data root in, a compiled stream out."""

from pathlib import Path

from ..errors import SettingsError
from ..settings.catalog import StreamEntry, find_stream
from ..settings.settings import Settings
from .augment import Pixels
from .changes import article_permutations, permutations, rotations
from .cut import Cut, changed_cuts, compile_stream, hold_out, share_out, split_cuts
from .orders import class_order
from .source import Source
from .sources import load_source
from .task import Stream


def build_stream(settings: Settings, root: Path | None = None) -> Stream:
    """The stream that settings name, in their scenario, cut from the data set under the data root.

    Raises:
        SettingsError: an unknown name, a scenario the stream does not offer, settings that cannot work together.
        DataError: the data are missing, damaged or too few.
    """
    entry = find_stream(settings.stream)
    check_scenario(entry.name, entry.scenarios, settings.scenario)
    check_bounds(settings)
    if entry.kind != "split" and settings.class_order != "natural":
        raise SettingsError(
            f"Every task of {entry.name} has all classes, so there is no class order to choose; "
            f"'{settings.class_order}' was asked for. Leave it at natural."
        )
    source = load_source(entry.source, root)
    pixels = choose_pixels(entry, settings, source.train_x.shape[-1])
    held = hold_out(source, settings.limit, settings.validation)
    source = source.pad(settings.padding)
    cuts = _cuts(entry, settings, source)
    return compile_stream(entry.name, entry.version, source, cuts, settings.scenario, pixels, held)


def _cuts(entry: StreamEntry, settings: Settings, source: Source) -> list[Cut]:
    classes = len(source.class_names)
    if entry.kind == "split":
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


def choose_pixels(entry: StreamEntry, settings: Settings, channels: int) -> Pixels:
    """How the stored bytes become inputs: the data set's own mean and deviation unless the settings have others."""
    mean = _per_channel("mean", settings.mean or entry.mean, channels)
    std = _per_channel("std", settings.std or entry.std, channels)
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
