"""The table of a comparison: one row for each configuration, mean and spread over seeds, floor and ceiling marked."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..estimates import Estimate
from ..record import Run
from .formats import DASH, duration, size, with_spread
from .groups import CEILING, FLOOR, Group, Section, sections_of

MEASURES = {
    "average_accuracy": "accuracy",
    "forgetting": "forgetting",
    "average_incremental_accuracy": "incremental",
}


@dataclass(frozen=True)
class Cell:
    """A mean over seeds, or why there is none."""

    estimate: Estimate | None
    reason: str = ""

    def text(self, digits: int = 2) -> str:
        """What is printed: a number, the state of a run that has none, or a dash where it is undefined."""
        if self.estimate is not None:
            return with_spread(self.estimate, digits)
        return self.reason if self.reason in ("diverged", "failed", "interrupted", "running") else DASH


@dataclass(frozen=True)
class Row:
    """One configuration."""

    label: str
    group: Group
    cells: dict[str, Cell]
    memory: float | None  # bytes kept besides the network's weights, mean over seeds
    seconds: float | None

    @property
    def marked(self) -> str:
        """The label, with its part in the comparison."""
        return f"{self.label} ({self.group.role})" if self.group.role else self.label

    @property
    def memory_text(self) -> str:
        """Memory as people read it."""
        return DASH if self.memory is None else size(self.memory)

    @property
    def seconds_text(self) -> str:
        """Time as people read it."""
        return DASH if self.seconds is None else duration(self.seconds)


@dataclass(frozen=True)
class Block:
    """The rows of one stream in one scenario, and what must be said beside them."""

    section: Section
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The whole comparison."""

    blocks: tuple[Block, ...]


def make_table(runs: Sequence[Run]) -> Table:
    """Put runs into a table: a block for each stream and scenario, a row for each configuration."""
    return Table(tuple(_block(section) for section in sections_of(runs)))


def _block(section: Section) -> Block:
    return Block(section, tuple(_row(group) for group in section.groups), tuple(_remarks(section)))


def _row(group: Group) -> Row:
    cells = {name: Cell(group.estimate(name), group.reason(name)) for name in MEASURES}
    finished = group.finished
    memory = _mean([sum(run.bytes.values()) - run.bytes.get("weights", 0) for run in finished])
    seconds = _mean([run.seconds["total"] for run in finished if "total" in run.seconds])
    return Row(group.label, group, cells, memory, seconds)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _remarks(section: Section) -> list[str]:
    """Sentences that the table must not be read without."""
    remarks = []
    methods = {group.method for group in section.groups}
    absent = [
        f"{method} (the {role})"
        for method, role in ((FLOOR, "floor"), (CEILING, "ceiling"))
        if method not in methods
    ]
    if absent:
        remarks.append(f"Not run here, though it would show what a figure is worth: {' and '.join(absent)}.")
    for field, by_value in section.differing.items():
        values = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in by_value.items())
        remarks.append(f"Rows differ in {field}: {values}.")
    if unknown := [group.label for group in section.groups if not group.settings]:
        remarks.append(
            f"What {', '.join(unknown)} was asked to do is not known: no settings.yaml lies beside the result."
        )
    if len(section.groups) > 1 and max(len(group.finished) for group in section.groups) == 1:
        remarks.append(
            "One seed each: how much of a difference is chance is not known. --seeds 5 would tell."
        )
    for group in section.groups:
        if len(group.finished) not in (0, len(group.runs)):
            n = len(group.finished)
            remarks.append(f"{group.label}: {group.status}; its numbers are of the {n} that finished.")
        remarks += [f"{group.label}, seed {run.seed}: {run.error}" for run in group.runs if run.error]
    return remarks


def to_json(table: Table) -> list[dict[str, Any]]:
    """The table as plain data: fractions, bytes and seconds; None with a reason where there is no number."""
    return [
        _plain(block.section, row) | {"remarks": list(block.remarks)}
        for block in table.blocks
        for row in block.rows
    ]


def _plain(section: Section, row: Row) -> dict[str, Any]:
    group = row.group
    return {
        "stream": section.stream,
        "scenario": section.scenario,
        "method": group.method,
        "label": row.label,
        "role": group.role or None,
        "seeds": [run.seed for run in group.runs],
        "states": [run.state for run in group.runs],
        "runs": [str(run.path) for run in group.runs],
        "metrics": {
            name: asdict(cell.estimate) if cell.estimate else None for name, cell in row.cells.items()
        },
        "reasons": {name: cell.reason for name, cell in row.cells.items() if cell.estimate is None},
        "memory_bytes": row.memory,
        "seconds": row.seconds,
        "settings": group.settings,
    }
