"""Named arrays in one file, `.npz`, never a pickle: written in one step, read as data or refused. No torch."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import StorageError
from .files import explained, write_atomically

# What numpy and zipfile raise over bytes that are not what they were.
DAMAGED = (
    ValueError, LookupError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name, compressed; equal arrays make equal bytes.

    Raises:
        StorageError: the place cannot be written.
    """
    buffer = io.BytesIO()
    stored: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **stored)
    write_atomically(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name.

    Raises:
        StorageError: the file cannot be read, is damaged, or holds what is no plain array.
    """
    try:
        with explained(path, "read"):
            content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name.removesuffix(".npy"): _member(archive, name) for name in archive.namelist()}
    except DAMAGED as error:
        raise damaged(path, error) from error


def damaged(path: Path, why: Exception) -> StorageError:
    """What to say of a file whose arrays are not what this program writes."""
    return StorageError(
        f"{path} is damaged or was not written by forgetless ({why}). Run its settings again with --fresh."
    )


def _member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array
