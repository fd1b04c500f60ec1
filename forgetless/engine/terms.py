"""The loss terms of a Fit: summed up for the log, and seen to be finite; at its end its weights as well."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..errors import DivergedError

LOG_EVERY = 50  # steps between two lines of the log; on an accelerator also between two looks at the loss


class Losses:
    """Sums up loss terms without waiting for them, and sees to it that they are finite."""

    def __init__(self, every_step: bool, task: int, fit: str) -> None:
        self.every_step, self.task, self.fit = every_step, task, fit
        self.names: tuple[str, ...] = ()
        self.told: dict[str, Tensor] = {}  # the terms of the present step, those of all its visits
        self.sums: Tensor | None = None
        self.count = self.first = self.step = 0

    def begin_step(self, step: int) -> None:
        """What is told from here on is of this step."""
        self.step = step

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The sum to minimise."""
        values = list(terms.values())
        total = values[0]
        for value in values[1:]:
            total = total + value
        if self.every_step and not math.isfinite(total.item()):
            self._raise({name: value.item() for name, value in terms.items()}, self.step, self.step)
        return total

    def tell(self, terms: dict[str, Tensor]) -> None:
        """Note the terms of an update; one that comes in several visits of a step counts as their sum."""
        for name, value in terms.items():
            self.told[name] = self.told[name] + value if name in self.told else value

    def end_step(self) -> None:
        """Sum up what the step told."""
        each = torch.stack(list(self.told.values()))
        self.names, self.told = tuple(self.told), {}
        self.sums = each if self.sums is None else self.sums.to(each.device) + each
        if not self.count:
            self.first = self.step
        self.count += 1

    def state(self) -> Tensor:
        """What is summed up, on the CPU."""
        return torch.empty(0) if self.sums is None else self.sums.to("cpu", copy=True)

    def go_to(self, step: int, sums: Tensor) -> None:
        """Sum up from there on."""
        self.count = step % LOG_EVERY
        self.first = step - self.count
        self.sums = sums if len(sums) else None

    def read(self) -> dict[str, float]:
        """Means since the last reading; the one place where an accelerator is waited for."""
        assert self.sums is not None
        sums = self.sums.tolist()
        means = {name: value / self.count for name, value in zip(self.names, sums, strict=True)}
        if not all(map(math.isfinite, means.values())):
            self._raise(means, self.first, self.first + self.count - 1)
        self.sums, self.count = None, 0
        return means

    def end(self, weights: Iterable[Tensor]) -> None:
        """See to it that what was trained is finite: no loss has been asked for since the last step. One read."""
        if not torch.stack([weight.isfinite().all() for weight in weights]).all().item():
            raise DivergedError(
                f"Task {self.task + 1}, fit {self.fit!r}, left weights that are not finite numbers: they became so in "
                "its last steps, whose losses were finite still. A lower --lr is the usual cure."
            )

    def _raise(self, terms: dict[str, float], first: int, last: int) -> None:
        broken = [name for name, value in terms.items() if not math.isfinite(value)] or list(terms)
        where = f"step {last + 1}" if first == last else f"steps {first + 1} to {last + 1}"
        raise DivergedError(
            f"The loss term {', '.join(map(repr, broken))} is not a finite number in task {self.task + 1}, "
            f"fit {self.fit!r}, {where}. A lower --lr is the usual cure; the weights before it are kept."
        )


FORM_OF_TERMS = 'a dictionary of named terms, each a tensor of one number, as in `return {"new": ...}`'


def fault_of(terms: Any) -> str:
    """What a loss gave in place of named scalars that can be minimised, in words; empty where it gave those.

    Asked at every update, for a loss may have branches: it costs a microsecond or two and reads nothing.
    """
    if fault := fault_of_form(terms):
        return fault
    return "" if any(value.requires_grad for value in terms.values()) else "terms that train nothing"


def fault_of_form(terms: Any) -> str:
    """What a loss gave in place of named scalars, in words; empty where it gave those."""
    if not isinstance(terms, dict):
        return called(terms)
    if not terms:
        return "no term at all"
    for name, value in terms.items():
        if not isinstance(value, Tensor):
            return f"{called(value)} for its term {name!r}"
        if value.dim():
            return f"a tensor of shape {tuple(value.shape)} for its term {name!r}"
    return ""


def called(value: Any) -> str:
    """What a thing is, in words."""
    if value is None:
        return "None"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
