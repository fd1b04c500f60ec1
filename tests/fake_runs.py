"""Run folders as forgetless writes them, with invented but self-consistent content."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from forgetless.files import sha256
from forgetless.metrics import summarize
from forgetless.predictions import Predictions, accuracy_from_predictions
from forgetless.record import write_predictions, write_result

KEPT = {
    "finetune": 0.02,
    "lwf": 0.6,
    "joint": 0.98,
}  # share of an old task that survives in the class scenario
RECIPE = {
    "epochs": 4.0,
    "steps": None,
    "batch": 128,
    "lr": 0.001,
    "optimizer": "adam",
    "schedule": "constant",
}


def fake_answers(tasks: int, scenario: str, kept: float, seed: int, images: int = 200) -> Predictions:
    """Answers that are right about as often as a method that keeps this share of an old task would be."""
    rng = np.random.default_rng([seed, tasks, len(scenario)])
    label = (lambda j: 0) if scenario == "domain" else (lambda j: 2 * j)
    true = tuple((label(j) + rng.integers(0, 2, images)).astype(np.uint16) for j in range(tasks))
    floor = {"task": 0.5, "domain": 0.3, "class": 0.0}[scenario]
    told, untold = {}, {}
    for i in range(tasks):
        for j in range(i + 1):
            right = 0.97 if i == j else max(0.97 * kept ** ((i - j) / 4), floor)
            hit = rng.random(images) < right
            sibling = true[j] ^ 1
            untold[i, j] = np.where(
                hit, true[j], sibling if scenario == "domain" or i == j else label(i)
            ).astype(np.uint16)
            told[i, j] = np.where(hit, true[j], sibling).astype(np.uint16)
    return Predictions(true, {} if scenario == "domain" else told, untold)


def fake_run(
    runs: Path,
    method: str = "lwf",
    stream: str = "split-mnist",
    scenario: str = "class",
    seed: int = 0,
    *,
    tasks: int = 5,
    learned: int | None = None,
    state: str = "finished",
    kept: float | None = None,
    log: bool = True,
    **changed: Any,
) -> Path:
    """Write one run folder and return it; `changed` are settings that differ from the usual ones."""
    hyper = {"weight": 1.0, "temperature": 2.0, "scope": "auto"} if method == "lwf" else {}
    settings = {
        "method": method,
        "stream": stream,
        "scenario": scenario,
        "seed": seed,
        "model": "mlp",
        "hidden": [400, 400],
    }
    settings |= {"class_order": "natural", "precision": "auto", "threads": 1} | RECIPE | hyper | changed
    key = sha256(json.dumps(settings, sort_keys=True).encode())[:8]
    folder = runs / f"{method}-{stream.strip('./').replace('/', '-')}-{scenario}-s{seed}-{key}"
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    (folder / "environment.json").write_text(json.dumps(fake_environment()))
    learned = tasks if learned is None else learned
    answers = fake_answers(tasks, scenario, KEPT.get(method, 0.5) if kept is None else kept, seed)
    answers = Predictions(answers.true, _upto(answers.aware, learned), _upto(answers.agnostic, learned))
    write_predictions(folder, answers)
    accuracy = accuracy_from_predictions(answers.true, answers.scored(scenario))
    metrics, reasons = summarize(accuracy, answers, scenario)
    result = {
        "state": state,
        "method": method,
        "stream": stream,
        "stream_version": 1,
        "fingerprint": "f" * 64,
    }
    result |= {
        "scenario": scenario,
        "seed": seed,
        "tasks": tasks,
        "accuracy": accuracy.tolist(),
        "metrics": metrics,
    }
    result |= {"reasons": reasons, "bytes": fake_bytes(method), "steps": 376 * learned, "resumed": 0}
    result |= {
        "seconds": {
            "train": 9.1 + seed,
            "evaluate": 0.7,
            "checkpoint": 0.2,
            "data": 0.4,
            "total": 10.4 + seed,
        }
    }
    if state == "diverged":
        result["error"] = (
            f"The term `new` of lwf became nan in task {learned + 1}, step 37. Lower the rate with --lr."
        )
    write_result(folder, result)
    if log:
        write_steps(folder, method, learned, seed)
    return folder


def write_steps(folder: Path, method: str, tasks: int, seed: int) -> None:
    """Write the log of the steps."""
    rng = np.random.default_rng(seed)
    lines = []
    for task in range(tasks):
        for step in range(50, 377, 50):
            terms = {"new": 0.9 * np.exp(-step / 120) + 0.05 * rng.random()}
            if method == "lwf" and task:
                terms["old"] = 0.4 + 0.1 * rng.random()
            lines.append(
                {"task": task, "fit": "main", "epoch": 0, "step": step, "rate": 0.001, "terms": terms}
            )
    (folder / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def fake_bytes(method: str) -> dict[str, int]:
    """Bytes by kind."""
    weights = 1_913_640
    kept = {"lwf": {"old_models": weights}, "joint": {"exemplars": 47_040_000}}.get(method, {})
    return {"weights": weights, "old_models": 0, "exemplars": 0, "statistics": 0, "masks": 0} | kept


def fake_environment() -> dict[str, Any]:
    """A machine that does not exist."""
    return {
        "python": "3.11.7", "torch": "2.13.0", "platform": "Linux", "device": "cpu", "device_name": "a processor",
        "threads": 1, "precision": "bf16", "precision_reason": "this processor multiplies bf16 in hardware",
        "forgetless": "0.1.0", "commit": None,
    }  # fmt: skip


def comparison(
    runs: Path, *, seeds: int = 3, scenarios: tuple[str, ...] = ("task", "class"), tasks: int = 5
) -> list[Path]:
    """Floor, LwF and ceiling in several scenarios and seeds."""
    return [
        fake_run(runs, method, scenario=scenario, seed=seed, tasks=tasks)
        for method in ("finetune", "lwf", "joint")
        for scenario in scenarios
        for seed in range(seeds)
    ]


def _upto(answers: Any, learned: int) -> dict[tuple[int, int], Any]:
    return {place: labels for place, labels in answers.items() if place[0] < learned}
