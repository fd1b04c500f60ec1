"""Anybody's arrays as a stream: images of bytes or features of floats, labels of any kind."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from ..settings.folders import natural
from .cut import check_scenario, compile_stream, hold_out, share_out, split_cuts
from .normalise import choose_pixels
from .orders import class_order
from .source import Source, hash_tensors
from .task import Scenario, Stream

SCENARIOS = ("class", "task", "domain")


def stream_from_arrays(
    x: Any,
    y: Iterable[Hashable],
    tests: tuple[Any, Iterable[Hashable]],
    *,
    tasks: int = 2,
    base: int = 0,
    scenario: Scenario = "class",
    name: str = "arrays",
    order: str = "natural",
    seed: int = 0,
    limit: int | None = None,
    validation: float = 0.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    crop: int = 0,
    flip: bool = False,
) -> Stream:  # fmt: skip
    """A stream whose classes are shared out over tasks, from numpy arrays, tensors or lists.

    x: images (N, H, W) or (N, H, W, K) of bytes, or features (N, ...) of floats; y: N labels of any kind; tests: the
    same two, for testing. Classes come in natural order of their labels unless `order` says otherwise. Bytes are
    normalised by the training images' own mean and deviation unless these are given; floats are taken as they are.

    Raises:
        DataError: arrays that do not fit together or hold no finite numbers; a class without images.
        SettingsError: more tasks than classes, a wrong class order.
    """
    check_scenario(name, SCENARIOS, scenario)
    source = source_from_arrays(x, y, tests)
    pixels = choose_pixels(source, mean, std, crop=crop, flip=flip)
    held = hold_out(source, limit, validation)
    arrival = class_order(order, len(source.class_names), seed)
    cuts = split_cuts(arrival, share_out(len(arrival), tasks, base), scenario)
    return compile_stream(name, 1, source, cuts, scenario, pixels, held)


def source_from_arrays(x: Any, y: Iterable[Hashable], tests: tuple[Any, Iterable[Hashable]]) -> Source:
    """Arrays as a data set: checked, labels numbered in natural order. Raises DataError in sentences."""
    train_x, test_x = _examples(x, "training"), _examples(tests[0], "test")
    if train_x.dtype != test_x.dtype or train_x.shape[1:] != test_x.shape[1:]:
        raise DataError(
            f"Training examples are {_shape(train_x)} and test examples {_shape(test_x)}; they must be of one kind."
        )
    train_labels, test_labels = _labels(y, len(train_x), "training"), _labels(tests[1], len(test_x), "test")
    labels = sorted(set(train_labels), key=_sort_key)
    names = tuple(map(str, labels))
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            f"Several labels of different kinds are all called '{twins[0]}'. Give each class its own name."
        )
    number = {label: index for index, label in enumerate(labels)}
    if strange := sorted({str(label) for label in test_labels if label not in number}):
        raise DataError(f"The test labels have '{strange[0]}', of which there is no training example.")
    train_y, test_y = (
        torch.tensor([number[label] for label in given]) for given in (train_labels, test_labels)
    )
    parts = (train_x, train_y, test_x, test_y)
    return Source(*parts, names, hash_tensors(*parts))


def _examples(x: Any, which: str) -> Tensor:
    """Examples as a tensor of bytes (N, H, W, K) or of float32 (N, ...)."""
    try:
        given = x.detach().cpu() if isinstance(x, Tensor) else torch.from_numpy(np.array(x))
    except (TypeError, ValueError) as error:
        raise DataError(f"The {which} examples are no array of numbers: {error}.") from error
    if given.ndim == 0 or given.numel() == 0:
        raise DataError(f"There are no {which} examples: the array is {_shape(given)}.")
    if given.dtype == torch.uint8:
        if given.ndim not in (3, 4) or (given.ndim == 4 and given.shape[3] not in (1, 3)):
            raise DataError(
                f"The {which} images are {_shape(given)}; bytes are images, (N, H, W) or (N, H, W, 1 or 3). "
                "Give features as floats."
            )
        return (given if given.ndim == 4 else given[..., None]).contiguous()
    if not given.is_floating_point():
        raise DataError(
            f"The {which} examples are of type {given.dtype}; give images as uint8 or features as floats."
        )
    if given.ndim < 2:
        raise DataError(
            f"The {which} features are {_shape(given)}; they need at least two dimensions, (N, D)."
        )
    given = given.float()  # first: what is finite in 64 bits may not be in 32
    if bad := int((~given.isfinite()).flatten(1).any(1).sum()):
        raise DataError(
            f"{bad:,} of {len(given):,} {which} examples hold NaN, infinity or numbers too large. "
            "Replace or remove these."
        )
    return given.contiguous()


def _labels(y: Iterable[Hashable], count: int, which: str) -> list[Hashable]:
    """Labels as plain values, one for each example."""
    labels = list(y.tolist() if isinstance(y, (np.ndarray, Tensor)) else y)
    if len(labels) != count:
        raise DataError(
            f"There are {count:,} {which} examples but {len(labels):,} labels; each example needs one."
        )
    for label in labels:
        if not isinstance(label, Hashable) or label != label or label is None:
            raise DataError(f"{label!r} is among the {which} labels and cannot name a class.")
    return labels


def _sort_key(label: Hashable) -> tuple[Any, ...]:
    """Numbers by value before everything else by name, in natural order."""
    return (0, label) if isinstance(label, (int, float)) else (1, natural(str(label)))


def _shape(x: Tensor) -> str:
    return f"{tuple(x.shape)} of {str(x.dtype).removeprefix('torch.')}"
