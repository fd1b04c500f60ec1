"""Learn very many tiny tasks, and watch what a process takes: memory must not grow beyond what is remembered.

python -m benchmarks.soak --tasks 200
"""

import argparse
import gc
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forgetless.events import Event, TaskScored
from forgetless.run import run_settings
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Settings

RESULTS = Path(__file__).parent / "results" / "soak.json"
LIMIT = 1.0  # MB a task


@dataclass
class Usage:
    """What the process took after each task."""

    megabytes: list[float]
    files: list[int]

    @property
    def slope(self) -> float:
        """Megabytes a task, fitted to the second half."""
        half = self.megabytes[len(self.megabytes) // 2 :]
        return float(np.polyfit(range(len(half)), half, 1)[0])

    @property
    def more_files(self) -> int:
        """Files that are open at the end and were not in the middle."""
        return self.files[-1] - self.files[len(self.files) // 2]


def watch(tasks: int, method: str, runs: Path) -> Usage:
    """Learn that many tasks of permuted digits and read the process's memory and open files after each."""
    usage = Usage([], [])

    def listen(event: Event) -> None:
        if isinstance(event, TaskScored):
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            usage.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
            usage.files.append(len(os.listdir("/proc/self/fd")))

    settings = Settings(
        method, f"permuted-digits/{tasks}", "domain", recipe=Recipe(steps=3, batch=16), hidden=(16,), limit=4
    )
    run_settings(settings, runs=runs, listen=listen)
    return usage


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--method", default="lwf")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        usage = watch(options.tasks, options.method, Path(folder))
        seconds = json.loads(next(Path(folder).glob("*/result.json")).read_text())["seconds"]
    found: dict[str, Any] = {
        "command": f"python -m benchmarks.soak --tasks {options.tasks} --method {options.method}",
        "megabytes_a_task": round(usage.slope, 3),
        "limit": LIMIT,
        "open_files": usage.files[-1],
        "more_open_files_than_half_way": usage.more_files,
        "megabytes_at_the_end": round(usage.megabytes[-1], 1),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 0 if usage.slope < LIMIT and usage.more_files == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
