"""What is remembered of masks: all of them in the paper's code, and those of the moment."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from ..mask_code import GROUP, TASKS_AT, decode, encode
from ..models import BufferDict


class Masks(BufferDict):
    """Masks of one tensor, one for each task, kept and saved in the paper's code (`forgetless.mask_code`).

    Beside the containers the symbols themselves are at hand, which are not part of the state.
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.shape, self.tasks = like.shape, 0
        self.layout = torch.channels_last if like.dim() == 4 else torch.contiguous_format
        self.symbols: list[Tensor] = []  # bit b of the g-th: the mask of task 7 g + b

    def add(self, mask: Tensor) -> None:
        """Append the next task's mask."""
        number, bit = divmod(self.tasks, GROUP)
        symbols = mask.to(torch.uint8) << bit
        if bit:
            symbols |= self.symbols.pop()
        self.symbols.append(symbols.contiguous(memory_format=self.layout))
        self.tasks += 1
        container = encode(symbols.cpu().flatten().numpy(), bit + 1)
        self[str(number)] = torch.from_numpy(container).to(mask.device)

    def of(self, task: int) -> Tensor:
        """A task's mask."""
        number, bit = divmod(task, GROUP)
        return (self.symbols[number] & (1 << bit)).bool()

    def union(self) -> Tensor | None:
        """What any task keeps; None before the first."""
        union = None
        for symbols in self.symbols:
            union = symbols.bool() if union is None else union | symbols.bool()
        return union

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.symbols = [fn(symbols) for symbols in self.symbols]
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        known = {_bytes(self[str(number)]): symbols for number, symbols in enumerate(self.symbols)}
        super()._load_from_state_dict(state, prefix, *rest)
        containers = [self[str(number)] for number in range(len(self))]  # a file has them in another order
        self.symbols = [known[_bytes(c)] if _bytes(c) in known else self._decoded(c) for c in containers]
        self.tasks = sum(int(container[TASKS_AT]) for container in containers)

    def _decoded(self, container: Tensor) -> Tensor:
        symbols = torch.from_numpy(decode(container.cpu().numpy())[0]).view(self.shape)
        return symbols.to(container.device).contiguous(memory_format=self.layout)


def _bytes(container: Tensor) -> bytes:
    return container.cpu().numpy().tobytes()


class Latest(BufferDict):
    """Tensors that are saved, but that going back to an earlier state of the same task leaves as they are."""

    def forget(self) -> None:
        """Hold nothing; what is loaded next is taken."""
        self._buffers.clear()

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        if not len(self):
            super()._load_from_state_dict(state, prefix, *rest)
