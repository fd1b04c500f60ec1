"""Results as JSON, with what is needed to judge and to repeat them; `python -m benchmarks.results` makes RESULTS.md."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def write(name: str, module: str, content: dict[str, Any]) -> None:
    """Write `results/<name>.json` and bring RESULTS.md up to date."""
    about = {
        "command": " ".join(["python", "-m", module, *_repeatable(sys.argv[1:])]),
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(about | content, indent=1) + "\n")
    (HERE / "RESULTS.md").write_text(table())


def _repeatable(arguments: list[str]) -> list[str]:
    """The arguments without this machine's folders, and such that they make the runs too."""
    return [
        "DIR" if Path(argument).is_absolute() else argument for argument in arguments if argument != "--table"
    ]


def commit() -> str:
    """The commit, with a plus sign where files differ from it."""
    sha, changed = (
        subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "../forgetless", "."])
    )
    return sha + "+" * any("results" not in line.lower() for line in changed.splitlines())


def machine() -> dict[str, Any]:
    """What the figures depend on beside the code."""
    import torch

    from forgetless.engine import Plan, describe_machine

    facts = describe_machine(Plan(torch.device("cpu"), "fp32", "", 1, deterministic=False))
    kept = ("torch", "python", "device_name", "cpu_capability", "threads")
    load = round(os.getloadavg()[0], 1)
    return {key: facts[key] for key in kept} | {"bf16": bf16_unit(), "cores": os.cpu_count(), "load": load}


def bf16_unit() -> str:
    """What computes products of bf16 numbers."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text(errors="ignore") if path.exists() else ""
    return next((name for name in ("amx_bf16", "avx512_bf16") if f" {name}" in flags), "none")


def table() -> str:
    """All results as Markdown."""
    parts = ["# Results\n", "Made by `python -m benchmarks.results` from `results/*.json`; do not edit.\n"]
    for path in sorted(RESULTS.glob("*.json")):
        found = json.loads(path.read_text())
        if "rows" in found:
            parts += [_section(path.stem, found)]
    return "\n".join(parts)


def _section(name: str, found: dict[str, Any]) -> str:
    on = found["machine"]
    rows = found["rows"]
    columns = list(
        dict.fromkeys(key for row in rows for key, value in row.items() if not isinstance(value, list))
    )
    lines = [
        f"## {name}\n",
        f"`{found['command']}`, commit {found['commit'][:10]}{'+' * found['commit'].endswith('+')}, {found['date']}. "
        f"{on['device_name']}, bf16 by {on['bf16']}, {on['threads']} thread, torch {on['torch']}, "
        f"load of the machine {on['load']}. {found.get('note', '')}\n",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
    ]
    lines += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    (HERE / "RESULTS.md").write_text(table())
