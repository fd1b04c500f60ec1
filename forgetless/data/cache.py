"""Where data sets lie: looked for under the data root, downloaded if missing, checked whenever they are read."""

import os
from pathlib import Path

import platformdirs
from filelock import FileLock

from ..errors import DataError
from ..files import explained, write_atomically
from .digest import digest_of, digest_of_file, kind_of, read_bytes
from .download import PATIENCE, fetch
from .published import Archive, File, Published
from .unpack import gunzip, untar


def data_root(explicit: Path | None = None) -> Path:
    """The folder that holds the data sets: the one given, else FORGETLESS_DATA, else the user's cache."""
    if explicit is not None:
        return explicit.expanduser()
    if named := os.environ.get("FORGETLESS_DATA"):
        return Path(named).expanduser()
    return platformdirs.user_cache_path("forgetless") / "data"


def read_files(published: Published, root: Path, *, patience: float = PATIENCE) -> dict[str, bytes]:
    """The content of every file of a set, by name, each checked; what is missing is downloaded first.

    Raises:
        DataError: a file is damaged, or missing and not to be had.
        StorageError: the data root cannot be read or written.
    """
    complete(published, root, patience=patience)
    return {file.name: read_file(root / published.folder / file.name, file) for file in published.files}


def read_file(path: Path, file: File) -> bytes:
    """The content of one file, or of its `.gz`, after its digest was found right.

    Raises:
        DataError: damaged, or another file than the published one.
    """
    if not path.is_file():
        return gunzip(path.with_name(path.name + ".gz"), file)
    size = path.stat().st_size
    content = read_bytes(path) if size == file.size else b""  # of the wrong size: do not fill the memory
    found = digest_of(content, file.digest) if content else digest_of_file(path, file.digest)
    if found != file.digest:
        raise DataError(
            f"{path} is damaged, or not the published file. It has {size:,} bytes, {kind_of(file.digest)} {found}; "
            f"it should have {file.size:,} bytes, {kind_of(file.digest)} {file.digest}. Delete it, then give the same "
            "command again to download it, or put the right file in its place."
        )
    return content


def missing_files(published: Published, root: Path) -> tuple[File, ...]:
    """Those of a set's files that are not there, neither as they are nor as a `.gz`."""
    folder = root / published.folder
    names = {file.name: (folder / file.name, folder / f"{file.name}.gz") for file in published.files}
    return tuple(file for file in published.files if not any(path.is_file() for path in names[file.name]))


def complete(published: Published, root: Path, *, patience: float = PATIENCE) -> None:
    """Download and unpack what is missing of a set; of several processes one does so and the others wait.

    Raises:
        DataError: it is not to be had; says what to put where by hand.
    """
    if not missing_files(published, root):
        return
    if not published.archives:
        raise DataError(_by_hand(published, root, "nowhere on the web"))
    lock = root / f".{published.folder.replace('/', '-')}.lock"
    with explained(lock, "write"):
        (root / published.folder).mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            for archive in published.archives:
                _obtain(published, archive, root, patience)


def _obtain(published: Published, archive: Archive, root: Path, patience: float) -> None:
    """Make the files of one archive exist."""
    missing = {file.name for file in missing_files(published, root)}
    files = tuple(file for file in published.files if file.name in archive.holds)
    if not missing & {file.name for file in files}:
        return
    packed = root / archive.path
    addresses = [address + packed.name for address in archive.addresses]
    try:
        fetch(addresses, packed, archive.digest, archive.size, patience=patience)
    except DataError as error:
        raise DataError(_by_hand(published, root, str(error))) from error
    folder = root / published.folder
    if packed.name.endswith(".tar.gz"):
        untar(packed, folder, files)
    else:
        write_atomically(folder / files[0].name, gunzip(packed, files[0]))
    packed.unlink()


def _by_hand(published: Published, root: Path, why: str) -> str:
    """What is missing, why it could not be had, and what to put where."""
    lines = [
        f"  {root / published.folder / file.name}  ({file.size:,} bytes, {kind_of(file.digest)} {file.digest})"
        for file in missing_files(published, root)
    ]
    packed = [
        f"  {root / archive.path}  ({archive.size:,} bytes, {kind_of(archive.digest)} {archive.digest})"
        for archive in published.archives
    ]
    either = ["or, as they are offered for download:", *packed] if packed else []
    return "\n".join(
        [
            f"{published.title} is not complete under {root} and could not be downloaded: {why}.",
            "Put these files there by hand, or name another data root with --data or FORGETLESS_DATA:",
            *lines,
            *either,
            *([published.instead] if published.instead else []),
        ]
    )
