"""Groups of labels as columns of scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .distillation import unknown

Group = Sequence[int]


def columns(labels: Sequence[int], device: torch.device) -> slice | Tensor:
    """What picks these labels' columns out of scores: a slice where they follow one another, which costs nothing."""
    if list(labels) == list(range(labels[0], labels[-1] + 1)):
        return slice(labels[0], labels[-1] + 1)
    return torch.tensor(labels, device=device)


def among(rivals: Tensor, labels: Sequence[int]) -> Tensor:
    """The table of rivals with competition among these labels only. (C, C) bool -> (C, C) bool"""
    member = torch.zeros_like(rivals[0])
    member[list(labels)] = True
    return rivals & member


@dataclass(frozen=True)
class Columns:
    """Labels in softmaxes of equal width side by side, as columns of a teacher's scores and of a student's."""

    softmaxes: int
    teacher: slice | Tensor
    student: slice | Tensor
    joined: int = 0  # labels of the student's that the teacher does not know, in each softmax, at its end

    def old(self, answers: Tensor) -> Tensor:
        """The teacher's scores. (B, C_old) -> (B, softmaxes, width)"""
        return unknown(answers[:, self.teacher].reshape(len(answers), self.softmaxes, -1), self.joined)

    def now(self, logits: Tensor) -> Tensor:
        """The student's scores. (B, C) -> (B, softmaxes, width)"""
        return logits[:, self.student].reshape(len(logits), self.softmaxes, -1)


def side_by_side(
    groups: Sequence[Group], device: torch.device, rivals: Tensor | None = None
) -> list[Columns]:
    """Old labels in groups that share a softmax; those of equal width together, at the cost of one.

    With a table of rivals, each group's softmax also spans the labels that have joined it since.
    """
    wide: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for group in groups:
        now = [] if rivals is None else rivals[group[0]].nonzero().flatten().tolist()
        joined = [label for label in now if label not in group]
        teacher, student = wide.setdefault((len(group), len(joined)), ([], []))
        teacher.extend(group)
        student.extend([*group, *joined])
    return [
        Columns(len(old) // width, columns(old, device), columns(now, device), joined)
        for (width, joined), (old, now) in wide.items()
    ]
