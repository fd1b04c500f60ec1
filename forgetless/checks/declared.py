"""Checks of what a method says of itself."""

import dataclasses
import re
import sys

from ..methods import Method
from ..settings.fields import method_names
from .faults import require
from .toys import Case

PLAIN = (int, float, str, bool, type(None))
REFERENCE = re.compile(r"arXiv|doi\.org|\b(19|20)\d\d\b")
BASELINE = re.compile(r"\b(baseline|floor|ceiling)\b", re.IGNORECASE)


def check_defaults_are_plain(case: Case) -> None:
    """Every hyper-parameter has a default, and no default can change under way."""
    for field in dataclasses.fields(case.make):
        if field.name == "model":
            continue
        require(
            field.default_factory is dataclasses.MISSING,
            f"The hyper-parameter {field.name!r} makes its default anew for each object (default_factory). "
            "Hyper-parameters are plain values, written down with each run: give a number, a word or a tuple.",
        )
        require(
            field.default is not dataclasses.MISSING,
            f"The hyper-parameter {field.name!r} has no default. Give the paper's value.",
        )
        require(
            _is_plain(field.default),
            f"The default of the hyper-parameter {field.name!r} is a {type(field.default).__name__}, which can "
            "change under way and cannot be written into settings. Give a number, a word or a tuple of these.",
        )


def _is_plain(value: object) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, tuple) else isinstance(value, PLAIN)


def check_says_what_it_is(case: Case) -> None:
    """The class says in a line what it does; a method that comes with forgetless names its paper."""
    said = case.make.__dict__.get("__doc__") or ""
    made_up = said.startswith(f"{case.make.__name__}(")  # a dataclass describes itself by its fields
    require(
        bool(said.strip()) and not made_up,
        f"{case.make.__name__} has no docstring. Say in one line what it does: help and tables show it.",
    )
    if case.make.name in method_names():
        whole = f"{sys.modules[case.make.__module__].__doc__}\n{said}"
        require(
            bool(REFERENCE.search(whole) or BASELINE.search(whole)),
            f"The docstrings of {case.make.name} name no paper with its year, nor do they say that it is a baseline.",
        )


def check_is_final(case: Case) -> None:
    """A registered method is not built upon: two methods share code through functions, or one abstract parent."""
    line = [cls for cls in case.make.__mro__ if issubclass(cls, Method) and cls is not Method]
    registered = [cls.__name__ for cls in line[1:] if cls.__dict__.get("name")]
    require(
        len(line) <= 2 and not registered,
        f"{case.make.__name__} is built on {', '.join(c.__name__ for c in line[1:])}. Share a function in "
        "forgetless.ops instead, or one parent that is not registered.",
    )
