"""The keys of a file of settings, read with care, for it comes from anywhere."""

import tomllib
from pathlib import Path
from typing import Any

import yaml

from ..errors import SettingsError

LARGEST = 256 * 1024  # bytes; a file of settings has two thousand
_DEEPEST = 3  # a mapping of lists is two


def read_mapping(path: Path) -> dict[str, Any]:
    """The keys of a YAML or TOML file and their values, not yet checked.

    Raises:
        SettingsError: it cannot be read, is too large, or is not a flat list of keys.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise SettingsError(f"{path} has more than {LARGEST:,} bytes, too many for a file of settings.")
        content = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"Cannot read the settings in {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not text in UTF-8, so not a file of settings.") from error
    values: object = _toml(path, content) if path.suffix.lower() == ".toml" else _yaml(path, content)
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no settings. Each line is a key and its value, as in `epochs: 4`.")
    return dict(values)


def _toml(path: Path, content: str) -> Any:
    try:
        return tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error


def _yaml(path: Path, content: str) -> Any:
    try:
        _refuse_tricks(path, content)
        return yaml.load(content, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(
            f"{path}{where} is not valid YAML: {getattr(error, 'problem', None) or error}."
        ) from error


def _refuse_tricks(path: Path, content: str) -> None:
    """Refuse references, which can make a small file a huge one, and deep nesting, before anything is built."""
    depth = 0
    for event in yaml.parse(content, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SettingsError(f"{path}{_line(event)}: references (& and *) are not allowed in settings.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise SettingsError(f"{path}{_line(event)}: settings are a flat list of keys.")


def _line(event: yaml.Event) -> str:
    return f", line {event.start_mark.line + 1}" if event.start_mark else ""


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice or made of several values, and takes a date for a word."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class's, less one
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, if its keys are single values and none occurs twice in it."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a single word", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
