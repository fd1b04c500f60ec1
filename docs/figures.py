"""What was measured, from `benchmarks/results/*.json`: the rows that concern a method."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .markdown import number, prose, table

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
KILLS = ("trials", "identical", "kills", "kills_inside_a_checkpoint_write")


def of_method(name: str) -> str:
    """Every recorded table with rows of this method, or a sentence that there is none."""
    parts = [text for path in sorted(RESULTS.glob("*.json")) for text in _told(name, path)]
    if not parts:
        return "None are recorded yet: no file of `benchmarks/results` has a row of this method."
    return "\n\n".join(parts)


def _told(name: str, path: Path) -> Iterator[str]:
    found = json.loads(path.read_text("utf-8"))
    own = _first_word(path.stem) == name  # a table that is about this method is shown whole
    rows = [row for row in found.get("rows", []) if own or _concerns(name, row)]
    if rows:
        yield f"### {prose(path.stem)}\n\n{_table(rows)}\n\n{_about(found)}"
    killed = {key: value for key, value in found.items() if _first_word(key) == name and "trials" in value}
    if killed:
        yield f"### {prose(path.stem)}: stopped with `kill -9` and resumed\n\n{_killed(killed)}"


def _concerns(name: str, row: dict[str, Any]) -> bool:
    """Whether the first word that a row says is the method's name: `lwf (vandeven)`, `lwm, gamma 1`."""
    said = [value for value in row.values() if isinstance(value, str)]
    return bool(said) and _first_word(said[0]) == name


def _first_word(text: str) -> str:
    found = re.match(r"\w+", text)
    return found.group() if found else ""


def _table(rows: list[dict[str, Any]]) -> str:
    keys = dict.fromkeys(key for row in rows for key in row)
    shown = [key for key in keys if any(_said(row.get(key)) for row in rows)]
    return table(tuple(map(prose, shown)), [[number(row.get(key)) for key in shown] for row in rows])


def _said(value: object) -> bool:
    return value is not None and not isinstance(value, (list, dict))


def _about(found: dict[str, Any]) -> str:
    on = found.get("machine", {})
    machine = f"{on['device_name']}, {on['threads']} thread, torch {on['torch']}" if on else ""
    facts = ", ".join(
        part for part in (f"commit {found.get('commit', '')[:10]}", found.get("date", ""), machine) if part
    )
    note = found.get("note", "")
    return f"{prose(note[:1].upper() + note[1:])} Made by `{found['command']}`: {prose(facts)}.".strip()


def _killed(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        (prose(key.partition(" on ")[2] or key), *(number(value.get(word)) for word in KILLS))
        for key, value in found.items()
    ]
    heads = (
        "stream",
        "runs",
        "the same bits in the end",
        "kills",
        "of them inside the write of a checkpoint",
    )
    return table(heads, rows)
