"""What methods remember in: frozen copies of modules, and dictionaries of named tensors."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, Self

import torch
from torch import Tensor, nn


class Snapshot(nn.Module):
    """A frozen copy of a module as it was when the copy was taken: evaluation mode, no gradients, for good.

    Its weights are buffers: it is moved and copied with what holds it, but no optimiser can find them. It is not
    part of a saved state, since every `learn` takes it anew; loading a state leaves it as it is.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = deepcopy(module)
        for part in self.module.modules():
            for name, weight in list(part.named_parameters(recurse=False)):
                delattr(part, name)
                part.register_buffer(name, weight.detach())
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever is asked of the module that holds this one."""
        return super().train(False)

    def state_dict(self, *args: Any, destination: Any = None, **kwargs: Any) -> Any:
        """Nothing: what is made again is not stored."""
        return {} if destination is None else destination

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Nothing is taken from the state, and nothing is missed in it."""
        state.update(self.module.state_dict(prefix=f"{prefix}module."))
        super()._load_from_state_dict(state, prefix, *rest)

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        """What the copied module answers."""
        return self.module(*inputs)


class BufferDict(nn.Module):
    """Named tensors that a method must remember: moved, saved and copied with it. Names may be parameters' names.

    Loading a state takes the names and sizes from the state. Images and convolutions' weights, four dimensions,
    lie channels-last in memory, as those of models do, also after a file has forgotten how they lay.
    """

    def __init__(self, items: Iterable[tuple[str, Tensor]] = ()) -> None:
        super().__init__()
        self.device = torch.device("cpu")
        self.update(items)

    def update(self, items: Iterable[tuple[str, Tensor]]) -> None:
        """Set each of these names to a copy of its value."""
        for name, value in items:
            self[name] = value

    def __setitem__(self, name: str, value: Tensor) -> None:
        layout = torch.channels_last if value.dim() == 4 else torch.contiguous_format
        self.register_buffer(name.replace(".", "|"), value.detach().clone(memory_format=layout))

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

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.device = fn(torch.empty(0, device=self.device)).device  # an empty dictionary knows its place too
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        self._buffers.clear()
        mine = {
            key[len(prefix) :]: value.to(self.device)
            for key, value in state.items()
            if key.startswith(prefix)
        }
        self.update(mine.items())
        super()._load_from_state_dict(state, prefix, *rest)
