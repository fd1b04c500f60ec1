"""What was answered in the tests, label by label: `predictions.npz`, never a pickle. No torch.

The file holds `true/j`, the labels of task j's test images, and `aware/i/j` or `agnostic/i/j`, the answers on them
after task i was learned: told the task, or not told. All are uint16, (N_j,).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import damaged, read_arrays, write_arrays
from .errors import StorageError

Matrix = NDArray[np.float64]
Labels = NDArray[np.uint16]
Answers = Mapping[tuple[int, int], Labels]

FILE = "predictions.npz"


@dataclass(frozen=True)
class Predictions:
    """Labels by the last task learned, i, and the task tested, j."""

    true: tuple[Labels, ...]  # of each task's test images, (N_j,)
    aware: Answers = field(default_factory=dict)  # (i, j): told the task
    agnostic: Answers = field(default_factory=dict)  # (i, j): not told

    @property
    def sizes(self) -> tuple[int, ...]:
        """Test images of each task."""
        return tuple(len(labels) for labels in self.true)

    def scored(self, scenario: str) -> Answers:
        """The answers that the accuracy matrix counts: told the task in the task scenario alone."""
        return self.aware if scenario == "task" else self.agnostic


def accuracy_from_predictions(true: tuple[Labels, ...], answers: Answers) -> Matrix:
    """The accuracy matrix that these answers make, (T, T), NaN where there is none.

    >>> accuracy_from_predictions((np.array([0, 1]),), {(0, 0): np.array([0, 0])}).tolist()
    [[0.5]]
    """
    tasks = 1 + max((i for i, _ in answers), default=-1)
    accuracy = np.full((tasks, tasks), np.nan)
    for (i, j), labels in answers.items():
        accuracy[i, j] = np.mean(labels == true[j])
    return accuracy


def write_predictions(folder: Path, predictions: Predictions) -> None:
    """Write a run's predictions in one step.

    Raises:
        StorageError: the place cannot be written, or a label does not fit into 16 bits.
    """
    arrays = {f"true/{j}": labels for j, labels in enumerate(predictions.true)}
    for kind, answers in (("aware", predictions.aware), ("agnostic", predictions.agnostic)):
        arrays |= {f"{kind}/{i}/{j}": labels for (i, j), labels in answers.items()}
    write_arrays(folder / FILE, {name: _as_uint16(name, labels) for name, labels in arrays.items()})


def read_predictions(folder: Path) -> Predictions:
    """Read a run's predictions.

    Raises:
        StorageError: they are missing, damaged, or not what this program writes.
    """
    path = folder / FILE
    if not path.is_file():
        raise StorageError(
            f"{folder} holds no {FILE}: its predictions were not kept, so they cannot be read."
        )
    arrays = read_arrays(path)
    try:
        return _sorted_out(arrays)
    except (LookupError, ValueError) as error:
        raise damaged(path, error) from error


def _sorted_out(arrays: Mapping[str, Labels]) -> Predictions:
    true: dict[int, Labels] = {}
    answers: dict[str, dict[tuple[int, int], Labels]] = {"aware": {}, "agnostic": {}}
    for name, labels in arrays.items():
        kind, *indices = name.split("/")
        if labels.dtype != np.uint16 or labels.ndim != 1:
            raise ValueError(f"{name} is not a list of labels")
        if kind == "true":
            true[int(indices[0])] = labels
        else:
            answers[kind][int(indices[0]), int(indices[1])] = labels
    ordered = tuple(true[j] for j in range(len(true)))
    for found in answers.values():
        for (i, j), labels in found.items():
            if len(labels) != len(true[j]):
                raise ValueError(
                    f"task {j} has {len(true[j])} labels but {len(labels)} answers after task {i}"
                )
    return Predictions(ordered, **answers)


def _as_uint16(name: str, labels: NDArray[np.integer[Any]]) -> Labels:
    if labels.size and not 0 <= labels.min() <= labels.max() <= np.iinfo(np.uint16).max:
        raise StorageError(f"The predictions {name} hold a label outside 0 to 65535, which cannot be stored.")
    return labels.astype(np.uint16)
