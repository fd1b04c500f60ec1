"""Where data sets lie, and whether their files are what they should be."""

import hashlib
import os
from pathlib import Path

import platformdirs

from ..errors import DataError
from .published import File, Published


def data_root(explicit: Path | None = None) -> Path:
    """The folder that holds the data sets: the one given, else FORGETLESS_DATA, else the user's cache."""
    if explicit is not None:
        return explicit.expanduser()
    if named := os.environ.get("FORGETLESS_DATA"):
        return Path(named).expanduser()
    return platformdirs.user_cache_path("forgetless") / "data"


def digest_of(content: bytes | memoryview, like: str) -> str:
    """The digest of some bytes, of the kind that `like` is: MD5 has 32 digits, SHA-256 has 64."""
    name = "md5" if len(like) == 32 else "sha256"
    return hashlib.new(name, content, usedforsecurity=False).hexdigest()


def read_files(published: Published, root: Path) -> dict[str, bytes]:
    """The content of every file of a set, by name; each is what it should be.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = root / published.folder
    return {file.name: read_file(folder / file.name, file) for file in published.files}


def read_file(path: Path, file: File) -> bytes:
    """The content of one file, after its digest was compared with the published one."""
    if not path.exists():
        raise DataError(f"{path} is missing.")
    content = path.read_bytes()
    found = digest_of(content, file.digest)
    if found != file.digest:
        raise DataError(
            f"{path} is damaged or not the published file: its digest is {found} instead of {file.digest}, "
            f"its size {len(content):,} instead of {file.size:,} bytes. Delete it, then give the command again "
            "to download it anew, or put the right file in its place."
        )
    return content
