"""Test-time: what a method answers on every test so far. Measured after every task, every cell, always."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import Stream
from ..errors import SettingsError
from ..methods import Method
from ..models import folded
from .plan import Plan
from .terms import called

BATCH = {"cpu": 128}  # on a CPU larger batches leave the cache
ACCELERATOR_BATCH = 1024


@dataclass(frozen=True)
class Answers:
    """Labels predicted for one test, (N,) each: with the task known, and without, where a scenario has both."""

    aware: Tensor | None
    agnostic: Tensor | None


@torch.no_grad()
def evaluate(method: Method, stream: Stream, after: int, plan: Plan) -> list[Answers]:
    """What the method answers on tests 0 to `after`, having learned task `after`.

    In the task scenario the method is told the task and chooses among its labels. In the class scenario it
    chooses among all labels seen; what it would have chosen among the task's own is kept beside. In the domain
    scenario all tasks have the same labels, and nothing is told.

    Raises:
        SettingsError: the method gives no score for each image and label.
    """
    method.eval()
    with _folded(method, plan):
        return [_answers(method, stream, index, after, plan) for index in range(after + 1)]


@contextmanager
def _folded(method: Method, plan: Plan) -> Iterator[None]:
    """Inside: the method asks a copy of its network whose batch normalisation is folded into the convolutions.

    The answers are the same but for rounding, a fifth quicker in fp32; where they must be exact it asks its own.
    """
    own = method.model
    method.model = own if plan.deterministic else folded(own)
    try:
        yield
    finally:
        method.model = own


def _answers(method: Method, stream: Stream, index: int, after: int, plan: Plan) -> Answers:
    task = stream.task(index, plan.device)
    told = task if stream.scenario == "task" else None
    own, seen = (
        torch.tensor(labels, device=plan.device) for labels in (task.classes, stream.layouts[after].seen)
    )
    wanted = max(stream.layouts[after].seen) + 1
    aware: list[Tensor] = []
    agnostic: list[Tensor] = []
    for x, _ in stream.tests[index].to(plan.device).batches(BATCH.get(plan.device.type, ACCELERATOR_BATCH)):
        with plan.computing():
            scores = method.logits(x, told)
        if fault := fault_of_scores(scores, len(x), wanted):
            raise SettingsError(f"{type(method).__name__}.logits gave {fault}")
        if stream.scenario != "domain":
            aware.append(_best(scores, own))
        if stream.scenario != "task":
            agnostic.append(_best(scores, seen))
    return Answers(_joined(aware), _joined(agnostic))


def fault_of_scores(scores: Any, images: int, labels: int) -> str:
    """What a method gave in place of a score for each image and label, and what it gives; empty where it gave that."""
    if isinstance(scores, Tensor):
        if scores.dim() == 2 and len(scores) == images and scores.shape[1] >= labels:
            return ""
        given = f"a tensor of shape {tuple(scores.shape)}"
    else:
        given = called(scores)
    return (
        f"{given} for {images} images. It gives a score for each image and each label seen: a tensor of shape "
        f"({images}, {labels}) or wider."
    )


def _best(scores: Tensor, labels: Tensor) -> Tensor:
    """The best scored of these labels. (B, C), (L,) -> (B,)"""
    return labels[scores[:, labels].argmax(-1)]


def _joined(parts: list[Tensor]) -> Tensor | None:
    return torch.cat(parts).cpu() if parts else None
