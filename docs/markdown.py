"""Markdown out of plain values: prose, tables, blocks."""

import re
from collections.abc import Iterable, Sequence

_STRESSED = re.compile(r"(?<!\S)\\\*(\w+)\\\*(?!\w)")
_MARKS = re.compile(r"([\\*_\[\]<>|#$~{}])")


def prose(text: str) -> str:
    """Text with its marks made harmless; what stands between backquotes stays code, a *word* stressed."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backquote without its partner is a character like others
        return _harmless(text.replace("`", "'"))
    return "".join(code(part) if k % 2 else _harmless(part) for k, part in enumerate(parts))


def _harmless(text: str) -> str:
    return _STRESSED.sub(r"*\1*", _MARKS.sub(r"\\\1", text))


def code(text: object) -> str:
    """Text as code inside a line or a cell; nothing for nothing."""
    written = str(text)
    return f"`{written}`" if written else ""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown cells."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def block(text: str, language: str = "text") -> str:
    """A literal block, with a fence that is longer than any in it."""
    fence = "`" * max(3, *(len(found) + 1 for found in re.findall("`{3,}", text)), 3)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def number(value: object) -> str:
    """A figure as a reader wants it: four digits, a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return prose(str(value))


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text).replace("\n", " ")
