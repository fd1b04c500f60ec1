"""Whether bf16 learns as well as fp32, by paired seeds: `python -m benchmarks.parity resnet32|mlp --data DIR`.

resnet32: the first ten classes of CIFAR-100 in the order of 1993, 20 epochs, otherwise the stream's own recipe.
mlp: the source article's PermutedMNIST, three tasks. Each pair shares initialisation, order and augmentation.
Stopped at any moment, the same command goes on where it was; a finished cell is not run again.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import results
from benchmarks.workloads import plan
from forgetless.data import build_stream
from forgetless.engine import Account, Checkpoints, Engine, Progress, Saved, Step, capture, evaluate
from forgetless.methods.registry import fresh_method
from forgetless.randomness import seeded
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings

PRECISIONS = ("fp32", "bf16")
CHECKPOINT_EVERY = 120.0  # seconds


@dataclass(frozen=True)
class Subject:
    """What is learned, and for how long."""

    stream: str
    tasks: int  # of the stream's, from the first on
    given: dict[str, Any]


SUBJECTS = {
    "resnet32": Subject("split-cifar100/10", 1, {"scenario": "class", "epochs": 20.0}),
    "mlp": Subject("permuted-mnist-article/3", 3, {"scenario": "domain"}),
}


def main() -> None:
    """Run what is missing, then write `results/parity-<subject>.json`."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("subject", choices=SUBJECTS)
    asked.add_argument("--data", type=Path, default=os.environ.get("FORGETLESS_DATA"), help="the data root")
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--epochs", type=float, help="in place of the subject's own: to try things")
    asked.add_argument("--limit", type=int, help="images per class: to try things")
    asked.add_argument("--runs", type=Path, default=Path("runs/parity"), help="where unfinished work is kept")
    asked.add_argument("--name", help="of the result")
    options = asked.parse_args()
    subject = SUBJECTS[options.subject]
    given = dict(subject.given)
    given |= {key: value for key in ("epochs", "limit") if (value := getattr(options, key)) is not None}
    pairs = []
    for seed in range(options.seeds):
        cells = {}
        for precision in PRECISIONS:
            settings = resolve("finetune", subject.stream, given | {"seed": seed, "precision": precision})
            cells[precision] = cell(settings, subject.tasks, options.data, options.runs)
            print(
                f"seed {seed}, {precision}: {cells[precision]['accuracy'][-1]}", file=sys.stderr, flush=True
            )
        pairs.append({"seed": seed} | cells)
    name = options.name or f"parity-{options.subject}"
    results.write(
        name, "benchmarks.parity", {"note": note(options.subject, pairs), "rows": rows(pairs), "pairs": pairs}
    )
    print(note(options.subject, pairs))


def cell(settings: Settings, tasks: int, data: Path | None, runs: Path) -> dict[str, Any]:
    """Learn the first tasks of a stream, from where an earlier call left off. Accuracies, loss at the end, seconds."""
    folder = runs / settings.folder
    done = folder / "done.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text())
        return found
    with seeded(settings.seed, "cell"):
        found = Learner(settings, tasks, data, folder).go()
    done.write_text(json.dumps(found))
    Checkpoints(folder / "checkpoint").clear()
    return found


class Learner:
    """One cell on its way; what it has reached lies in its checkpoint."""

    def __init__(self, settings: Settings, tasks: int, data: Path | None, folder: Path) -> None:
        self.tasks, self.plan = tasks, plan(settings.precision)
        self.stream = build_stream(settings, data)
        self.method = fresh_method(settings, self.stream.input_shape)
        self.engine = Engine(settings.recipe, settings.seed, self.plan)
        self.checkpoints = Checkpoints(folder / "checkpoint")
        found, _ = self.checkpoints.read()
        fresh = Saved(0, Progress(capture(self.method)), Account(), {}, {}, self.stream.fingerprint)
        self.saved = Saved.from_checkpoint(found) if found else fresh
        self.facts = self.saved.account.seconds  # numbers that go with the checkpoint
        self.written = self.told = time.monotonic()

    def go(self) -> dict[str, Any]:
        """Learn what is missing; what the tests say after each task, in shares."""
        for index in range(self.saved.task, self.tasks):
            self.engine.learn(self.method, self.stream.task(index), self.saved.progress, self.watch)
            for j, answers in enumerate(evaluate(self.method, self.stream, index, self.plan)):
                labels = answers.agnostic
                right = (
                    (labels == self.stream.tests[j].y).double().mean().item()
                    if labels is not None
                    else math.nan
                )
                self.facts[f"{index}/{j}"] = right
            self.saved.task, self.saved.progress = index + 1, Progress(capture(self.method))
            self.checkpoints.write(self.saved.to_checkpoint())
        accuracy = [[self.facts[f"{i}/{j}"] for j in range(i + 1)] for i in range(self.tasks)]
        return {"accuracy": accuracy, "loss": self.facts["loss"], "seconds": self.facts["seconds"]}

    def watch(self, step: Step) -> None:
        """Keep the time and the newest mean loss; save now and then."""
        now = time.monotonic()
        self.facts["seconds"] = self.facts.get("seconds", 0.0) + now - self.told
        self.told = now
        if step.terms is not None:
            self.facts["loss"] = step.terms["new"]
        if now - self.written > CHECKPOINT_EVERY:
            self.saved.progress.now = step.moment()
            self.checkpoints.write(self.saved.to_checkpoint())
            self.saved.progress.now = None
            self.written = now


def final(found: dict[str, Any]) -> tuple[float, float]:
    """Mean accuracy over the tasks at the end, and that of the newest, in percent."""
    last = found["accuracy"][-1]
    return 100 * statistics.mean(last), 100 * last[-1]


def rows(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line for each pair, and one for their differences."""
    made: list[dict[str, Any]] = []
    for pair in pairs:
        (fp32, fp32_new), (bf16, bf16_new) = final(pair["fp32"]), final(pair["bf16"])
        made.append(
            {
                "seed": pair["seed"],
                "fp32": fp32,
                "bf16": bf16,
                "difference": bf16 - fp32,
                "difference, newest task": bf16_new - fp32_new,
                "difference, last loss": pair["bf16"]["loss"] - pair["fp32"]["loss"],
                "time, fp32/bf16": pair["fp32"]["seconds"] / pair["bf16"]["seconds"],
            }
        )
    return made


def note(subject: str, pairs: list[dict[str, Any]]) -> str:
    """The mean difference with its standard error, in a sentence."""
    found = rows(pairs)
    sentences = []
    for key in ("difference", "difference, newest task", "difference, last loss"):
        values = [row[key] for row in found]
        error = (
            f" +- {statistics.stdev(values) / math.sqrt(len(values)):.3f} (s.e.)" if len(values) > 1 else ""
        )
        sentences.append(f"{key} {statistics.mean(values):+.3f}{error}")
    return f"{subject}, {len(found)} paired seeds, bf16 less fp32, accuracies in percent: {'; '.join(sentences)}."


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
