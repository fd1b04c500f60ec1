"""Errors that are not ours to word: of a method's file of one's own, said with the line they are in; of a crash."""

import os
import traceback
from types import TracebackType

from .errors import ForgetlessError, SettingsError

FAILURES = (
    ForgetlessError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip
"""What a run may end with, by a fault of ours or of a library too, while others go on: all but being stopped."""


class Blamed:
    """Inside, what a line of this file raises becomes a sentence that names it; our own faults pass through."""

    def __init__(self, file: str | None) -> None:
        self.file = file

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, ForgetlessError):
            return
        frames = [frame for frame in traceback.extract_tb(trace) if frame.filename == self.file]
        if frames:
            at = frames[-1]
            raise SettingsError(
                f"{at.filename}, line {at.lineno}, in {at.name}: {type(error).__name__}: {error}\n"
                f"    {at.line}\nFORGETLESS_DEBUG=1 shows how it came to that."
            ) from error


def failure_of(error: Exception) -> ForgetlessError:
    """What one of several runs ended with, to be told while the others go on; FORGETLESS_DEBUG=1 prints how it came."""
    if isinstance(error, ForgetlessError):
        return error
    if os.environ.get("FORGETLESS_DEBUG") == "1":
        traceback.print_exception(error)
    return ForgetlessError(
        f"It crashed: {type(error).__name__}: {error}. FORGETLESS_DEBUG=1 shows how it came to that."
    )
