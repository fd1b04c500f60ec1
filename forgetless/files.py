"""Files that are whole or not there: written under another name, flushed to the disk, then renamed."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import StorageError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace a file's content in one step: a crash at any moment leaves the old content or the new.

    Raises:
        StorageError: the disk is full, or the place cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files behind them."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(content: bytes | memoryview) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of what is in a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def explained(path: Path, verb: str) -> Iterator[None]:
    """Turn the system's refusals into sentences about a path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        free = ""
        if error.errno == 28:  # ENOSPC
            with suppress(OSError):
                room = os.statvfs(path if path.exists() else path.parent)
                free = f" ({room.f_bavail * room.f_frsize:,} bytes are free)"
        cure = (
            "See that it is there and may be read."
            if verb == "read"
            else "Free some room or choose another place, then give the same command again; what was saved before is "
            "intact."
        )
        raise StorageError(f"Cannot {verb} {path}: {reason}{free}. {cure}") from error
