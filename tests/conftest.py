"""What all tests share: no network, one thread, real data where it lies, tiny streams made by the real code."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from factories import make_settings, make_source, make_stream
from fake_runs import comparison, fake_run

from forgetless.data import Stream
from forgetless.data.published import PUBLISHED
from forgetless.data.source import Source
from forgetless.settings.settings import Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NetworkBlockedError(AssertionError):
    """A test, or the code under test, tried to reach another machine."""


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Sockets reach this machine only, for the whole session."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        original = getattr(socket.socket, name)

        def guarded(self: socket.socket, address: Any, original: Callable[..., Any] = original) -> Any:
            if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
                raise NetworkBlockedError(f"a connection to {address} was attempted")
            return original(self, address)

        patch.setattr(socket.socket, name, guarded)
    lookup = socket.getaddrinfo

    def guarded_lookup(host: Any, *rest: Any, **options: Any) -> Any:
        if host is not None and host not in LOOPBACK:
            raise NetworkBlockedError(f"the address of {host} was asked for")
        return lookup(host, *rest, **options)

    patch.setattr(socket, "getaddrinfo", guarded_lookup)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Results depend on the number of threads, and the tests share their machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The data root that FORGETLESS_DATA names; skips without it, or fails where data are required."""
    named = os.environ.get("FORGETLESS_DATA")
    if not named:
        _lacking("FORGETLESS_DATA names no data root")
    return Path(str(named)).resolve()


@pytest.fixture(scope="session")
def needs(data_root: Path) -> Callable[[str], Path]:
    """`needs("mnist")` is the data root if that set is there; else skips, or fails if data are required."""

    def check(name: str) -> Path:
        published = PUBLISHED.get(name)
        folder = data_root / (published.folder if published else name)
        missing = (
            [file.name for file in published.files if not (folder / file.name).exists()] if published else []
        )
        if missing or not folder.exists():
            _lacking(f"{name} is not complete under {data_root}")
        return data_root

    return check


def _lacking(reason: str) -> None:
    if os.environ.get("FORGETLESS_REQUIRE_DATA") == "1":
        pytest.fail(f"{reason}, and FORGETLESS_REQUIRE_DATA=1 forbids to skip", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def tiny_stream() -> Callable[..., Stream]:
    """`tiny_stream(scenario, tasks, classes)` makes a stream that is learned in a moment."""
    return make_stream


@pytest.fixture
def tiny_source() -> Callable[..., Source]:
    """`tiny_source(classes, images, tests)` makes the data that tiny streams are cut from."""
    return make_source


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """`settings(method, scenario, **changes)` makes settings of a run that takes a second."""
    return make_settings


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three methods, two scenarios, three seeds, five tasks."""
    return comparison(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A comparison in which not all went well."""
    tmp_path = tmp_path_factory.mktemp("troubled")
    return [
        *comparison(tmp_path, scenarios=("class",)),
        fake_run(tmp_path, "lwf", seed=0, weight=2.0),
        fake_run(tmp_path, "lwf", seed=1, weight=2.0, state="diverged", learned=2),
        fake_run(tmp_path, "lwf", seed=0, weight=9.0, state="diverged", learned=1),
        fake_run(tmp_path, "lwf", seed=0, weight=3.0, state="interrupted", learned=0, log=False),
    ]
