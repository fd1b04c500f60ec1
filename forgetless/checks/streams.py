"""Checks of streams: their labels, their splits, their images."""

from collections.abc import Callable
from hashlib import blake2b
from itertools import pairwise

import torch
from torch import Tensor

from ..data import Stream
from .faults import require

# How many images, or which share of a split, may be in the training data too: published sets hold a few images twice.
TWICE, DUPLICATES = 3, 0.01


def check_labels_arrive_in_order(stream: Stream) -> None:
    """Labels are numbered as they arrive, without gaps, and each has a name."""
    before = 0
    for index, layout in enumerate(stream.layouts):
        require(
            layout.seen == tuple(range(len(layout.seen))),
            f"When task {index + 1} arrives the labels {layout.seen} have been seen. They must count up from 0.",
        )
        fresh = tuple(range(before, len(layout.seen)))
        require(
            set(fresh) <= set(layout.classes) and set(layout.classes) <= set(layout.seen),
            f"Task {index + 1} brings the labels {fresh}, but says that it has {layout.classes}.",
        )
        before = len(layout.seen)
    require(len(stream.class_names) == before, f"{before} labels have {len(stream.class_names)} names.")


def check_rivals_agree_with_the_scenario(stream: Stream) -> None:
    """Labels that share a softmax are those of the scenario, and each task knows the softmaxes before it."""
    for index, layout in enumerate(stream.layouts):
        parts = [past.classes for past in stream.layouts[: index + 1]]
        groups = tuple(dict.fromkeys(parts)) if stream.scenario == "task" else (layout.seen,)
        expected = torch.zeros(len(layout.seen), len(layout.seen), dtype=torch.bool)
        for group in groups:
            expected[torch.tensor(group)[:, None], torch.tensor(group)] = True
        require(
            torch.equal(layout.rivals, expected),
            f"The table of rivals of task {index + 1} is not that of the {stream.scenario} scenario.",
        )
        old = (
            ()
            if not index
            else groups[:-1]
            if stream.scenario == "task"
            else (stream.layouts[index - 1].seen,)
        )
        require(
            layout.old_groups == old,
            f"Task {index + 1} says that the groups {layout.old_groups} were there before it; they were {old}.",
        )
    if stream.scenario == "domain":
        same = all(a.classes == b.classes for a, b in pairwise(stream.layouts))
        require(same, "In the domain scenario every task must have the same labels.")


def check_splits_have_their_tasks_labels(stream: Stream) -> None:
    """Every split has examples of each of its task's labels, and of no other."""
    require(len(stream) > 0, "The stream has no tasks.")
    counts = (len(stream.layouts), len(stream.trains), len(stream.tests))
    require(len(set(counts)) == 1, f"There are {counts} layouts, training sets and tests.")
    for index, layout in enumerate(stream.layouts):
        held = {"validation": stream.validations[index]} if stream.validations else {}
        for name, split in {"training": stream.trains[index](), "test": stream.tests[index], **held}.items():
            labels = tuple(sorted(set(split.y.tolist())))
            require(
                labels == tuple(sorted(layout.classes)),
                f"The {name} data of task {index + 1} have the labels {labels}, the task has {layout.classes}.",
            )
            require(len(split.x) == len(split.y), f"The {name} data of task {index + 1} differ in length.")


def check_shapes_are_equal(stream: Stream) -> None:
    """All images have one shape and one kind, in every task and every split."""
    splits = [*stream.tests, *stream.validations, *(make() for make in stream.trains)]
    shapes = {(tuple(split.x.shape[1:]), split.x.dtype) for split in splits}
    require(len(shapes) == 1, f"There are images of several shapes or kinds: {sorted(map(str, shapes))}.")
    inputs = stream.tests[0].inputs(slice(0, 1))
    require(
        tuple(inputs.shape[1:]) == stream.input_shape and inputs.is_floating_point(),
        "What a network sees is not of the shape that the stream says, or not of floating point.",
    )


def check_tests_stay_apart(stream: Stream) -> None:
    """No test image lies in the memory of training data, and hardly any is equal to one."""
    for index, (make, test) in enumerate(zip(stream.trains, stream.tests, strict=True)):
        train = make()
        apart = [test, *stream.validations[index : index + 1]]
        for name, split in zip(("test", "validation"), apart, strict=False):
            require(
                split.x.untyped_storage().data_ptr() != train.x.untyped_storage().data_ptr(),
                f"The {name} images of task {index + 1} lie in the same memory as its training images.",
            )
            known = set(_digests(train.x))
            twice = sum(digest in known for digest in _digests(split.x))
            require(
                twice <= max(TWICE, DUPLICATES * len(split)),
                f"{twice} of the {len(split)} {name} images of task {index + 1} are training images too.",
            )


def _digests(images: Tensor) -> list[bytes]:
    rows = images.contiguous().reshape(len(images), -1).view(torch.uint8).numpy()
    return [blake2b(row.tobytes(), digest_size=16).digest() for row in rows]


def check_training_data_are_made_alike(stream: Stream) -> None:
    """Training data made twice are the same; with the past they are those of all tasks so far, in order."""
    for index, make in enumerate(stream.trains):
        one, two = make(), make()
        require(
            torch.equal(one.x, two.x) and torch.equal(one.y, two.y),
            f"The training data of task {index + 1}, made twice, are not the same.",
        )
    last = stream.task(len(stream) - 1, with_past=True)
    whole = torch.cat([make().y for make in stream.trains])
    require(
        torch.equal(last.train.y, whole), "The data of all tasks so far are not those of the tasks in order."
    )


def check_built_twice_is_the_same(stream: Stream, again: Stream) -> None:
    """Two builds have the same fingerprint, and the fingerprint tells the truth."""
    require(stream.fingerprint == again.fingerprint, "Built twice, the stream has two fingerprints.")
    for index, (one, two) in enumerate(zip(stream.trains, again.trains, strict=True)):
        a, b = one(), two()
        require(
            torch.equal(a.x, b.x) and torch.equal(a.y, b.y),
            f"Built twice, task {index + 1} has other training data under the same fingerprint.",
        )


CHECKS: tuple[Callable[[Stream], None], ...] = (
    check_labels_arrive_in_order,
    check_rivals_agree_with_the_scenario,
    check_splits_have_their_tasks_labels,
    check_shapes_are_equal,
    check_tests_stay_apart,
    check_training_data_are_made_alike,
)
