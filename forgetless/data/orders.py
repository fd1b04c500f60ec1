"""In which order classes arrive."""

import numpy as np
import torch

from ..errors import SettingsError
from ..randomness import generator


def class_order(name: str, classes: int, seed: int) -> tuple[int, ...]:
    """The labels in order of arrival: natural, seeded, 1993, icarl, or numbers separated by commas.

    `1993`: numpy's shuffle under that seed (FACIL, PODNet, PyCIL; CIFAR-100 begins 68, 56, 78). `icarl`: the order of
    iCaRL's own code, which draws 100 permutations of 500 images from the same seed first (87, 0, 52).

    Raises:
        SettingsError: no such order, or not a permutation of the labels.
    """
    if name == "natural":
        return tuple(range(classes))
    if name == "seeded":
        return tuple(torch.randperm(classes, generator=generator(seed, "class order")).tolist())
    if name == "1993":
        return shuffled(np.random.RandomState(1993), classes)
    if name == "icarl":
        return _icarl(classes)
    return _listed(name, classes)


def _icarl(classes: int) -> tuple[int, ...]:
    if classes != 100:
        raise SettingsError(
            f"The class order 'icarl' is that of iCaRL's code for CIFAR-100's 100 classes; here are {classes}. "
            "Use natural, seeded, 1993 or a list of labels."
        )
    state = np.random.RandomState(1993)
    for _ in range(100):
        state.permutation(500)
    return shuffled(state, classes)


def shuffled(state: np.random.RandomState, size: int) -> tuple[int, ...]:
    """The numbers below `size` as numpy shuffles them; also what scikit-learn's shuffle makes of a list."""
    order = np.arange(size)
    state.shuffle(order)
    return tuple(order.tolist())


def _listed(text: str, classes: int) -> tuple[int, ...]:
    try:
        order = tuple(int(word) for word in text.split(","))
    except ValueError:
        raise SettingsError(
            f"'{text}' is no class order. Use natural, seeded, 1993, icarl, or all labels separated by commas."
        ) from None
    if sorted(order) != list(range(classes)):
        missing = sorted(set(range(classes)) - set(order))
        strange = sorted({label for label in order if order.count(label) > 1 or not 0 <= label < classes})
        faults = [
            f"{what} {_few(labels)}"
            for what, labels in (("lacks", missing), ("repeats or invents", strange))
            if labels
        ]
        raise SettingsError(
            f"A class order must name each label from 0 to {classes - 1} once; this one {' and '.join(faults)}."
        )
    return order


def _few(labels: list[int]) -> str:
    """The first labels of a list, in words."""
    return ", ".join(map(str, labels[:5])) + (" and others" if len(labels) > 5 else "")
