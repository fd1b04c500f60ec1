"""What is going on, on standard error: a live display in a terminal, plain lines elsewhere. Listens to events."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..events import Listener, silent
from .plain import Plain


@contextmanager
def progress(cells: int = 1, *, quiet: bool = False) -> Iterator[Listener]:
    """A listener for the runs that are made inside; `cells` of them in all."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        from .live import live

        with live(cells) as listen:
            yield listen
    else:
        yield Plain(cells)
