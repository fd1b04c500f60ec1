"""What a checkpoint of a run says: how far each task is learned, and what was answered until then."""

from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checkpoint import Checkpoint
from .loop import Moment, Progress
from .state import State

Labels = dict[tuple[int, int], NDArray[np.uint16]]
"""Predicted labels by (last task learned, task tested)."""


@dataclass
class Account:
    """What has come of a run so far."""

    steps: int = 0
    resumed: int = 0
    bytes: dict[str, int] = field(default_factory=dict)
    log_bytes: int = 0  # length of the log that belongs to the checkpoint
    seconds: dict[str, float] = field(default_factory=dict)  # as read from the clock when saved


@dataclass
class Saved:
    """A run between two steps, or between two tasks."""

    task: int  # tasks learned and scored
    progress: Progress  # through the next one
    account: Account
    aware: Labels
    agnostic: Labels
    fingerprint: str  # of the data

    def to_checkpoint(self) -> Checkpoint:
        """As tensors and facts."""
        progress, now = self.progress, self.progress.now
        tensors = _put("start", progress.start)
        for number, state in enumerate(progress.finished):
            tensors |= _put(f"finished/{number}", state)
        if now is not None:
            tensors |= _put("now", now.method) | _put("optimizer", now.optimizer) | _put("best", now.best)
            tensors |= {
                "generator/augment": now.augment,
                "generator/ambient": now.ambient,
                "losses": now.losses,
            }
        for kind, labels in (("aware", self.aware), ("agnostic", self.agnostic)):
            tensors |= _put(kind, _rows(labels))
        facts = {
            "task": self.task,
            "finished": len(progress.finished),
            "step": None if now is None else now.step,
            "fingerprint": self.fingerprint,
            "account": asdict(self.account),
        }
        return Checkpoint(tensors, facts)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "Saved":
        """From tensors and facts."""
        tensors, facts = checkpoint.tensors, checkpoint.facts
        now = None
        if facts["step"] is not None:
            generators = _take("generator", tensors)
            now = Moment(
                facts["step"],
                _take("now", tensors),
                _take("optimizer", tensors),
                generators["augment"],
                generators["ambient"],
                tensors["losses"],
                _take("best", tensors),
            )
        finished = [_take(f"finished/{number}", tensors) for number in range(facts["finished"])]
        return cls(
            facts["task"],
            Progress(_take("start", tensors), finished, now),
            Account(**facts["account"]),
            _labels("aware", tensors),
            _labels("agnostic", tensors),
            facts["fingerprint"],
        )


def _put(prefix: str, state: State) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value for name, value in state.items()}


def _take(prefix: str, tensors: dict[str, Tensor]) -> State:
    start = len(prefix) + 1
    return {name[start:]: value for name, value in tensors.items() if name.startswith(f"{prefix}/")}


def _rows(labels: Labels) -> State:
    """The answers after each task as one tensor: thousands of small ones would take longer to write than to learn."""
    rows: dict[int, list[NDArray[np.uint16]]] = {}
    for (i, _), value in labels.items():
        rows.setdefault(i, []).append(value)
    made = {str(i): torch.from_numpy(np.concatenate(row).astype(np.int32)) for i, row in rows.items()}
    last = rows[max(rows)] if rows else []
    return made | {"sizes": torch.tensor([len(value) for value in last], dtype=torch.int64)}


def _labels(kind: str, tensors: dict[str, Tensor]) -> Labels:
    rows = _take(kind, tensors)
    sizes = rows.pop("sizes").tolist()
    return {
        (int(i), j): value.numpy().astype(np.uint16)
        for i, row in rows.items()
        for j, value in enumerate(torch.split(row, sizes[: int(i) + 1]))
    }
