"""Reads the original CIFAR files, Python 2 pickles, with nothing but plain containers and arrays of bytes.

A pickle names functions and calls them. Here every name leads to a stand-in of ours that can do one thing, or to a
refusal before anything is called; numpy itself is never called by a pickle.
"""

import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DataError


class _Array:
    """What an array's pickle is read into: a shape and its bytes."""

    __slots__ = ("value",)
    value: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if (
            type(kind) is not _Kind
            or fortran
            or type(content) is not bytes
            or math.prod(shape) != len(content)
        ):
            raise pickle.UnpicklingError("it holds an array of something other than bytes")
        self.value = np.frombuffer(content, np.uint8).reshape(shape)


class _Kind:
    """What the kind of an array's numbers is read into; there is only the one, unsigned bytes."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like say nothing about bytes."""


class _Name:
    """What a name in a pickle leads to: something that can be called, and not altered."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make

    def __call__(self, *given: Any) -> Any:
        return self.make(*given)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it alters a function")


def _refuse(*_: Any) -> Any:
    raise pickle.UnpicklingError("it builds an array in an unusual way")


def _kind(code: Any, *_: Any) -> _Kind:
    if code != b"u1":
        raise pickle.UnpicklingError(f"it holds numbers of kind {code!r} in place of bytes")
    return _Kind()


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy", "ndarray"): _refuse,
    ("numpy", "dtype"): _kind,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Name:
        """The stand-in for a name, of those few that arrays need."""
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _Name(_ADMITTED[module, name])

    def persistent_load(self, pid: Any) -> Any:
        """Nothing outside the file is ever looked up."""
        raise pickle.UnpicklingError("it refers to something outside the file")


def read_pickle(content: bytes, name: str) -> dict[str, Any]:
    """The dictionary in a CIFAR file: lists of numbers and of byte strings, arrays of bytes.

    Raises:
        DataError: it is not such a file, whatever it is; nothing in it was executed.
    """
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        return {key.decode(): _plain(value) for key, value in found.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError,
            UnicodeError, MemoryError, OverflowError, ImportError, RecursionError) as error:  # fmt: skip
        raise DataError(
            f"{name} is not one of the original CIFAR files ({error}). Nothing in it was executed. "
            "Delete it and get the original."
        ) from error


def _plain(value: Any) -> Any:
    return value.value if type(value) is _Array else value
