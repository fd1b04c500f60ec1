"""The comparison in sentences: who forgets, who less, and by how much. No claim where the seeds do not carry it."""

from collections.abc import Sequence

from ..estimates import Estimate, Published, welch_half_width
from .formats import percent
from .groups import Group, Section

_ROWS_TOLD = 4  # at most; more than that are left to the table


def headline(sections: Sequence[Section]) -> str:
    """One sentence on the whole report: the clearest difference in forgetting from the floor."""
    told = [(gap, sentence) for section in sections if (found := _gap(section)) for gap, sentence in [found]]
    if told:
        return max(told)[1]
    finished = [(section, group) for section in sections for group in section.groups if group.finished]
    if not finished:
        return "No run has finished yet."
    if len(finished) == 1:
        section, group = finished[0]
        return f"{group.label} {_outcome(group)} {_place(section)}."
    return f"{len(finished)} configurations, measured task by task."


def sentence(section: Section) -> str:
    """What came out of one stream in one scenario, row by row."""
    finished = [group for group in section.groups if group.finished]
    if not finished:
        return "None of these runs has finished: there are no figures to compare."
    told = finished
    if len(finished) > _ROWS_TOLD:
        others = [group for group in finished if not group.role]
        told = [group for group in finished if group.role or group is others[-1]]
    parts = [f"{group.label} {_outcome(group)}" for group in told]
    left = len(finished) - len(told)
    return f"{'; '.join(parts)}" + (f"; {left} more lie between or below, see the table." if left else ".")


def _gap(section: Section) -> tuple[float, str] | None:
    """How much less the best method forgets than the floor does, and that in words."""
    floors = [group for group in section.groups if group.role == "floor" and group.estimate("forgetting")]
    others = [group for group in section.groups if not group.role and group.estimate("forgetting")]
    if not floors or not others:
        return None
    floor = floors[0]
    best = max(others, key=lambda group: _mean(group, "average_accuracy"))
    lost, kept = floor.estimate("forgetting"), best.estimate("forgetting")
    if lost is None or kept is None:
        return None
    gap = lost.mean - kept.mean
    accuracy = f"and ends at {percent(_mean(best, 'average_accuracy'), 1)} % instead of "
    accuracy += f"{percent(_mean(floor, 'average_accuracy'), 1)} %"
    if abs(gap) <= _noise(lost, kept):
        return -1.0, f"{best.label} forgets about as much as {floor.label} {_place(section)}, {accuracy}."
    less = "less" if gap > 0 else "more"
    return (
        gap,
        f"{best.label} forgets {percent(abs(gap), 1)} points {less} than {floor.label} {_place(section)}, {accuracy}.",
    )


def _noise(a: Estimate, b: Estimate) -> float:
    """Half the 95 % interval of a difference of two means; 0 where one of them has a single seed."""
    return welch_half_width(a, Published(b.mean, b.n, b.std))


def _mean(group: Group, metric: str) -> float:
    found = group.estimate(metric)
    return found.mean if found else 0.0


def _outcome(group: Group) -> str:
    """`ends at 61.8 % with 30.1 points forgotten`."""
    ends = f"ends at {percent(_mean(group, 'average_accuracy'), 1)} %"
    lost = group.estimate("forgetting")
    if lost is None:
        return f"{ends} (one task alone: nothing can be forgotten)"
    if lost.mean < 0:
        return f"{ends}, its old tasks {percent(-lost.mean, 1)} points better than they were"
    return f"{ends} with {percent(lost.mean, 1)} points forgotten"


def _place(section: Section) -> str:
    return f"on {section.stream} in the {section.scenario} scenario"
