"""`forgetless list [methods|streams|models|metrics|presets]`: what there is."""

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import SettingsError
from ..settings.names import closest
from .parser import Command, Word, parse
from .results import json_text

ABOUT = "What there is: methods, streams, models, metrics, presets; without a kind, all of them."
EXAMPLES = ("forgetless list streams", "forgetless list methods --json")
Row = dict[str, Any]


def main(argv: Sequence[str]) -> int:
    """Print tables, or one list of objects."""
    command = Command(
        "list",
        ABOUT,
        (Word("kind", f"one of {', '.join(KINDS)}"),),
        switches={"json": "a list of objects, each with its name"},
        examples=EXAMPLES,
    )
    asked = parse(command, argv)
    kind = asked.get("kind")
    if kind is not None and kind not in KINDS:
        raise SettingsError(f"There is no list of {kind!r}.{closest(kind, KINDS)} Lists: {', '.join(KINDS)}.")
    if "json" in asked:
        rows = (
            [{"kind": one[:-1]} | row for one in KINDS for row in KINDS[one]()]
            if kind is None
            else KINDS[kind]()
        )
        print(json_text(rows))
        return 0
    print("\n\n".join(_table(one, KINDS[one]()) for one in ([kind] if kind else KINDS)))
    return 0


def methods() -> list[Row]:
    """Every registered method; `fields` are its own settings."""
    from ..settings.fields import method_facts, method_names
    from ..settings.types import describe

    rows = []
    for name in method_names():
        facts = method_facts(name)
        fields = [
            {"name": f.name, "type": describe(f.type), "default": f.default, "help": f.help}
            for f in facts.fields
        ]
        rows.append(
            {"name": name, "scenarios": facts.scenarios, "summary": facts.summary, "title": facts.title}
            | {"fields": fields}
        )
    return rows


def streams() -> list[Row]:
    """Every stream, with what it is run with."""
    from ..settings.catalog import STREAMS

    return [
        {"name": e.name, "tasks": e.tasks, "scenarios": e.scenarios, "model": e.model, "summary": e.summary}
        | {"version": e.version, "source": e.source, "class_order": e.class_order}
        for e in STREAMS.values()
    ]


def models() -> list[Row]:
    """Every network."""
    from ..settings.catalog import MODELS

    return [{"name": name, "summary": summary} for name, summary in MODELS.items()]


def metrics() -> list[Row]:
    """Every metric of a run."""
    from ..metrics import METRICS

    return [
        {"name": m.name, "better": m.better, "formula": m.formula, "source": m.source}
        for m in METRICS.values()
    ]


def presets() -> list[Row]:
    """Every preset, with where it is taken from."""
    from ..settings.presets import PRESETS

    return [{"name": name, "summary": p.summary, "source": p.source} for name, p in PRESETS.items()]


KINDS: dict[str, Callable[[], list[Row]]] = {
    "methods": methods, "streams": streams, "models": models, "metrics": metrics, "presets": presets,
}  # fmt: skip
_COLUMNS = {
    "methods": ("name", "scenarios", "summary"),
    "streams": ("name", "tasks", "scenarios", "model", "summary"),
    "models": ("name", "summary"),
    "metrics": ("name", "better", "formula", "source"),
    "presets": ("name", "summary", "source"),
}


def _table(kind: str, rows: list[Row]) -> str:
    """Columns as wide as what stands in them, the last one free."""
    columns = _COLUMNS[kind]
    lines = [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(columns, *lines, strict=True)]
    return "\n".join(
        "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
        for line in ([kind if column == "name" else column for column in columns], *lines)
    )


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, (tuple, list)) else str(value)
