"""Where runs lie. No torch."""

import os
from pathlib import Path


def runs_folder(named: str | Path | None = None) -> Path:
    """Where run folders go: what was named, else FORGETLESS_RUNS, else ./runs."""
    return Path(named or os.environ.get("FORGETLESS_RUNS") or "runs").expanduser()
