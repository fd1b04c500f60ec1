"""Downloads a file whose size and digest are known beforehand: resumed where it stopped, never more than it has."""

import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ..errors import DataError
from ..files import explained
from .digest import digest_of_file

PATIENCE = 30.0  # seconds without a byte before a server is given up
_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


class _Fault(Exception):  # noqa: N818 - never leaves this file
    """Why one address did not give the file."""


def fetch(
    addresses: Sequence[str], target: Path, digest: str, size: int, *, patience: float = PATIENCE
) -> None:
    """Bring a file to `target` from the first address that gives it whole; does nothing where it is already.

    What has arrived is kept in a file ending in `.part`, from which the next attempt goes on; the name changes only
    after size and digest were found right. Not to be called by two processes at once.

    Raises:
        DataError: no address gave the file; says why, for each.
        StorageError: the file cannot be written.
    """
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    faults = []
    for address in addresses:
        _log.info("Downloading %s (%s bytes) from %s", target.name, f"{size:,}", urlsplit(address).netloc)
        try:
            _fetch_from(address, part, digest, size, patience)
        except _Fault as fault:
            faults.append(f"{address}: {fault}")
            continue
        with explained(target, "write"):
            os.replace(part, target)
        return
    raise DataError("; ".join(faults) or "there is no address to download it from")


def _fetch_from(address: str, part: Path, digest: str, size: int, patience: float) -> None:
    """Complete the part from one address; begun by another attempt and found wrong, it is made anew once."""
    begun = part.exists()
    _receive(address, part, size, patience)
    found = digest_of_file(part, like=digest)
    if found == digest:
        return
    with part.open("rb") as file:
        page = file.read(512).lstrip()[:9].lower().startswith((b"<!doctype", b"<html"))
    part.unlink()
    if begun:
        return _fetch_from(address, part, digest, size, patience)
    raise _Fault(f"it sent {'a web page' if page else 'other data'}: digest {found} instead of {digest}")


def _receive(address: str, part: Path, size: int, patience: float) -> None:
    """Append to the part what it lacks, or write it anew where the server does not go on from the middle."""
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size:
        return
    with closing(_open(address, have, patience)) as response:
        resumed = have > 0 and response.status == 206
        have = have if resumed else 0
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) != size - have:
            raise _Fault(f"it offers {have + int(announced):,} bytes instead of {size:,}")
        with explained(part, "write"), part.open("ab" if resumed else "wb") as file:
            _copy(response, file, size - have)
            file.flush()
            os.fsync(file.fileno())


def _copy(response: http.client.HTTPResponse, file: IO[bytes], wanted: int) -> None:
    """Exactly `wanted` bytes and not one more, whatever the server sends."""
    while wanted:
        try:
            chunk = response.read1(min(_CHUNK, wanted))
        except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
            raise _Fault(f"it stopped {wanted:,} bytes before the end ({_reason(error)})") from error
        if not chunk:
            raise _Fault(f"it ended {wanted:,} bytes too early")
        file.write(chunk)
        wanted -= len(chunk)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows a server to other web addresses, and to nothing else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _require_web(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_web(address: str) -> None:
    if urlsplit(address).scheme not in ("http", "https"):
        raise _Fault(f"it leads to {address}, which is no web address")


def _open(address: str, start: int, patience: float) -> http.client.HTTPResponse:
    """The server's answer to a request for the bytes from `start` on."""
    _require_web(address)
    opener = urllib.request.OpenerDirector()  # only what speaks HTTP: nothing here can open a local file
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(), _WebOnly(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    request = urllib.request.Request(
        address, headers={"User-Agent": "forgetless", "Accept-Encoding": "identity"}
    )
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=patience)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Fault(_reason(error)) from error
    return response


def _reason(error: Exception) -> str:
    """Why a request failed, in words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"it answers {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)
