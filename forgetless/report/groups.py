"""Runs put together by what they were asked to do: those that differ in their seed alone are one configuration."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..estimates import Estimate, estimate
from ..metrics import METRICS, summarize
from ..record import Run
from ..settings.recipe import Recipe
from ..settings.settings import Settings


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


FLOOR, CEILING = "finetune", "joint"

_NOT_ITS_IDENTITY = {"seed", "method_file"}
_NAMED_ALREADY = {"method", "stream", "scenario", "hyper", "recipe", "method_sha256"}
PROTOCOL = (
    {field.name for kind in (Settings, Recipe) for field in fields(kind)} - _NOT_ITS_IDENTITY - _NAMED_ALREADY
)
USUAL = {
    field.name: _shown(field.default)
    for kind in (Settings, Recipe)
    for field in fields(kind)
    if field.name in PROTOCOL
}

_MACHINE = ("forgetless", "torch", "device_name", "precision")


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, in order of seed, and the name that tells it from its neighbours."""

    label: str
    settings: dict[str, Any]  # flat, without the seed
    runs: tuple[Run, ...]

    @property
    def method(self) -> str:
        """The method's name."""
        return self.runs[0].method

    @property
    def role(self) -> str:
        """`floor` or `ceiling` for the two reference lines, else empty."""
        return {FLOOR: "floor", CEILING: "ceiling"}.get(self.method, "")

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs whose numbers count."""
        return tuple(run for run in self.runs if run.state == "finished")

    @property
    def status(self) -> str:
        """How many seeds there are, and what became of those that did not finish."""
        states = Counter(run.state for run in self.runs if run.state != "finished")
        seeds = "1 seed" if len(self.runs) == 1 else f"{len(self.runs)} seeds"
        if not states:
            return seeds
        ended = ", ".join(
            state if len(self.runs) == 1 else f"{n} {state}" for state, n in sorted(states.items())
        )
        return f"{seeds}: {ended}"

    @property
    def machine(self) -> dict[str, tuple[str, ...]]:
        """The values of a few facts about where it ran; more than one where its runs differ."""
        found = {
            key: sorted({str(run.environment[key]) for run in self.runs if key in run.environment})
            for key in _MACHINE
        }
        return {key: tuple(values) for key, values in found.items() if values}

    def estimate(self, metric: str) -> Estimate | None:
        """Mean and spread of a metric over the finished runs; None where none of them has it."""
        values = [value for run in self.finished if (value := metric_of(run, metric)) is not None]
        return estimate(values) if values else None

    def reason(self, metric: str) -> str:
        """Why there is no number for a metric."""
        for run in self.finished:
            return run.reasons.get(metric, "not recorded")
        return ", ".join(sorted({run.state for run in self.runs}))


@dataclass(frozen=True)
class Section:
    """What can be compared: the configurations that learned one stream in one scenario, floor first, ceiling last."""

    stream: str
    scenario: str
    groups: tuple[Group, ...]

    @property
    def differing(self) -> dict[str, dict[str, list[str]]]:
        """Protocol fields and facts about the machine that are not the same in all rows: value -> labels."""
        known = [group for group in self.groups if group.settings]
        columns = {
            key: _by_value(known, [_shown(group.settings.get(key)) for group in known])
            for key in sorted(PROTOCOL)
        }
        for key in _MACHINE:
            if all(key in group.machine for group in self.groups):
                columns[f"{key} used" if key in PROTOCOL else key] = _by_value(
                    self.groups, [" and ".join(group.machine[key]) for group in self.groups]
                )
        return {key: by_value for key, by_value in columns.items() if len(by_value) > 1}


def _by_value(groups: Sequence[Group], values: Sequence[str]) -> dict[str, list[str]]:
    by_value: dict[str, list[str]] = {}
    for group, value in zip(groups, values, strict=True):
        by_value.setdefault(value, []).append(group.label)
    return by_value


def sections_of(runs: Sequence[Run]) -> list[Section]:
    """Runs by stream and scenario, those with figures first; in each, one group for each configuration."""
    together: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        together.setdefault((run.stream, run.scenario), []).append(run)
    order = {"task": 0, "domain": 1, "class": 2}
    places = sorted(together, key=lambda place: (place[0], order.get(place[1], 3)))
    sections = [Section(*place, groups=_ordered(_groups_of(together[place]))) for place in places]
    return sorted(sections, key=lambda section: not any(group.finished for group in section.groups))


def metric_of(run: Run, name: str) -> float | None:
    """A metric as recorded, or, if the run is older than the metric, worked out from what it stored."""
    if name in run.metrics or name not in METRICS:
        return run.metrics.get(name)
    predictions = run.predictions() if (run.path / "predictions.npz").is_file() else None
    return summarize(run.accuracy, predictions, run.scenario)[0][name]


def _groups_of(runs: Sequence[Run]) -> list[Group]:
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        seeds = found.setdefault(_identity(run), {})
        if run.seed not in seeds or seeds[run.seed].state != "finished":
            seeds[run.seed] = run
    members = [tuple(seeds[seed] for seed in sorted(seeds)) for seeds in found.values()]
    settings = [_asked(group[0]) for group in members]
    return [
        Group(label, asked, group)
        for label, asked, group in zip(_labels(settings, members), settings, members, strict=True)
    ]


def _asked(run: Run) -> dict[str, Any]:
    """The settings as one flat list, without what does not tell configurations apart."""
    flat: dict[str, Any] = {}
    for key, value in run.settings.items():
        flat |= value if isinstance(value, dict) else {key: value}
    return {key: value for key, value in flat.items() if key not in _NOT_ITS_IDENTITY}


def _identity(run: Run) -> str:
    facts = [run.method, run.tasks, run.result.get("stream_version"), _asked(run)]
    return json.dumps(facts, sort_keys=True, default=str)


def _labels(settings: Sequence[dict[str, Any]], members: Sequence[tuple[Run, ...]]) -> list[str]:
    """The method's name, and what tells it from other configurations of the same method."""
    kin: dict[str, list[int]] = {}
    for place, group in enumerate(members):
        kin.setdefault(group[0].method, []).append(place)
    labels = [""] * len(settings)
    for method, places in kin.items():
        told = told_apart([settings[place] for place in places])
        for place, words in zip(places, told, strict=True):
            label = " ".join([method, *words])
            same = labels.count(label)
            labels[place] = f"{label} ({same + 1})" if same else label
    return labels


def told_apart(settings: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """What tells each of these from the others, as `key=value`.

    Of settings that are not a method's own, only what is not as usual.
    """
    keys = sorted({key for one in settings for key in one})
    telling = [key for key in keys if len({_shown(one.get(key)) for one in settings}) > 1]
    return [
        [
            f"{key}={_shown(one.get(key))}"
            for key in telling
            if _shown(one.get(key, USUAL.get(key))) != USUAL.get(key)
        ]
        for one in settings
    ]


def _ordered(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The floor first and the ceiling last; between them from the lowest final accuracy to the highest."""

    def place(group: Group) -> tuple[int, float, str]:
        found = group.estimate("average_accuracy")
        return {"floor": 0, "ceiling": 2}.get(group.role, 1), found.mean if found else math.inf, group.label

    return tuple(sorted(groups, key=place))
