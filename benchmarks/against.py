"""What the tables against the conventional loop share: what is asked, how it is written."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from . import machine, results
from .workloads import plan

Measure = Callable[[str, int, machine.Limits], list[dict[str, Any]]]
"""The rows of one workload, from so many rounds."""


def tabulate(name: str, about: str | None, workloads: Sequence[str], measure: Measure) -> None:
    """Measure the workloads that are asked for, print, write `results/<name>.json`."""
    asked = argparse.ArgumentParser(description=about)
    asked.add_argument("workloads", nargs="*", default=list(workloads))
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--name", default=name, help="of the result")
    options = asked.parse_args()
    plan("fp32")
    limits = machine.probe()
    rows = [row for workload in options.workloads for row in measure(workload, options.rounds, limits)]
    note = (
        "Ratios to the conventional loop, by wall and by CPU time; `of limit`: of what the machine could do."
    )
    probed = {"flops": limits.flops, "bandwidth": limits.bandwidth}
    content = {"rounds": options.rounds, "note": note, "limits": probed, "rows": rows}
    results.write(options.name, f"benchmarks.{name}", content)
    for row in rows:
        print(row)
