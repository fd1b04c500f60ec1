"""Duplicate and fine-tune: a whole network for each task.

    Compared in Li & Hoiem, "Learning without Forgetting", TPAMI 2018, figure 1. arXiv:1606.09282v3

What nothing is ever forgotten by, at the price of a network for each task, in bytes and in time at the test: the
ceiling for old tasks, as fine-tuning is for the new one.

    each task      train a copy of the last network on L_new, and keep it
    answer         with the copy of the task, which must therefore be known

A new task is learned exactly as by `finetune`, and starts from what that learned of the earlier ones.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from ..data import Task
from ..errors import SettingsError
from ..ops import unknown
from .base import Fit, Method, method


@method("duplicate", capturable=True)
class Duplicate(Method):
    """Fine-tune a copy of the network for each task, and keep them all."""

    scenarios = ("task",)
    needs_task = True
    isolates = ("task",)

    def setup(self) -> None:
        """Remember a network for each task."""
        self.copies = nn.ModuleList()

    def learn(self, task: Task) -> Iterator[Fit]:
        """Train as fine-tuning does, then put a copy aside."""
        self.model.grow(task.classes)
        yield Fit(task.train, only=self.model.facing(task.competing))
        self.copies.append(deepcopy(self.model).eval().requires_grad_(False))

    def logits(self, x: Tensor, task: Task | None = None) -> Tensor:
        """The scores of the task's own network; later labels cannot win. (B, K, H, W) -> (B, C)"""
        if task is None:
            raise SettingsError("duplicate has a network for each task: it must be told which task.")
        network = self.copies[task.index] if task.index < len(self.copies) else self.model
        scores: Tensor = network(x)
        return unknown(scores, self.model.head.size - scores.shape[-1])

    def influences(self, task: Task) -> dict[str, Tensor]:
        """The task's network whole."""
        return dict(self.copies[task.index].state_dict())

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        kept = {key.split(".")[prefix.count(".") + 1] for key in state if key.startswith(f"{prefix}copies.")}
        self.copies = nn.ModuleList(deepcopy(self.model).eval().requires_grad_(False) for _ in kept)
        super()._load_from_state_dict(state, prefix, *rest)
