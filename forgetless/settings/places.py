"""Where runs lie, and what they may use of this machine. No torch."""

import os
from pathlib import Path


def runs_folder(named: str | Path | None = None) -> Path:
    """Where run folders go: what was named, else FORGETLESS_RUNS, else ./runs."""
    return Path(named or os.environ.get("FORGETLESS_RUNS") or "runs").expanduser()


def available_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
