"""All pictures of a stream in a scenario: those that every method has, and those that only some have."""

from . import figures, series, subnetworks
from .groups import Section
from .picture import Picture

OF_METHODS = (subnetworks.pictures,)
"""Each makes pictures of those configurations, among all given, that have what it draws."""


def of_methods(section: Section) -> list[Picture]:
    """What only some methods have to show."""
    return [picture for draw in OF_METHODS for picture in draw(section.groups)]


def all_pictures(section: Section, colours: figures.Colours) -> list[Picture]:
    """What every method has to show, then what only some have."""
    lines = [line for group in section.groups if (line := series.after_each_task(group))]
    bars = [bar for group in section.groups if (bar := series.forgetting_of_tasks(group))]
    made = []
    if any(len(line.x) > 1 for line in lines):
        keys = [(line.label, figures.swatch(colours[line.label])) for line in lines]
        about = "Mean accuracy over the tasks seen so far"
        made.append(Picture("accuracy", about, "", figures.accuracy_lines(lines, colours), keys))
    if bars:
        keys = [(bar.label, figures.swatch(colours[bar.label])) for bar in bars]
        about = "Forgetting of each task, in points"
        made.append(Picture("forgetting", about, "", figures.forgetting_bars(bars, colours), keys))
    for group in section.groups:
        if heat := series.heat_of(group):
            made.append(Picture("matrix", f"Accuracy matrix of {heat.label}", "", figures.heat_map(heat)))
        if losses := series.losses_of(group):
            keys = [
                (term.label, figures.swatch(figures.term_colour(k), plain=True))
                for k, term in enumerate(losses.terms)
            ]
            made.append(Picture("loss", f"Loss of {losses.label}", "", figures.loss_lines(losses), keys))
    return made + of_methods(section)
