"""A file's bytes, and the digest by which it is known: SHA-256, or MD5 where only that was published."""

import hashlib
from pathlib import Path

from ..errors import StorageError


def kind_of(digest: str) -> str:
    """Which kind a hexadecimal digest is: MD5 has 32 digits, SHA-256 has 64."""
    return "MD5" if len(digest) == 32 else "SHA-256"


def read_bytes(path: Path) -> bytes:
    """What is in a file.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> StorageError:
    """The sentence for a file that the system does not let us read."""
    return StorageError(
        f"{path} cannot be read: {error.strerror or error}. Check its permissions and its disk."
    )


def digest_of(content: bytes, like: str) -> str:
    """The digest of some bytes, of the same kind as `like`."""
    return hashlib.new(kind_of(like).replace("-", ""), content, usedforsecurity=False).hexdigest()


def digest_of_file(path: Path, like: str) -> str:
    """The digest of what is in a file, of the same kind as `like`."""
    name = kind_of(like).replace("-", "")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
