"""The report: run folders in, one HTML file out that needs nothing else. No torch, no network, no scripts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..errors import StorageError
from ..files import write_atomically
from ..metrics import METRICS, Metric
from ..record import Run, load
from ..version import __version__
from . import attention, drift, figures, looks, series, words
from .formats import duration, size
from .groups import Section, sections_of
from .notes import notes_for
from .palette import colours_of, heat_rules
from .pictures import of_methods, term_keys
from .render import HEADINGS, LEGEND
from .repeat import recipe_of
from .table import MEASURES, Block, Cell, make_table

SCENARIOS = {
    "task": "At test time the network is told which task an image is from.",
    "domain": "Every task has the same labels; the network is not told which task an image is from.",
    "class": "The network must tell all classes seen so far apart, and is not told which task an image is from.",
}


@dataclass(frozen=True)
class Unread:
    """A folder that could not be read, and why."""

    folder: str
    reason: str


def write_report(runs: Sequence[Path], output: Path) -> list[Unread]:
    """Write one self-contained page on these run folders; what cannot be read is listed on it, and given back.

    Raises:
        StorageError: none of the folders can be read, or the place cannot be written.
    """
    found, unread = read_all(runs)
    write_atomically(output, render_page(found, unread))
    return unread


def read_all(folders: Sequence[Path]) -> tuple[list[Run], list[Unread]]:
    """The runs that can be read, and the folders that cannot.

    Raises:
        StorageError: there is no run among them.
    """
    found: list[Run] = []
    unread: list[Unread] = []
    for folder in folders:
        try:
            found.append(load(folder))
        except StorageError as error:
            unread.append(Unread(folder.name, str(error)))
    if not found:
        reasons = " ".join(one.reason for one in unread)
        raise StorageError(
            f"There is no run to report on. {reasons} `forgetless run` makes run folders.".replace("  ", " ")
        )
    return found, unread


def render_page(runs: Sequence[Run], unread: Sequence[Unread] = ()) -> str:
    """The page as text."""
    table = make_table(runs)
    sections = sections_of(runs)
    colours = colours_of([group for section in sections for group in section.groups])
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    return environment.get_template("report.html").render(
        headline=words.headline(sections),
        count=_count(runs, sections, len(unread)),
        blocks=[_block(block, colours) for block in table.blocks],
        headings=HEADINGS,
        legend=LEGEND,
        recipes=[recipe_of(section, group) for section in sections for group in section.groups],
        notes=notes_for(sections),
        unread=unread,
        machines=_machines(runs),
        heat_rules=Markup(heat_rules()),
        version=__version__,
    )


def _block(block: Block, colours: figures.Colours) -> dict[str, Any]:
    """One stream in one scenario, as the template wants it."""
    section = block.section
    groups = section.groups
    lines = [line for group in groups if (line := series.after_each_task(group))]
    bars = [bar for group in groups if (bar := series.forgetting_of_tasks(group))]
    heats = [heat for group in groups if (heat := series.heat_of(group))]
    losses = [loss for group in groups if (loss := series.losses_of(group))]
    return {
        "stream": section.stream,
        "scenario": section.scenario,
        "meaning": SCENARIOS.get(section.scenario, ""),
        "sentence": words.sentence(section),
        "rows": [_row(row, colours) for row in block.rows],
        "remarks": block.remarks,
        "lines": figures.accuracy_lines(lines, colours) if any(len(line.x) > 1 for line in lines) else "",
        "bars": figures.forgetting_bars(bars, colours) if bars else "",
        "keys": [(line.label, figures.swatch(colours[line.label])) for line in lines],
        "heats": [(heat, figures.heat_map(heat)) for heat in heats],
        "looks": _looks(section, colours),
        "losses": [(loss, figures.loss_lines(loss), term_keys(loss)) for loss in losses],
        "pictures": of_methods(section),
        "costs": _costs(section),
        "measures": _measures(section),
    }


def _looks(section: Section, colours: figures.Colours) -> dict[str, Any] | None:
    """Where methods look in images of the first task; None where no run could tell."""
    rows = looks.rows_of(section)
    if not rows:
        return None
    drifts = looks.drifts_of(section)
    key = f"{section.stream}-{section.scenario}".replace("/", "-").replace(" ", "-")
    return {
        "grids": [attention.grid(rows, k, f"look-{key}-{k}") for k in range(attention.shown(rows))],
        "seeds": sorted({row.seed for row in rows}),
        "alike": looks.begin_alike(rows),
        "drift": drift.pictures_of(drifts, colours),
        "images": drifts[0].images,
        "size": _either(" x ".join(map(str, one.shape)) for one in drifts),
        "furthest": _either(f"{one.furthest:.1f}" for one in drifts),
    }


def _either(texts: Iterable[str]) -> str:
    """What they all say, or each of what they say."""
    return " or ".join(dict.fromkeys(texts))


def _code(text: str) -> Markup:
    """Escaped text in which what stands between backquotes is shown as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _row(row: Any, colours: figures.Colours) -> dict[str, Any]:
    group = row.group
    return {
        "label": row.label,
        "role": group.role,
        "swatch": figures.swatch(colours[row.label]),
        "cells": [
            (row.cells[name].text(), row.cells[name].reason if row.cells[name].estimate is None else "")
            for name in MEASURES
        ],
        "memory": row.memory_text,
        "seconds": row.seconds_text,
        "status": group.status,
        "whole": len(group.finished) == len(group.runs),
    }


def _measures(section: Section) -> list[tuple[Metric, list[tuple[str, str]]]]:
    """Every metric, and for each configuration its number, or a dash and the reason for it."""
    rows = []
    for name, metric in METRICS.items():
        cells = [Cell(group.estimate(name), group.reason(name)) for group in section.groups]
        if any(cell.estimate for cell in cells):
            rows.append((metric, [(cell.text(), "" if cell.estimate else cell.reason) for cell in cells]))
    return rows


def _costs(section: Section) -> dict[str, Any]:
    """What was kept and where the time went, by kind; means over the runs that finished."""
    rows = [(group.label, group.finished) for group in section.groups if group.finished]
    kinds = {"bytes": size, "seconds": duration}
    out: dict[str, Any] = {}
    for kind, shown in kinds.items():
        names = list(dict.fromkeys(name for _, runs in rows for run in runs for name in getattr(run, kind)))
        values = {
            label: [_mean([getattr(run, kind).get(name, 0) for run in runs]) for name in names]
            for label, runs in rows
        }
        used = [k for k in range(len(names)) if any(value[k] for value in values.values())]
        out[kind] = {
            "names": [names[k].replace("_", " ") for k in used],
            "rows": [(label, [shown(value[k]) for k in used]) for label, value in values.items()],
        }
    return out


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _machines(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Facts about where the runs were made; all values where they differ."""
    facts: dict[str, dict[str, None]] = {}
    for run in runs:
        for key, value in run.environment.items():
            if value is not None:
                facts.setdefault(key, {})[str(value)] = None
    return [(key.replace("_", " "), " · ".join(values)) for key, values in facts.items()]


def _count(runs: Sequence[Run], sections: Sequence[Section], unread: int) -> str:
    configurations = sum(len(section.groups) for section in sections)
    finished = sum(run.state == "finished" for run in runs)
    plural = "" if configurations == 1 else "s"
    done = "all finished" if finished == len(runs) else f"{finished} finished"
    lost = f", {unread} more could not be read" if unread else ""
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'}, {done}{lost}; {configurations} configuration{plural}"
