"""All pictures of a stream in a scenario: those that every method has, and those that only some have."""

from collections.abc import Iterator, Sequence

from . import attention, directions, drift, figures, series, subnetworks, tradeoff
from .groups import Section
from .picture import Key, Picture

OF_METHODS = (subnetworks.pictures, directions.pictures)
"""Each makes pictures of those configurations, among all given, that have what it draws."""


def of_methods(section: Section) -> list[Picture]:
    """What only some methods have to show."""
    return [picture for draw in OF_METHODS for picture in draw(section.groups)]


def all_pictures(section: Section, colours: figures.Colours) -> list[Picture]:
    """What every method has to show, then what only some have."""
    made = [*_compared(section, colours)]
    for group in section.groups:
        if heat := series.heat_of(group):
            made.append(
                Picture(
                    f"matrix {heat.label}", f"Accuracy matrix of {heat.label}", "", figures.heat_map(heat)
                )
            )
        if losses := series.losses_of(group):
            keys = term_keys(losses)
            about = f"Loss of {losses.label}"
            made.append(Picture(f"loss {losses.label}", about, "", figures.loss_lines(losses), keys))
    return [
        *tradeoff.pictures(section),
        *made,
        *attention.pictures(section),
        *drift.pictures(section, colours),
        *of_methods(section),
    ]


def _compared(section: Section, colours: figures.Colours) -> Iterator[Picture]:
    """All configurations together."""
    lines = [line for group in section.groups if (line := series.after_each_task(group))]
    bars = [bar for group in section.groups if (bar := series.forgetting_of_tasks(group))]
    if any(len(line.x) > 1 for line in lines):
        drawn = figures.accuracy_lines(lines, colours)
        yield Picture(
            "accuracy", "Mean accuracy over the tasks seen so far", "", drawn, _keys(lines, colours)
        )
    if bars:
        drawn = figures.forgetting_bars(bars, colours)
        yield Picture("forgetting", "Forgetting of each task, in points", "", drawn, _keys(bars, colours))


def term_keys(losses: series.Losses) -> list[Key]:
    """The legend of a loss's terms."""
    return [
        (term.label, figures.swatch(figures.term_colour(k), plain=True))
        for k, term in enumerate(losses.terms)
    ]


def _keys(lines: Sequence[series.Series], colours: figures.Colours) -> list[Key]:
    return [(line.label, figures.swatch(colours[line.label])) for line in lines]
