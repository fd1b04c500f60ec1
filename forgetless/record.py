"""A run folder, read and written: what was asked, what came of it. Plain data, no torch."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .errors import StorageError
from .files import explained, write_atomically
from .predictions import Matrix, Predictions, read_predictions, write_predictions

__all__ = ["FORMAT", "Run", "load", "read_steps", "runs_below", "write_predictions", "write_result"]

FORMAT = 1
STATES = ("running", "finished", "interrupted", "diverged", "failed")

_KEYS: dict[str, type | tuple[type, ...]] = {
    "state": str, "method": str, "stream": str, "scenario": str, "seed": int, "accuracy": list, "metrics": dict,
    "reasons": dict, "bytes": dict, "seconds": dict, "steps": int,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run as its folder tells it."""

    path: Path
    settings: dict[str, Any]
    result: dict[str, Any]

    @property
    def state(self) -> str:
        """Running, finished, interrupted, diverged or failed."""
        return str(self.result["state"])

    @property
    def method(self) -> str:
        """The method's registered name."""
        return str(self.result["method"])

    @property
    def stream(self) -> str:
        """The stream's name with its suffix, or a folder."""
        return str(self.result["stream"])

    @property
    def scenario(self) -> str:
        """Task, class or domain."""
        return str(self.result["scenario"])

    @property
    def seed(self) -> int:
        """The seed of all that is drawn at random."""
        return int(self.result["seed"])

    @property
    def tasks(self) -> int:
        """Tasks of the whole stream, learned or not; where that is not recorded, those learned."""
        return int(self.result.get("tasks", len(self.accuracy)))

    @property
    def error(self) -> str:
        """What stopped a run that diverged or failed, a sentence; else empty."""
        return str(self.result.get("error") or "")

    @property
    def steps(self) -> int:
        """Optimiser steps made."""
        return int(self.result["steps"])

    @property
    def metrics(self) -> dict[str, float | None]:
        """Named metrics, fractions; None where undefined."""
        return dict(self.result["metrics"])

    @property
    def reasons(self) -> dict[str, str]:
        """Why a metric is undefined."""
        return dict(self.result["reasons"])

    @property
    def bytes(self) -> dict[str, int]:
        """What the method keeps, by kind."""
        return dict(self.result["bytes"])

    @property
    def seconds(self) -> dict[str, float]:
        """Where the time went."""
        return dict(self.result["seconds"])

    @property
    def measured(self) -> dict[str, Any]:
        """What the method measured of itself, by name: numbers, or lists of lists of them; None where undefined."""
        return dict(self.result.get("measured", {}))

    @cached_property
    def accuracy(self) -> Matrix:
        """Accuracy on task j after task i, (T, T) for the T tasks learned so far, NaN above the diagonal."""
        rows = [row for row in self.result["accuracy"] if any(cell is not None for cell in row)]
        square = np.full((len(rows), len(rows)), np.nan)
        for i, row in enumerate(rows):
            square[i, : i + 1] = [np.nan if cell is None else cell for cell in row[: i + 1]]
        return square

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, platform, device, threads, precision; empty if it was not kept."""
        path = self.path / "environment.json"
        return _read_object(path) if path.is_file() else {}

    def predictions(self) -> Predictions:
        """The answers in the tests, label by label."""
        return read_predictions(self.path)


def load(path: str | Path) -> Run:
    """Read a run folder.

    Raises:
        StorageError: there is none, it is damaged or foreign, or a newer program wrote it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise StorageError(f"There is no run folder {folder}. `forgetless run` makes one under --runs.")
    if not (folder / "result.json").is_file():
        if (folder / "settings.yaml").is_file():
            raise StorageError(
                f"The run in {folder} has not learned its first task yet: there is no result to read."
            )
        raise StorageError(f"{folder} is not a run folder: it holds no result.json.")
    result = _read_object(folder / "result.json")
    _check(result, folder / "result.json")
    return Run(folder, _read_settings(folder / "settings.yaml"), result)


