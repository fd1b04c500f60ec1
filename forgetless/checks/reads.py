"""Counting the moments at which a program would wait for an accelerator: reads of values by the host."""

import traceback
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
WAITING = {
    _aten._local_scalar_dense,
    _aten.nonzero,
    _aten.equal,
    _aten.is_nonzero,
    _aten.masked_select,
    _aten._unique2,
    _aten.unique_dim,
    _aten.unique_consecutive,
    _aten.repeat_interleave,
    _aten.bincount,
}
READERS = {
    Tensor.tolist,
    Tensor.numpy,
    Tensor.cpu,
    Tensor.__array__,
}  # read without an operation of their own


class HostReads:
    """Inside: `places` gathers each read of a tensor's values by the host, as `operation in file:line`."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self._entered = ExitStack()
        self._modes: tuple[Any, ...] = (_Operations(self._note), _Functions(self._note))

    def _note(self, name: str) -> None:
        frames = [
            f for f in traceback.extract_stack() if "torch" not in f.filename and f.filename != __file__
        ]
        where = frames[-1]
        self.places.append(f"{name} in {where.filename.rpartition('/')[2]}:{where.lineno}, {where.name}")

    def __enter__(self) -> "HostReads":
        for mode in self._modes:
            self._entered.enter_context(mode)
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.close()


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.note = note

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in WAITING or _picks_by_mask(func, args) or _goes_home(func, args, kwargs):
            self.note(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READERS:
            self.note(func.__name__)
        return func(*args, **(kwargs or {}))


def _picks_by_mask(func: Any, args: Any) -> bool:
    """`x[mask]`: how many rows there are is only known once the mask is read."""
    if func.overloadpacket is not _aten.index:
        return False
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])


def _goes_home(func: Any, args: Any, kwargs: Any) -> bool:
    """A copy from an accelerator to the host."""
    if func.overloadpacket is not _aten._to_copy:
        return False
    target = (kwargs or {}).get("device")
    return target is not None and torch.device(target).type == "cpu" and args[0].device.type != "cpu"
