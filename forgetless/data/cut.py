"""A stream is cut from a source: for each task which classes, under which labels, and what is done to the images."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError, SettingsError
from ..files import sha256
from ..settings.catalog import HeldOut
from .augment import Pixels
from .changes import Change
from .source import Source, hash_tensors
from .task import Scenario, Split, Stream, compile_layouts


@dataclass(frozen=True)
class Cut:
    """One task: the source's classes that it has, and the label under which each of them arrives."""

    classes: tuple[int, ...]
    labels: tuple[int, ...]
    change: Change | None = None


@dataclass(frozen=True)
class Held:
    """Which training images are learned from and which are held out, as rows of the source."""

    train: Tensor
    later: Tensor  # what tasks after the first learn from: all of `train`, fewer of it, or more
    validation: Tensor


def check_scenario(name: str, offered: tuple[str, ...], asked: str) -> None:
    """Refuse a scenario that a stream does not offer."""
    if asked not in offered:
        raise SettingsError(
            f"{name} has no {asked} scenario: how its tasks relate does not allow one. It has: {', '.join(offered)}."
        )


def share_out(classes: int, tasks: int, base: int = 0) -> list[int]:
    """How many classes each task has: as even as can be, larger ones first; after a base of its own size if given.

    Raises:
        SettingsError: fewer classes than tasks.
    """
    rest, parts = classes - base, tasks - bool(base)
    if tasks < 1 or base < 0:
        raise SettingsError(
            f"A stream needs at least one task and no negative base; {tasks} and {base} were given."
        )
    if parts > rest or (base and parts < 1):
        raise SettingsError(
            f"{tasks} tasks were asked for"
            + (f", the first of {base} classes" if base else "")
            + f", but there are {classes} classes in all and every task needs at least one. Ask for fewer tasks."
        )
    return ([base] if base else []) + [rest // parts + (i < rest % parts) for i in range(parts)]


def superclass_cuts(order: Sequence[int], groups: Sequence[int], change: Change | None = None) -> list[Cut]:
    """One task for each superclass in `order`: its classes, lowest number first. groups[y] is the superclass of y."""
    cuts, first = [], 0
    for group in order:
        classes = tuple(label for label, found in enumerate(groups) if found == group)
        cuts.append(Cut(classes, tuple(range(first, first + len(classes))), change))
        first += len(classes)
    return cuts


def split_cuts(order: Sequence[int], sizes: Sequence[int], scenario: Scenario) -> list[Cut]:
    """Classes in order of arrival, `sizes` of them in each task; in the domain scenario labels count anew in each.

    Raises:
        SettingsError: the domain scenario with tasks of different sizes.
    """
    if scenario == "domain" and len(set(sizes)) > 1:
        raise SettingsError(
            f"In the domain scenario every task has the same labels, but {sum(sizes)} classes make tasks of "
            f"{', '.join(map(str, sizes))}. Ask for a number of tasks that divides {sum(sizes)}, or another scenario."
        )
    cuts, start = [], 0
    for size in sizes:
        first = 0 if scenario == "domain" else start
        cuts.append(Cut(tuple(order[start : start + size]), tuple(range(first, first + size))))
        start += size
    return cuts


def changed_cuts(classes: int, changes: Sequence[Change | None], scenario: Scenario) -> list[Cut]:
    """All classes in every task, changed; labels shared in the domain scenario, else each task has its own."""
    everything = tuple(range(classes))
    firsts = [0 if scenario == "domain" else classes * task for task in range(len(changes))]
    return [
        Cut(everything, tuple(range(first, first + classes)), change)
        for first, change in zip(firsts, changes, strict=True)
    ]


def hold_out(
    source: Source, limit: int | None, share: float, rule: HeldOut = "spread", later_limit: int | None = None
) -> Held:
    """The first `limit` images of each class; of these a share that is held out, and what is left for each task.

    Tasks after the first have the first `later_limit` of what is left, from images beyond `limit` if it is the larger.

    The rule `spread` takes the same share of each class, evenly spread over its images; `first` takes the first of all
    images as they are stored. Which images these are does not depend on the run's seed: all seeds are validated on the
    same ones.

    Raises:
        DataError: a class has too few images to give any away.
        SettingsError: a limit or a share that is none.
    """
    for name, most in (("limit", limit), ("later_limit", later_limit)):
        if most is not None and most < 1:
            raise SettingsError(
                f"{name} is the most training images per class and must be at least 1, not {most}."
            )
    if not 0 <= share < 1:
        raise SettingsError(f"validation is a share from 0 to below 1, not {share:g}.")
    classes = [_rows_of(source, label, limit) for label in range(len(source.class_names))]
    rows = torch.cat(classes).sort().values
    held = torch.zeros(len(source.train_y), dtype=torch.bool)
    if rule == "first":
        held[rows[: round(share * len(rows))]] = True
    for mine, name in zip(classes, source.class_names, strict=True):
        count = round(share * len(mine))
        if rule == "spread":
            held[mine[(torch.arange(count) * len(mine)) // max(count, 1)]] = True
        if share and (held[mine].all() or (rule == "spread" and not count)):
            raise DataError(
                f"Holding out {share:g} of the class '{name}' for validation is not possible: it has {len(mine)} "
                f"training image{'s' * (len(mine) != 1)}, and both parts need one. Give another share or more images."
            )
    train = later = rows[~held[rows]]
    if later_limit is not None:
        most = None if limit is None else max(limit, later_limit)
        every = [_rows_of(source, label, most) for label in range(len(classes))]
        later = torch.cat([mine[~held[mine]][:later_limit] for mine in every]).sort().values
    return Held(train, later, rows[held[rows]])


def _rows_of(source: Source, label: int, limit: int | None) -> Tensor:
    """The rows of a class's first training images, checked to be some, and its test images too."""
    rows = (source.train_y == label).nonzero().flatten()[:limit]
    if not len(rows) or not (source.test_y == label).any():
        kind = "test" if len(rows) else "training"
        name = source.class_names[label]
        raise DataError(f"The class '{name}' has no {kind} images. Give it some, or leave it out.")
    return rows


def take(x: Tensor, y: Tensor, rows: Tensor, cut: Cut, pixels: Pixels) -> Split:
    """The examples among `rows` that a task has, in stored order, under the labels of the stream."""
    relabel = torch.full((int(y.max()) + 1,), -1)
    relabel[list(cut.classes)] = torch.tensor(cut.labels)
    labels = relabel[y[rows]]
    mine = labels >= 0
    chosen = rows[mine]
    images = x if len(chosen) == len(x) else x[chosen]
    return Split(cut.change(images) if cut.change else images, labels[mine], pixels)


def compile_stream(
    name: str,
    version: int,
    source: Source,
    cuts: Sequence[Cut],
    scenario: Scenario,
    pixels: Pixels,
    held: Held,
) -> Stream:
    """A stream whose training data are made when asked for; tests and validation data are made now."""
    # What makes a task's training data goes with the task to the method, so it must not hold the tests.
    x, y, first, others = source.train_x, source.train_y, held.train, held.later

    def making(index: int) -> Callable[[], Split]:
        return lambda: take(x, y, others if index else first, cuts[index], pixels)

    everything = torch.arange(len(source.test_y))
    held_out = cuts if len(held.validation) else ()
    facts = [
        version, scenario, source.fingerprint, tuple(source.train_x.shape), repr(pixels),
        hash_tensors(held.train), hash_tensors(held.validation),
        [(cut.classes, cut.labels, cut.change.fact if cut.change else "") for cut in cuts],
    ]  # fmt: skip
    if not torch.equal(held.later, held.train):
        facts.append(hash_tensors(held.later))
    return Stream(
        name=name,
        version=version,
        scenario=scenario,
        fingerprint=sha256(json.dumps(facts).encode()),
        class_names=_names(source.class_names, cuts),
        layouts=compile_layouts(scenario, [cut.labels for cut in cuts]),
        trains=tuple(making(index) for index in range(len(cuts))),
        tests=tuple(take(source.test_x, source.test_y, everything, cut, pixels) for cut in cuts),
        validations=tuple(
            take(source.train_x, source.train_y, held.validation, cut, pixels) for cut in held_out
        ),
    )


def _names(names: Sequence[str], cuts: Sequence[Cut]) -> tuple[str, ...]:
    """What each label of a stream is called: its class; all its classes where tasks share it; with the task's number
    where one class has a label in each task.
    """
    called: dict[int, list[str]] = {}
    every = [label for cut in cuts for label in cut.classes]
    own = len(set(every)) < len({label for cut in cuts for label in cut.labels})
    for task, cut in enumerate(cuts):
        for source_label, label in zip(cut.classes, cut.labels, strict=True):
            name = f"{names[source_label]} of task {task + 1}" if own else names[source_label]
            if name not in called.setdefault(label, []):
                called[label].append(name)
    return tuple("/".join(called[label]) for label in range(len(called)))
