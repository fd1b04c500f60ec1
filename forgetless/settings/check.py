"""Values against their types: every problem of one source of settings at once, each a sentence with its key."""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..errors import SettingsError
from .names import closest
from .schema import Flag
from .types import bare, explain, optional, parts

_CONFIG = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)
_LARGEST = 2**63 - 1  # that torch can count with
_LONGEST = 60  # characters of a value that a message repeats


def check(values: Mapping[str, Any], flags: Mapping[str, Flag], *, source: str, of: str) -> dict[str, Any]:
    """The values as their types have them; `of` is the method's name, `source` says where they were given.

    Raises:
        SettingsError: one line for each unknown key and each value that cannot be.
    """
    problems, checked = [], {}
    for key, value in values.items():
        if not isinstance(key, str) or key not in flags:
            problems.append(f"{source}{key}: {of} has no such setting.{closest(str(key), flags)}")
            continue
        if value is None and flags[key].default is None:  # left open
            continue
        if problem := _problem(value, flags[key]):
            problems.append(f"{source}{key}: {problem}")
            continue
        checked[key] = _adapter(flags[key].type).validate_python(_prepared(value, flags[key].type))
    if problems:
        raise SettingsError("\n".join(problems))
    return checked


@lru_cache(maxsize=256)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=_CONFIG)


def _prepared(value: Any, kind: Any) -> Any:
    """A value with lists as flags write them, `400,400`, taken apart, and `none` understood."""
    kinds = parts(kind)
    if isinstance(value, str) and optional(kind) and value.lower() == "none":
        return None
    if any(get_origin(part) is tuple for part in kinds):
        if isinstance(value, str):
            return [part.strip() for part in value.split(",")]
        return [value] if isinstance(value, (int, float)) else value
    if str in kinds and isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return value


def _problem(value: Any, flag: Flag) -> str:
    """What is wrong with a value, or nothing."""
    wanted, shown = explain(flag.type), _shown(value)
    if isinstance(value, bool) and bool not in parts(flag.type):
        return f"{shown} is a truth value; it must be {wanted}."
    if isinstance(value, float) and not math.isfinite(value):
        return f"{shown} is not a finite number; it must be {wanted}."
    if isinstance(value, (dict, set)):
        return f"it must be {wanted}, not a group of settings."
    try:
        made = _adapter(flag.type).validate_python(_prepared(value, flag.type))
    except ValidationError:
        words = [
            str(word) for part in parts(flag.type) for word in get_args(bare(part)) if isinstance(word, str)
        ]
        hint = closest(value, words) if isinstance(value, str) else ""
        return f"{shown} is not possible; it must be {wanted}.{hint}"
    numbers = made if isinstance(made, tuple) else (made,)
    if any(isinstance(number, int) and abs(number) > _LARGEST for number in numbers):
        return f"{shown} is too large a number; it must be {wanted}, of at most 19 digits."
    return ""


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text if text.isprintable() else ascii(text)
    return repr(text) if text.strip() != text or not text else text[:_LONGEST]