def runs_below(folder: str | Path) -> list[Path]:
    """All run folders in a folder, itself included, in order of name; those without a result too."""
    top = Path(folder)
    if not top.is_dir():
        raise StorageError(f"There is no folder {top} to look for runs in.")
    marks = ("result.json", "settings.yaml")
    with explained(top, "read"):
        found = {path.parent for mark in marks for path in top.rglob(mark)}
    return sorted(path for path in found if "checkpoint" not in path.relative_to(top).parts)


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write `result.json` in one step; NaN in the accuracy matrix, an array or rows, becomes null.

    Raises:
        StorageError: the place cannot be written.
    """
    rows = [
        [None if math.isnan(cell) else float(cell) for cell in _numbers(row)] for row in result["accuracy"]
    ]
    whole = {"format": FORMAT, **result, "accuracy": rows, "measured": _finite(result.get("measured", {}))}
    _check(whole, folder / "result.json")
    write_atomically(folder / "result.json", json.dumps(whole, indent=1, allow_nan=False) + "\n")


def read_steps(folder: Path) -> list[dict[str, Any]]:
    """What was logged of the steps, each step once, in order; a line that a kill cut short is left out.

    Steps that were made again after a resume replace what they repeat.
    """
    path = folder / "steps.jsonl"
    if not path.is_file():
        return []
    with explained(path, "read"):
        text = path.read_text(encoding="utf-8", errors="replace")
    steps: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in _objects(text):
        steps[tuple(line.get(key) for key in ("task", "fit", "epoch", "step"))] = line
    return list(steps.values())


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            yield value


def _finite(value: Any) -> Any:
    """The same numbers in the same lists, null where one is not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    whole = isinstance(value, list)
    return [_finite(part) for part in value] if whole else value if math.isfinite(value) else None


def _numbers(row: Any) -> list[float]:
    return [math.nan if cell is None else float(cell) for cell in row]


def _read_object(path: Path) -> dict[str, Any]:
    try:
        with explained(path, "read"):
            value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is damaged: it is not JSON ({error}). Run its settings again.") from error
    if not isinstance(value, dict):
        raise StorageError(f"{path} was not written by forgetless: it holds no named values.")
    return value


def _read_settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        with explained(path, "read"):
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{path} is damaged: it is not YAML. Run the settings again with --fresh."
        ) from error
    if not isinstance(value, dict):
        raise StorageError(f"{path} was not written by forgetless: it holds no named settings.")
    return value


def _check(result: Mapping[str, Any], path: Path) -> None:
    """Refuse what a newer program wrote, and what no program of ours did."""
    version = result.get("format")
    if not isinstance(version, int):
        raise StorageError(f"{path} was not written by forgetless: it names no format.")
    if version > FORMAT:
        raise StorageError(
            f"{path} has format {version}; this forgetless reads up to {FORMAT}. Upgrade it to read this run."
        )
    wrong = [key for key, kind in _KEYS.items() if not isinstance(result.get(key), kind)]
    if wrong:
        raise StorageError(f"{path} is damaged: {', '.join(wrong)} missing or of the wrong kind.")
    if result["state"] not in STATES:
        raise StorageError(f"{path} names the state {result['state']!r}; known are {', '.join(STATES)}.")
    _check_accuracy(result, path)


def _check_accuracy(result: Mapping[str, Any], path: Path) -> None:
    rows = result["accuracy"]
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) <= i:
            raise StorageError(f"{path} is damaged: row {i} of its accuracy matrix is too short.")
        for cell in row:
            if cell is not None and not (isinstance(cell, int | float) and 0 <= cell <= 1):
                raise StorageError(f"{path} is damaged: {cell!r} in its accuracy matrix is no share of 1.")
    whole = len(rows) == result.get("tasks", len(rows)) and all(
        None not in row[: i + 1] for i, row in enumerate(rows)
    )
    if result["state"] == "finished" and not (rows and whole):
        raise StorageError(f"{path} is damaged: it says finished, but its accuracy matrix is not complete.")
