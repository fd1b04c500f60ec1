"""Types and defaults of settings, read from source: a small language, and nothing in it can run code."""

import ast
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from .. import kinds

_NAMES: dict[str, Any] = {
    "float": float, "int": int, "bool": bool, "str": str, "None": None,
    "Positive": kinds.Positive, "NonNegative": kinds.NonNegative, "Fraction": kinds.Fraction,
    "PositiveInt": kinds.PositiveInt, "Count": kinds.Count,
}  # fmt: skip
_KNOWN = (
    "float, int, bool, str, Literal[...], tuple[...], X | None, and what forgetless.kinds has: "
    "Positive, NonNegative, Fraction, PositiveInt, Count"
)


class Unreadable(Exception):  # noqa: N818 - half a sentence, finished by who knows the place
    """A type or a default that settings cannot have."""


def read_type(node: ast.expr, aliases: dict[str, ast.expr]) -> Any:
    """The type that an annotation names; `aliases` are the module's own assignments.

    Raises:
        Unreadable: it is none that a flag or a line of a file could hold.
    """
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return read_type(ast.parse(text, mode="eval").body, aliases)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _NAMES:
            return _NAMES[name]
        case ast.Name(id=name) if name in aliases:
            return read_type(aliases[name], {key: value for key, value in aliases.items() if key != name})
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            either = (read_type(left, aliases), read_type(right, aliases))
            return Union[either]  # noqa: UP007 - made, not written
        case ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal"), slice=inner):
            return Literal[_literals(inner)]
        case ast.Subscript(
            value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[first, ast.Constant(value=kind)])
        ) if kind is ...:
            return tuple[read_type(first, aliases), ...]  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=parts)):
            return tuple[tuple(read_type(part, aliases) for part in parts)]  # type: ignore[misc]
    raise Unreadable(f"has the type {ast.unparse(node)!r}, which settings do not know. They know {_KNOWN}.")


def read_default(node: ast.expr, aliases: dict[str, ast.expr]) -> Any:
    """The value of a default: a number, a word, a truth value, None, or a tuple of these.

    Raises:
        Unreadable: it would have to be computed.
    """
    if isinstance(node, ast.Name) and node.id in aliases:
        node = aliases[node.id]
    try:
        value = ast.literal_eval(node)
    except ValueError as error:
        raise Unreadable(
            f"has the default {ast.unparse(node)!r}, which would have to be computed. Write it out as a value."
        ) from error
    if not isinstance(value, (bool, int, float, str, tuple, type(None))):
        raise Unreadable(f"has a {type(value).__name__} as its default. Use a tuple.")
    return value


def is_readable(kind: Any) -> bool:
    """Whether a type is one that settings know."""
    known = (float, int, bool, str, type(None))
    return all(
        part in known
        or get_origin(part) is Literal
        or (get_origin(part) is tuple and all(inner is ... or is_readable(inner) for inner in get_args(part)))
        for part in parts(kind)
    )


def parts(kind: Any) -> tuple[Any, ...]:
    """The members of a union without their bounds; of any other type, that type."""
    kind = bare(kind)
    return tuple(bare(part) for part in get_args(kind)) if is_union(kind) else (kind,)


def bare(kind: Any) -> Any:
    """A type without its annotations."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def is_union(kind: Any) -> bool:
    """Whether a type is `X | Y`."""
    return get_origin(kind) is Union or type(kind).__name__ == "UnionType"


def optional(kind: Any) -> bool:
    """Whether None is one of a type's values."""
    return type(None) in parts(kind)


def describe(kind: Any) -> str:
    """A type as help shows it beside a flag: `FLOAT>0`, `sgd|adam|adamw`."""
    return "|".join(_describe(part) for part in _wanted(kind))


def explain(kind: Any) -> str:
    """A type as a sentence names it: `a number above 0`, `sgd, adam or adamw`."""
    return " or ".join(_explain(part) for part in _wanted(kind))


def _wanted(kind: Any) -> list[Any]:
    """The members of a union but None, with their bounds."""
    inner = get_args(bare(kind)) if is_union(bare(kind)) else (kind,)
    return [part for part in inner if part is not type(None)]


def _describe(kind: Any) -> str:
    plain = bare(kind)
    if get_origin(plain) is Literal:
        return "|".join(str(value) for value in get_args(plain))
    if get_origin(plain) is tuple:
        inner = _describe(get_args(plain)[0])
        return f"{inner},..." if get_args(plain)[-1] is ... else ",".join(map(_describe, get_args(plain)))
    words = {float: "FLOAT", int: "INT", bool: "true|false", str: "WORD"}
    return words.get(plain, str(plain)) + "".join(sign + limit for sign, limit in _bounds(kind))


def _explain(kind: Any) -> str:
    plain = bare(kind)
    if get_origin(plain) is Literal:
        *most, last = (str(value) for value in get_args(plain))
        return f"{', '.join(most)} or {last}" if most else last
    if get_origin(plain) is tuple:
        if get_args(plain)[-1] is not ...:
            return f"{len(get_args(plain))} values separated by commas"
        return f"a list with commas, each {_explain(get_args(plain)[0])}"
    signs = {">": "above", ">=": "at least", "<=": "at most", "<": "below"}
    bounds = " and ".join(f"{signs[sign]} {limit}" for sign, limit in _bounds(kind))
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "a word"}
    return f"{words.get(plain, str(plain))} {bounds}".rstrip()


def _bounds(kind: Any) -> list[tuple[str, str]]:
    """The bounds of a number, (sign, limit), but those that no one would meet."""
    marks = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    signs = ((Gt, "gt", ">"), (Ge, "ge", ">="), (Le, "le", "<="), (Lt, "lt", "<"))
    found = [
        (sign, getattr(mark, word)) for mark in marks for made, word, sign in signs if isinstance(mark, made)
    ]
    return [(sign, f"{limit:g}") for sign, limit in found if limit < 2**31]


def _literals(node: ast.expr) -> tuple[Any, ...]:
    values = ast.literal_eval(node)
    return values if isinstance(values, tuple) else (values,)
