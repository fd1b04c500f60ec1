"""How long help takes, beyond what a bare interpreter takes: `python -m benchmarks.startup [--rounds N]`."""

import argparse
import resource
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
    wall: dict[str, list[float]] = {name: [] for name in ASKED}
    cpu: dict[str, list[float]] = {name: [] for name in ASKED}
    for _ in range(asked.rounds + 1):  # the first only warms the disk's cache
        for name, words in ASKED.items():
            started, before = time.perf_counter(), _cpu_of_children()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(_cpu_of_children() - before)
    rows = [
        {
            "asked": name,
            "seconds beyond a bare interpreter": _beyond(wall, name),
            "the same in CPU seconds": _beyond(cpu, name),  # which others' load disturbs least
            "rounds": asked.rounds,
        }
        for name in ASKED
    ]
    results.write("startup", "benchmarks.startup", {"rows": rows})


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _beyond(times: dict[str, list[float]], name: str) -> float:
    """The median over the rounds, the first left out, of what it takes more than the bare interpreter."""
    pairs = zip(times[name][1:], times["a bare interpreter"][1:], strict=True)
    return round(statistics.median(own - bare for own, bare in pairs), 3)


if __name__ == "__main__":
    main()
