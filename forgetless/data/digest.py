"""Digests by which a file is known for what it is: SHA-256, or MD5 where only that was published."""

import hashlib
from pathlib import Path


def kind_of(digest: str) -> str:
    """Which kind a hexadecimal digest is: MD5 has 32 digits, SHA-256 has 64."""
    return "MD5" if len(digest) == 32 else "SHA-256"


def digest_of(content: bytes, like: str) -> str:
    """The digest of some bytes, of the same kind as `like`."""
    return hashlib.new(kind_of(like).replace("-", ""), content, usedforsecurity=False).hexdigest()


def digest_of_file(path: Path, like: str) -> str:
    """The digest of what is in a file, of the same kind as `like`."""
    name = kind_of(like).replace("-", "")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
