"""`forgetless doctor`: what this machine has, and what a run would make of it. Works when torch does not."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ForgetlessError
from ..settings.places import available_cores, runs_folder
from ..version import __version__
from .flags import OURS
from .parser import Command, parse, plain_flags
from .results import json_text

ABOUT = "What this machine has: torch, device, precision and why, threads, disk, data sets found, versions."
EXAMPLES = ("forgetless doctor", "forgetless doctor --data /data --json")
PACKAGES = (
    "torch",
    "numpy",
    "scikit-learn",
    "pillow",
    "safetensors",
    "tyro",
    "pydantic",
    "rich",
)


def main(argv: Sequence[str]) -> int:
    """Look, and print what was found; 1 where torch cannot be used."""
    switches = {"json": "as JSON"}
    command = Command("doctor", ABOUT, (), plain_flags(OURS["data"], OURS["runs"]), switches, EXAMPLES)
    asked = parse(command, argv)
    runs = runs_folder(asked.get("runs"))
    facts: dict[str, Any] = {
        "forgetless": f"{__version__}, in {Path(__file__).parent.parent}",
        "python": f"{platform.python_version()}, {sys.executable}",
        "system": f"{platform.platform()}, {available_cores()} of {os.cpu_count()} cores",
        **_torch(),
        "threads": f"1 for an mlp and for runs side by side, {min(available_cores(), 4)} for a convolutional network",
        "runs": f"{runs.absolute()}, {_free(runs)}",
        **_data(Path(asked["data"]).expanduser() if "data" in asked else None),
        "versions": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }
    if "json" in asked:
        print(json_text(facts))
    else:
        width = max(map(len, facts)) + 2
        for name, value in facts.items():
            lines = value if isinstance(value, list) else [value]
            for i, line in enumerate(lines):
                print(f"{name if i == 0 else '':<{width}}{line}".rstrip())
    return 0 if facts["torch"].startswith(_version("torch").partition("+")[0]) else 1


def _torch() -> dict[str, str]:
    """What torch is and what it would run on, or the sentence of why it cannot be used."""
    try:
        import torch

        from ..engine import choose_plan

        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "for processors alone"
        plans = {model: choose_plan("auto", 1, model) for model in ("mlp", "resnet32")}
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return {
            "torch": f"cannot be used: {type(error).__name__}: {error}. Install it anew, as pytorch.org says "
            "for this system.",
        }
    device = plans["mlp"].device
    name = (
        torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    )
    return {
        "torch": f"{torch.__version__}, built {built}",
        "device": f"{device} ({name})",
        "precision": "; ".join(
            f"{model}: {plan.precision}, for {plan.reason}" for model, plan in plans.items()
        ),
    }


def _data(named: Path | None) -> dict[str, Any]:
    """Which data sets are found under the data root."""
    try:
        from ..data.cache import data_root
        from ..data.published import PUBLISHED
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return {"data": f"cannot be looked for without torch ({type(error).__name__})"}
    try:
        root = data_root(named)
    except ForgetlessError as error:
        return {"data": str(error)}
    found = []
    for name, published in PUBLISHED.items():
        folder = root / published.folder
        there = sum((folder / file.name).exists() for file in published.files)
        state = "found" if there == len(published.files) else "not there" if not there else "not whole"
        found.append(f"{name}: {state}")
    return {"data": [f"{root}, {_free(root)}", "digits: found (it comes with scikit-learn)", *found]}


def _free(path: Path) -> str:
    """Free room where a path is or would be made."""
    place = next((parent for parent in (path, *path.absolute().parents) if parent.exists()), Path("/"))
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    writable = "" if os.access(place, os.W_OK) else ", cannot be written"
    return f"{free / 1e9:.1f} GB free{writable}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
