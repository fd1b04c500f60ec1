"""A stream is data: tasks in order, each with its examples and its label space. No training, no devices' logic.

Labels are in order of arrival: the first task's classes come first. What a network may know of the label space
in a scenario is compiled into two fields of each task, `old_groups` and `rivals`; nothing else asks which
scenario it is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .augment import Pixels

Scope = tuple[int, ...]
Scenario = Literal["task", "class", "domain"]


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled examples as they are stored: x (N, H, W, K) uint8, or (N, ...) float; y (N,) int64."""

    x: Tensor
    y: Tensor
    pixels: Pixels = field(default_factory=Pixels)
    parts: tuple[int, ...] = ()  # how many examples each split had that it was put together from

    def __len__(self) -> int:
        return len(self.y)

    def inputs(self, rows: Tensor | slice, generator: torch.Generator | None = None) -> Tensor:
        """What a network sees of these rows, (B, K, H, W) float; augmented if a generator is given."""
        # index_select copies row by row, where indexing with a tensor goes byte by byte: twenty times as quick
        x = self.x[rows] if isinstance(rows, slice) else self.x.index_select(0, rows)
        return self.pixels.prepare(x, generator)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples in order, not augmented: (inputs, labels) of at most `size` rows."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield self.inputs(rows), self.y[rows]

    def select(self, rows: Tensor) -> "Split":
        """The examples of these rows."""
        return replace(self, x=self.x[rows], y=self.y[rows], parts=())

    def evened(self) -> "Split":
        """As many examples of each part as the largest has: those of the others again and again, in their order."""
        sizes = self.parts or (len(self),)
        starts = accumulate(sizes, initial=0)
        rows = [start + torch.arange(max(sizes)) % size for start, size in zip(starts, sizes, strict=False)]
        return self.select(torch.cat(rows).to(self.y.device))

    def to(self, device: torch.device | str) -> "Split":
        """The same examples on a device."""
        return replace(self, x=self.x.to(device), y=self.y.to(device))

    @property
    def nbytes(self) -> int:
        """Bytes that storing these examples takes."""
        return self.x.nbytes + self.y.nbytes

    @staticmethod
    def concatenate(parts: Sequence["Split"]) -> "Split":
        """All examples of several splits, in order."""
        first = parts[0]
        x, y = torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts])
        return replace(first, x=x, y=y, parts=tuple(map(len, parts)))


class Batch(NamedTuple):
    """One step's examples, as a loss sees them."""

    x: Tensor  # (B, K, H, W) float, normalised and augmented
    y: Tensor  # (B,) labels in order of arrival
    index: Tensor  # type: ignore[assignment]  # (B,) rows of the Fit's data, to reach what was stored of an example
    progress: Tensor  # () in [0, 1): how much of this Fit is done
    replay: "Batch | None" = None  # examples drawn from what the Fit replays; rows of that
    visit: int = 0  # which of the Fit's visits of these examples this is


@dataclass(frozen=True, eq=False)
class Task:
    """What a method may know of one task. There is no test data here: a method never holds any."""

    index: int
    classes: Scope  # labels that occur in this task's data
    seen: Scope  # labels that have occurred so far, these included
    old_groups: tuple[Scope, ...]  # the softmax groups that the network had before this task
    rivals: Tensor  # (C, C) bool: rivals[y] marks the labels that share a softmax with y
    make_train: Callable[[], Split] = field(repr=False)
    validation: Split | None = field(
        default=None, repr=False
    )  # held out of the training data; for the engine

    @cached_property
    def train(self) -> Split:
        """The training examples, made when first asked for."""
        return self.make_train()

    @cached_property
    def competing(self) -> Scope:
        """The labels that share a softmax with any label of this task: what its cross-entropy can reach."""
        return tuple(self.rivals[list(self.classes)].any(0).nonzero().flatten().tolist())


class Layout(NamedTuple):
    """The label space of one task, as `Task` describes it."""

    classes: Scope
    seen: Scope
    old_groups: tuple[Scope, ...]
    rivals: Tensor


@dataclass(frozen=True, eq=False)
class Stream:
    """Tasks in order, and the tests that stay with the engine."""

    name: str
    version: int
    scenario: Scenario
    fingerprint: str  # of the stored bytes, the order and the labels: equal means equal data
    class_names: tuple[str, ...]  # in order of arrival
    layouts: tuple[Layout, ...]
    trains: tuple[Callable[[], Split], ...]
    tests: tuple[Split, ...]
    validations: tuple[Split, ...] = ()  # held out of the training data, per class, on request
    notes: tuple[str, ...] = ()  # what the user should know of how the stream was made, in sentences

    def __len__(self) -> int:
        return len(self.layouts)

    def __str__(self) -> str:
        return f"{self.name}, {self.scenario} scenario"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example as a network sees it, (K, H, W)."""
        return tuple(self.tests[0].inputs(slice(0, 1)).shape[1:])

    def task(self, index: int, device: torch.device | str = "cpu", *, with_past: bool = False) -> Task:
        """Task `index` anew; its training data are made on first use and go with it.

        `with_past` gives the training data of this and of all earlier tasks: what `joint` learns from.
        """
        makers = self.trains[: index + 1] if with_past else self.trains[index : index + 1]

        def make() -> Split:
            return Split.concatenate([maker() for maker in makers]).to(device)

        layout = self.layouts[index]
        classes = layout.seen if with_past else layout.classes
        held = self.validations[0 if with_past else index : index + 1]
        validation = Split.concatenate(held).to(device) if held else None
        return Task(
            index, classes, layout.seen, layout.old_groups, layout.rivals.to(device), make, validation
        )

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in order."""
        return tuple(self.task(i) for i in range(len(self)))


def compile_layouts(scenario: Scenario, classes: Sequence[Scope]) -> tuple[Layout, ...]:
    """The label space of each task, from the labels that occur in it, in order of arrival.

    task     every task has its own softmax; the task is revealed at test time
    class    one softmax over all labels seen so far; nothing is revealed
    domain   every task has the same labels, one softmax
    """
    layouts: list[Layout] = []
    seen: Scope = ()
    groups: tuple[Scope, ...] = ()
    for present in classes:
        old = groups
        seen = tuple(sorted({*seen, *present}))
        groups = (*groups, tuple(present)) if scenario == "task" else (seen,)
        rivals = torch.zeros(max(seen) + 1, max(seen) + 1, dtype=torch.bool)
        for group in groups:
            for label in group:
                rivals[label, list(group)] = True
        layouts.append(Layout(tuple(present), seen, old, rivals))
    return tuple(layouts)
