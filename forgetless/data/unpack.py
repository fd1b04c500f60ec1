"""Takes from an archive the files that are expected, and nothing else; no path in an archive is ever written to."""

import gzip
import tarfile
import zlib
from pathlib import Path

from ..errors import DataError
from ..files import write_atomically
from .digest import digest_of, read_bytes, unreadable
from .published import File

MOST_MEMBERS = 1000  # of an archive; the published ones have under twenty


def gunzip(path: Path, file: File) -> bytes:
    """What is in a `.gz`, if it is the expected file; stops as soon as it is longer.

    Raises:
        DataError: damaged, or something else.
    """
    packed, unpacker = read_bytes(path), zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(packed, file.size + 1)
    except zlib.error as error:
        raise DataError(f"{path} cannot be unpacked ({error}). Delete it and get it anew.") from error
    if not unpacker.eof and len(content) <= file.size:
        raise DataError(f"{path} cannot be unpacked (it ends too early). Delete it and get it anew.")
    _expect(content, file, path)
    return content


def untar(path: Path, folder: Path, files: tuple[File, ...]) -> None:
    """Write to `folder` each of these files, found in the archive under the folder's name.

    Raises:
        DataError: the archive is damaged, lacks a file, or has absurdly many members or bytes.
        StorageError: a file cannot be written.
    """
    wanted = {f"{folder.name}/{file.name}": file for file in files}
    most = sum(file.size for file in files) + (1 << 20)
    try:
        with tarfile.open(path, "r:gz") as archive:
            total = 0
            for count, member in enumerate(archive):
                total += member.size
                if count >= MOST_MEMBERS or total > most:
                    raise DataError(
                        f"{path} holds more than the {len(files)} files it should. Delete it and get it anew."
                    )
                file = wanted.pop(member.name.removeprefix("./"), None)
                stream = archive.extractfile(member) if file and member.isreg() else None
                if file and stream:
                    content = stream.read(file.size + 1)
                    _expect(content, file, path)
                    write_atomically(folder / file.name, content)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} cannot be unpacked ({error}). Delete it and get it anew.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    lacking = [file.name for file in files if not (folder / file.name).is_file()]
    if lacking:
        raise DataError(f"{path} lacks {', '.join(lacking)}. Delete it and get it anew.")


def _expect(content: bytes, file: File, path: Path) -> None:
    found = digest_of(content, file.digest)
    if found != file.digest:
        raise DataError(
            f"{path} holds another {file.name} than was published: digest {found} instead of {file.digest}. "
            "Delete it and get it anew."
        )
