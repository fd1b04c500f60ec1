"""What methods remember in: frozen copies of modules, and dictionaries of named tensors."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class Snapshot(nn.Module):
    """A frozen copy of a module as it was when the copy was taken: evaluation mode, no gradients, for good."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = deepcopy(module).requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Snapshot":
        """Stay in evaluation mode, whatever is asked of the module that holds this one."""
        return super().train(False)

    def state_dict(self, *args: Any, destination: Any = None, **kwargs: Any) -> Any:
        """Nothing: a snapshot is taken anew by every `learn`, never stored."""
        return {} if destination is None else destination

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the copied module answers."""
        return self.module(*args, **kwargs)


class BufferDict(nn.Module):
    """Named tensors that a method must remember: moved, saved and copied with it. Names may be parameters' names.

    Loading a state takes the names and sizes from the state.
    """

    def __init__(self, items: Iterable[tuple[str, Tensor]] = ()) -> None:
        super().__init__()
        for name, value in items:
            self[name] = value

    def __setitem__(self, name: str, value: Tensor) -> None:
        self.register_buffer(name.replace(".", "|"), value.detach().clone())

    def __getitem__(self, name: str) -> Tensor:
        return self.get_buffer(name.replace(".", "|"))

    def __contains__(self, name: str) -> bool:
        return name.replace(".", "|") in self._buffers

    def __len__(self) -> int:
        return len(self._buffers)

    def __iter__(self) -> Iterator[str]:
        return (name.replace("|", ".") for name in self._buffers)

    def items(self) -> list[tuple[str, Tensor]]:
        """Names with their tensors, in the order in which they were first set."""
        return [(name, self[name]) for name in self]

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        self._buffers.clear()
        for key in [key for key in state if key.startswith(prefix)]:
            self.register_buffer(key[len(prefix) :], state[key].clone())
        super()._load_from_state_dict(state, prefix, *rest)
