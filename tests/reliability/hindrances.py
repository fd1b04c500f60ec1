"""What goes wrong in a child on purpose: functions that a job runs first, in the child alone."""

import errno
import os
import pathlib
import random
import signal
import tempfile
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from forgetless import cell, sweep
from forgetless.methods.lwf import LwF
from forgetless.settings.settings import Settings


class Disk:
    """A disk that is full from the `count`-th call that needs room; calls are counted in any case."""

    def __init__(self, count: int) -> None:
        self.count, self.calls = count, 0

    def ask(self) -> None:
        self.calls += 1
        if self.calls >= self.count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def asking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*given: Any, **named: Any) -> Any:
            self.ask()
            return original(*given, **named)

        return wrapped

    def opening(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Files opened to be written ask before each write; half of what is written then still lands."""

        def opened(*given: Any, **named: Any) -> Any:
            file = original(*given, **named)
            return _Full(file, self) if file.writable() else file

        return opened

    def install(self, change: Callable[[Any, str, Any], None] = setattr) -> None:
        for name in ("fsync", "rename", "replace", "mkdir"):
            change(os, name, self.asking(getattr(os, name)))
        for name in ("mkstemp", "mkdtemp"):
            change(tempfile, name, self.asking(getattr(tempfile, name)))
        change(os, "fdopen", self.opening(os.fdopen))
        change(pathlib.Path, "open", self.opening(pathlib.Path.open))


class _Full:
    """A file on that disk."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def write(self, data: bytes) -> int:
        try:
            self.disk.ask()
        except OSError:
            self.file.write(data[: len(data) // 2])
            raise
        return int(self.file.write(data))

    def __enter__(self) -> "_Full":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def full_disk(count: int) -> Callable[[], None]:
    """From its `count`-th call on, the disk has no room."""
    return partial(_fill, count)


def _fill(count: int) -> None:
    Disk(count).install()


def reseeding() -> None:
    """A library that seeds everybody's generators whenever it is called: between tasks and tests."""
    for name in ("build_stream", "fresh_method", "evaluate", "Engine"):
        setattr(cell, name, _after_reseeding(getattr(cell, name)))
    cell.Cell._learn_and_score = _after_reseeding(cell.Cell._learn_and_score)  # type: ignore[method-assign]


def _after_reseeding(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*given: Any, **named: Any) -> Any:
        random.seed(1)
        np.random.seed(2)
        torch.manual_seed(3)
        return original(*given, **named)

    return wrapped


def infinite_old_term() -> None:
    """LwF's loss of old answers is infinite."""
    LwF.preserve = lambda self, group, logits, answers: logits.sum() * torch.inf  # type: ignore[method-assign]


def forked_workers() -> None:
    """Workers of a sweep begin as copies of this process: seconds sooner than as new ones."""
    sweep.get_context = lambda _: get_context("fork")


def deadly_first_cell() -> None:
    """Whoever runs the cell of seed 0 is killed, as for want of memory."""
    forked_workers()
    attempt = sweep._attempt

    def attempted(settings: Settings, *rest: Any) -> Any:
        if settings.seed == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return attempt(settings, *rest)

    sweep._attempt = attempted


def killed_while_emptying() -> None:
    """`--fresh` is killed when it has removed one file of the old run."""
    unlink = pathlib.Path.unlink

    def unlinked(path: pathlib.Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if not path.name.startswith("lock"):
            os.kill(os.getpid(), signal.SIGKILL)

    pathlib.Path.unlink = unlinked  # type: ignore[method-assign]
