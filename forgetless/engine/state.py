"""States as plain dictionaries of tensors, exact to the bit and to the stride.

Strides matter: a sum over a tensor in channels-last memory adds in another order than over the same tensor laid
out row by row, so a resumed run must find every tensor as it lay.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..files import sha256

State = dict[str, Tensor]


def capture(module: nn.Module) -> State:
    """A copy, on the CPU, of all that a module stores; frozen snapshots of other modules are not stored."""
    return {name: _copy(value) for name, value in module.state_dict().items()}


def restore(module: nn.Module, state: State) -> None:
    """Put a captured state back, growing what a fresh module does not have yet.

    Raises:
        ValueError: the state is of another kind of module.
    """
    unexpected = module.load_state_dict(state, strict=False).unexpected_keys
    missing = set(module.state_dict()) - set(state)
    if unexpected or missing:
        raise ValueError(f"this state belongs to another method: {sorted({*unexpected, *missing})[:5]}")


def capture_optimizer(optimizer: torch.optim.Optimizer) -> State:
    """A copy of an optimiser's moments: `<number of the weight>.<name>`."""
    moments = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": _copy(value)
        for number, entries in moments.items()
        for name, value in entries.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Put captured moments back into a fresh optimiser of the same weights."""
    moments: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})


def hash_of_tensors(state: State) -> str:
    """SHA-256 over every tensor, in order of name: its name, kind, shape and bytes."""
    parts = []
    for name in sorted(state):
        value = state[name].contiguous()
        parts.append(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        parts.append(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha256(b"".join(parts))


def _copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True, memory_format=torch.preserve_format)
