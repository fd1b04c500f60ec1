"""The comparison table as plain text, Markdown and CSV. Numbers are never cut: labels wrap, then columns stack."""

import csv
import io
import textwrap
from collections.abc import Sequence

from .table import MEASURES, Block, Row, Table

LEGEND = (
    "Per cent; mean ± standard deviation over seeds. accuracy: mean over all tasks after the last; forgetting: mean "
    "drop of the old tasks from their best; incremental: mean accuracy on all seen so far, over the steps; memory: "
    "kept besides the network."
)
HEADINGS = (*MEASURES.values(), "memory", "time", "seeds")

_GAP = 2
_NARROWEST_LABEL = 12


def render_text(table: Table, width: int = 80) -> str:
    """Plain text in at most `width` columns."""
    blocks = [_text_block(block, width) for block in table.blocks]
    return "\n\n".join([*blocks, textwrap.fill(LEGEND, width)]) + "\n"


def render_markdown(table: Table) -> str:
    """One Markdown table for each stream and scenario."""
    parts = []
    for block in table.blocks:
        head = f"### {_title(block)}\n\n| method | {' | '.join(HEADINGS)} |\n|---|{'---:|' * len(HEADINGS)}"
        rows = [
            f"| {' | '.join(_escaped(text) for text in (row.marked, *_numbers(row, 2)))} |"
            for row in block.rows
        ]
        remarks = [f"\n* {_escaped(remark)}" for remark in block.remarks]
        parts.append("\n".join([head, *rows]) + ("\n" + "".join(remarks) if remarks else ""))
    return "\n\n".join([*parts, LEGEND]) + "\n"


def render_csv(table: Table) -> str:
    """One line for each configuration: fractions, bytes and seconds, in full; empty where there is no number."""
    numbers = [f"{name}_{part}" for name in MEASURES for part in ("mean", "std", "n", "low95", "high95")]
    names = [
        "stream",
        "scenario",
        "method",
        "label",
        "role",
        "seeds",
        "finished",
        "status",
        *numbers,
        "memory_bytes",
        "seconds",
    ]
    lines: list[Sequence[object]] = [names]
    for block in table.blocks:
        for row in block.rows:
            group = row.group
            about = [block.section.stream, block.section.scenario, group.method, row.label, group.role]
            seeds = " ".join(str(run.seed) for run in group.runs)
            lines.append(
                [*about, seeds, len(group.finished), group.status, *_in_full(row), row.memory, row.seconds]
            )
    return as_csv(lines)


def as_csv(lines: Sequence[Sequence[object]]) -> str:
    """Comma-separated text; a cell that a spreadsheet would take for a formula is quoted as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for line in lines:
        writer.writerow(
            [f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@" and cell else cell for cell in line]
        )
    return buffer.getvalue()


def _text_block(block: Block, width: int) -> str:
    for digits in (2, 1):
        lines = [list(_numbers(row, digits)) for row in block.rows]
        wide = [max(len(cell) for cell in column) for column in zip(HEADINGS, *lines, strict=True)]
        room = width - sum(wide) - _GAP * len(wide)
        longest = max([len(row.marked) for row in block.rows] + [len("method")])
        if room >= min(longest, _NARROWEST_LABEL):
            body = _side_by_side(block.rows, lines, wide, min(room, longest))
            break
    else:
        body = _stacked(block.rows, lines)
    remarks = [textwrap.fill(f"* {remark}", width, subsequent_indent="  ") for remark in block.remarks]
    return "\n".join([_title(block), "", *body, *([""] if remarks else []), *remarks])


def _side_by_side(
    rows: Sequence[Row], lines: Sequence[Sequence[str]], wide: Sequence[int], room: int
) -> list[str]:
    gap = " " * _GAP
    numbers = gap.join(name.rjust(n) for name, n in zip(HEADINGS, wide, strict=True))
    out = ["method".ljust(room) + gap + numbers]
    out.append("-" * len(out[0]))
    for row, line in zip(rows, lines, strict=True):
        first, *rest = textwrap.wrap(row.marked, room, subsequent_indent="  ") or [""]
        out.append(
            first.ljust(room) + gap + gap.join(cell.rjust(n) for cell, n in zip(line, wide, strict=True))
        )
        out += rest
    return out


def _stacked(rows: Sequence[Row], lines: Sequence[Sequence[str]]) -> list[str]:
    """One number to a line, for a terminal that is too narrow for columns."""
    out = []
    for row, line in zip(rows, lines, strict=True):
        out.append(row.marked)
        out += [f"  {name} {cell}" for name, cell in zip(HEADINGS, line, strict=True)]
    return out


def _title(block: Block) -> str:
    return f"{block.section.stream}, {block.section.scenario} scenario"


def _numbers(row: Row, digits: int) -> tuple[str, ...]:
    cells = (row.cells[name].text(digits) for name in MEASURES)
    seeds = row.group.status.removesuffix(" seeds").removesuffix(" seed")
    finished = f"{len(row.group.finished)} of {len(row.group.runs)}"
    all_done = len(row.group.finished) == len(row.group.runs)
    return (*cells, row.memory_text, row.seconds_text, seeds if all_done else finished)


def _in_full(row: Row) -> list[object]:
    numbers: list[object] = []
    for name in MEASURES:
        found = row.cells[name].estimate
        numbers += [found.mean, found.std, found.n, found.low, found.high] if found else [None] * 5
    return numbers


def _escaped(text: str) -> str:
    """Text that cannot break a Markdown table or bring markup into it."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
