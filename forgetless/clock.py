"""Where a run's time goes: each moment counts for one activity, and a time can be read while it runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds by activity."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._activity: str | None = None
        self._since = time.perf_counter()

    @contextmanager
    def during(self, activity: str) -> Iterator[None]:
        """Inside, time counts for this activity, and for no other."""
        outer = self._activity
        self._switch(activity)
        try:
            yield
        finally:
            self._switch(outer)

    def read(self) -> dict[str, float]:
        """Seconds by activity until now, and their sum as `total`."""
        self._switch(self._activity)
        return self._seconds | {"total": sum(self._seconds.values())}

    def add(self, seconds: dict[str, float]) -> None:
        """Count what an earlier session has read."""
        for activity, value in seconds.items():
            if activity != "total":
                self._seconds[activity] = self._seconds.get(activity, 0.0) + value

    def _switch(self, activity: str | None) -> None:
        now = time.perf_counter()
        if self._activity is not None:
            self._seconds[self._activity] = self._seconds.get(self._activity, 0.0) + now - self._since
        self._activity, self._since = activity, now
