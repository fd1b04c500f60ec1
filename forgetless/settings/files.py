"""`settings.yaml`: flat, one key for each flag, every value; read back it is the same settings."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from ..files import write_atomically
from .reading import read_mapping
from .resolve import named, resolve
from .schema import Flag
from .settings import Settings


def to_mapping(settings: Settings) -> dict[str, Any]:
    """Every setting under its flag's name: what `read_mapping` gives back of a written file."""
    facts = asdict(settings)
    own, recipe = facts.pop("hyper"), facts.pop("recipe")
    mapping: dict[str, Any] = facts | recipe | own
    return mapping


def to_yaml(settings: Settings, flags: Mapping[str, Flag] | None = None) -> str:
    """The text of `settings.yaml`; with `flags`, each key is followed by its meaning."""
    lines = []
    for key, value in to_mapping(settings).items():
        line = f"{key}: {_dumped(list(value) if isinstance(value, tuple) else value)}"
        meaning = flags[key].help if flags and key in flags else ""
        lines.append(f"{line}  # {meaning}" if meaning else line)
    return "\n".join(lines) + "\n"


def write_settings(path: Path, settings: Settings) -> None:
    """Write `settings.yaml`, whole or not at all.

    Raises:
        StorageError: the place cannot be written.
    """
    write_atomically(path, to_yaml(settings))


def _dumped(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").rstrip()


def read_settings(path: Path) -> Settings:
    """The settings of a run folder's `settings.yaml`, as they were.

    Raises:
        SettingsError: the file cannot be read, or a method's file has changed since.
    """
    values = read_mapping(path)
    return resolve(named(values, "method", path), named(values, "stream", path), {}, config=path)
