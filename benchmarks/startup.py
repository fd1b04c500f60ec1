"""How long help takes, beyond what a bare interpreter takes: `python -m benchmarks.startup [--rounds N]`."""

import argparse
import statistics
import subprocess
import sys
import time

from . import results

ASKED = {
    "a bare interpreter": ["-c", "pass"],
    "forgetless --help": ["-m", "forgetless", "--help"],
    "forgetless run lwf --help": ["-m", "forgetless", "run", "lwf", "--help"],
    "import forgetless": ["-c", "import forgetless"],
}


def main() -> None:
    """Take turns, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in ASKED}
    for _ in range(asked.rounds + 1):  # the first only warms the disk's cache
        for name, words in ASKED.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - started)
    bare = seconds["a bare interpreter"][1:]
    rows = [
        {
            "asked": name,
            "seconds": round(statistics.median(times[1:]), 3),
            "beyond a bare interpreter": round(
                statistics.median(time - base for time, base in zip(times[1:], bare, strict=True)), 3
            ),
            "rounds": asked.rounds,
        }
        for name, times in seconds.items()
    ]
    results.write("startup", "benchmarks.startup", {"rows": rows})


if __name__ == "__main__":
    main()
