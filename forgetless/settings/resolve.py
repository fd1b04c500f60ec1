"""From what was asked to what is run: defaults < the stream's own < preset < file < flags, checked as a whole."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..networks import HIDDEN
from .catalog import StreamEntry
from .check import check
from .combinations import check_together
from .defaults import stream_values
from .fields import MethodFacts, is_file_name, method_facts
from .names import parse_stream
from .places import available_cores
from .presets import find_preset
from .reading import read_mapping
from .recipe import Recipe
from .schema import Flag, all_flags, method_flags
from .settings import Settings

_FILE_ONLY = ("method", "stream", "method_file", "method_sha256")  # keys of settings.yaml that are no flags
_RECIPE = tuple(field.name for field in fields(Recipe))


def resolve(
    method: str,
    stream: str,
    given: Mapping[str, Any],
    *,
    preset: str | None = None,
    config: Path | None = None,
    cores: int | None = None,
    jobs: int = 1,
    others: Collection[str] = (),
) -> Settings:
    """Every setting of one run, checked. `others`: keys that are for other methods of a comparison.

    Raises:
        SettingsError: unknown names, values that cannot be, a combination that cannot work, or a preset that has
            nothing for this run.
    """
    facts = method_facts(method)
    entry = parse_stream(stream)
    flags = all_flags(facts)
    file = read_mapping(config) if config else {}
    _check_origin(facts, file, config)
    scenario = _scenario(given, file, entry)
    sources = (
        ("defaults, ", {flag.name: flag.default for flag in flags.values()} | stream_values(entry)),
        (f"preset {preset}, ", _of_preset(preset, facts, entry, scenario)),
        (f"{config}: ", _without(file, *_FILE_ONLY, *others)),
        ("", _without(given, *others)),
    )
    layers = _checked(sources, flags, facts.name)
    values = _merged(layers)
    check_together(values, layers[2] | layers[3], facts, entry, stream)
    return _settings(values, facts, entry, stream, jobs=jobs, cores=cores or available_cores())


def _checked(
    sources: Sequence[tuple[str, Mapping[str, Any]]], flags: Mapping[str, Flag], method: str
) -> list[dict[str, Any]]:
    """The values of each source as their types have them; the problems of all sources at once."""
    layers, problems = [], []
    for source, values in sources:
        try:
            layers.append(check(values, flags, source=source, of=method))
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    return layers


def _without(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def concerns(
    preset: str, method: str, stream: str, given: Mapping[str, Any], config: Path | None = None
) -> bool:
    """Whether a preset has any settings for the run that `resolve` would be asked for.

    Raises:
        SettingsError: there is no such preset, method or stream.
    """
    entry, file = parse_stream(stream), read_mapping(config) if config else {}
    return bool(_preset_values(preset, method_facts(method), entry, _scenario(given, file, entry)))


def _scenario(given: Mapping[str, Any], file: Mapping[str, Any], entry: StreamEntry) -> str:
    return str(given.get("scenario") or file.get("scenario") or entry.scenarios[0])


def _of_preset(preset: str | None, facts: MethodFacts, entry: StreamEntry, scenario: str) -> dict[str, Any]:
    """What a preset sets, which must be something: else the run would pass for one of the paper's."""
    if preset is None:
        return {}
    values = _preset_values(preset, facts, entry, scenario)
    if not values:
        raise SettingsError(
            f"The preset {preset} sets nothing for {facts.name} on {entry.name} in the {scenario} scenario. It has "
            f"settings for {', '.join(find_preset(preset).speaks_of)}; choose one of these, or leave the preset out."
        )
    return values


def _preset_values(preset: str, facts: MethodFacts, entry: StreamEntry, scenario: str) -> dict[str, Any]:
    values = find_preset(preset).values(facts.name, entry, scenario)
    if facts.own:  # a preset speaks of the published method, not of a file that has its name
        own = method_flags(facts)
        return {key: value for key, value in values.items() if key not in own}
    return values


def _merged(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """The last word on each setting. Steps and epochs replace each other; in one layer, steps overrule."""
    values: dict[str, Any] = {}
    for layer in layers:
        if "epochs" in layer:
            values["steps"] = None
        values |= layer
        if layer.get("model", "mlp") != "mlp" and "hidden" not in layer:
            values["hidden"] = None
    return values


def _check_origin(facts: MethodFacts, file: Mapping[str, Any], config: Path | None) -> None:
    """A file of settings that names the content of a method's file is for that content alone."""
    written = file.get("method_sha256")
    if facts.own and written and written != facts.sha256:
        raise SettingsError(
            f"{config} was written for another version of {facts.path}. "
            "Take the line method_sha256 out of it to run the method as it is now."
        )


def _settings(
    values: dict[str, Any], facts: MethodFacts, entry: StreamEntry, stream: str, *, jobs: int, cores: int
) -> Settings:
    own = method_flags(facts)
    recipe = Recipe(**{key: values[key] for key in _RECIPE if key in values})
    shared = {
        key: values[key]
        for key in (field.name for field in fields(Settings))
        if key in values and key not in own and key != "threads"
    }
    if shared["model"] == "mlp" and not shared.get("hidden"):
        shared["hidden"] = HIDDEN
    channels = max(1, len(entry.mean))
    for key in ("mean", "std"):
        if shared.get(key) is not None and len(shared[key]) < channels:
            shared[key] = shared[key] * channels
    threads = values.get("threads", "auto")
    if threads == "auto":  # a small matrix product is slower on several cores
        threads = 1 if jobs > 1 or shared["model"] == "mlp" else min(cores, 4)
    return Settings(
        method=facts.name,
        stream=_full_name(entry, stream),
        hyper={key: values.get(key, flag.default) for key, flag in own.items()},
        recipe=recipe,
        threads=threads,
        method_file=str(facts.path) if facts.own else None,
        method_sha256=facts.sha256 if facts.own else None,
        **shared,
    )


def _full_name(entry: StreamEntry, stream: str) -> str:
    """The stream's name; a folder's from the root, so that the run can be resumed from anywhere."""
    return stream.rstrip("/") if entry.kind != "folder" else str(Path(stream).expanduser().absolute())


def method_of(settings: Settings) -> str:
    """What names the settings' method again: its file where it has one."""
    return settings.method_file or settings.method


def named(values: Mapping[str, Any], key: str, path: Path) -> str:
    """The method or the stream that a file of settings names.

    Raises:
        SettingsError: it names none.
    """
    own = values.get("method_file") if key == "method" else None
    value = own or values.get(key)
    if not isinstance(value, str):
        raise SettingsError(f"{path} names no {key}. Give it on the command line, or as a line `{key}: ...`.")
    return value if not own or is_file_name(own) else f"./{own}"
