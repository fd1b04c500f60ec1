"""What a failed check says, and how checks are run."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from ..engine import repeatable
from ..errors import ForgetlessError
from ..randomness import ambient_state, set_ambient_state

Subject = TypeVar("Subject")

# What a method that is not written well raises. What is not listed is not the method's fault, and escapes.
RAISED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ForgetlessError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)


class ContractError(ForgetlessError):
    """Something does not keep the contract; the text says what, and what to do."""


@dataclass(frozen=True)
class Finding(Generic[Subject]):
    """What came of one check on one subject; no complaint means that it passed."""

    check: Callable[[Subject], None]
    subject: Subject
    complaint: str | None

    @property
    def name(self) -> str:
        """The check's name, in words."""
        return name_of(self.check)


def name_of(check: Callable[..., None]) -> str:
    """A check's name, in words."""
    return check.__name__.removeprefix("check_").replace("_", " ")


def summary_of(check: Callable[..., None]) -> str:
    """What a check asks for: the first line of its docstring."""
    return (check.__doc__ or "").partition("\n")[0]


def examine(check: Callable[[Subject], None], subject: Subject) -> Finding[Subject]:
    """Run one check; what the subject raises is its complaint."""
    complaint = None
    with ambient_kept():
        try:
            check(subject)
        except ContractError as error:
            complaint = str(error)
        except RAISED as error:
            complaint = f"{type(error).__name__} was raised: {error}"
    return Finding(check, subject, complaint)


@contextmanager
def ambient_kept() -> Iterator[None]:
    """Inside, the ambient generators may be used; afterwards they are as they were.

    On one thread: what is checked is small, and several threads would spend their time waiting for each other. An
    accelerator computes as it does in a run.
    """
    kept, threads = ambient(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with repeatable():
            yield
    finally:
        torch.set_num_threads(threads)
        set_ambient_state(kept["torch"])
        np.random.set_state(kept["numpy"])
        random.setstate(kept["random"])


def ambient() -> dict[str, Any]:
    """The states of the generators that belong to nobody."""
    return {
        "torch": ambient_state(),
        "numpy": np.random.get_state(),
        "random": random.getstate(),
    }


def drawn_since(before: dict[str, Any]) -> list[str]:
    """Which ambient generators have been drawn from."""
    now = ambient()
    same = {
        "torch": torch.equal(before["torch"], now["torch"]),
        "numpy": all(np.array_equal(a, b) for a, b in zip(before["numpy"], now["numpy"], strict=True)),
        "random": before["random"] == now["random"],
    }
    return [name for name, equal in same.items() if not equal]


def require(condition: bool, sentence: str) -> None:
    """Complain unless the condition holds."""
    if not condition:
        raise ContractError(sentence)
