"""The inside of one run: what is learned so far, what is saved of it and when, and what is told."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from . import metrics, record
from .clock import Clock
from .data.streams import build_stream
from .engine import (
    Checkpoints,
    Engine,
    Moment,
    Plan,
    Progress,
    Step,
    capture,
    count_bytes,
    evaluate,
    prepare_process,
)
from .errors import DataError, InterruptedRun
from .events import Listener, Note, RunEnded, RunStarted, Stepped, TaskScored
from .files import sha256, write_atomically
from .interrupts import Stop
from .methods.registry import make_method
from .models import build_model
from .predictions import Predictions, accuracy_from_predictions
from .randomness import seeded
from .settings.settings import Settings

TELL_EVERY = 0.2  # seconds between two events about steps


@dataclass
class Account:
    """What has come of a run so far; kept in each checkpoint, so that a resumed run tells the same."""

    steps: int = 0
    resumed: int = 0
    bytes: dict[str, int] = field(default_factory=dict)
    log_bytes: int = 0  # length of steps.jsonl that belongs to the checkpoint


class Cell:
    """One run, from its folder's checkpoint or from the start."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        plan: Plan,
        data: Path | None,
        listen: Listener,
        stop: Stop,
        checkpoint_every: float,
    ) -> None:
        self.settings, self.folder, self.plan, self.data = settings, folder, plan, data
        self.listen, self.stop, self.checkpoint_every = listen, stop, checkpoint_every
        self.checkpoints = Checkpoints(folder / "checkpoint")
        self.account = Account()
        self.clock = Clock()
        self.aware: dict[tuple[int, int], Any] = {}
        self.agnostic: dict[tuple[int, int], Any] = {}
        self.task = 0
        self.log: list[str] = []
        self.saved = self.told = time.monotonic()
        self.ready = False

    def go(self) -> None:
        """Learn every task that is not learned yet, and write what came of it."""
        prepare_process(self.plan)
        with self.clock.during("data"):
            self.stream = build_stream(self.settings, self.data)
        with seeded(self.settings.seed, "model"):
            model = build_model(self.settings.model, self.stream.input_shape, hidden=self.settings.hidden)
        self.method = make_method(self.settings, model).to(self.plan.device)
        self.engine = Engine(self.settings.recipe, self.settings.seed, self.plan)
        self.progress = Progress(capture(self.method))
        self._resume()
        self.ready = True
        tasks = len(self.stream)
        self.listen(RunStarted(self.folder.name, tasks, self.task, self.account.resumed > 0))
        if not self.account.resumed:
            self._write_result("running")
        while self.task < tasks:
            self._learn_and_score()
        self.conclude("finished")

    def _learn_and_score(self) -> None:
        with self.clock.during("data"):
            task = self.stream.task(self.task, self.plan.device, with_past=self.method.needs_past)
            past = task.train.nbytes
        with self.clock.during("train"):
            self.engine.learn(self.method, task, self.progress, self._watch)
        self.account.bytes = count_bytes(self.method, past)
        with self.clock.during("evaluate"):
            for j, answers in enumerate(evaluate(self.method, self.stream, self.task, self.plan)):
                for kept, labels in ((self.aware, answers.aware), (self.agnostic, answers.agnostic)):
                    if labels is not None:
                        kept[self.task, j] = labels.numpy().astype(np.uint16)
        row = tuple(self._accuracy()[self.task].tolist())
        self.task += 1
        self.progress = Progress(capture(self.method))
        if self.task < len(self.stream):
            self._save(None)
            self._write_result("running")
        self.listen(TaskScored(self.folder.name, self.task - 1, row[: self.task]))
        if self.stop.asked and self.task < len(self.stream):
            raise self._interruption()

    def _watch(self, step: Step) -> None:
        self.account.steps += 1
        if step.terms is not None:
            self.log.append(
                json.dumps(
                    {"task": self.task, "fit": step.fit, "step": step.step, "lr": step.lr} | step.terms
                )
            )
        now = time.monotonic()
        if step.terms is not None and now - self.told > TELL_EVERY:
            self.told = now
            share = (self.task + step.step / step.steps) / len(self.stream)
            self.listen(
                Stepped(self.folder.name, self.task, step.fit, step.step, step.steps, share, step.terms)
            )
        if self.stop.asked:
            self._save(step.moment())
            raise self._interruption()
        if now - self.saved > self.checkpoint_every:
            self._save(step.moment())

    def _interruption(self) -> InterruptedRun:
        return InterruptedRun(
            f"Stopped in task {self.task + 1} of {len(self.stream)}, as asked; nothing is lost. "
            f"`forgetless resume {self.folder}` goes on from here."
        )

    # What is saved.

    def _save(self, now: Moment | None) -> None:
        with self.clock.during("checkpoint"):
            self._write_log()
            tensors: dict[str, Tensor] = _prefixed("start", self.progress.start)
            for number, state in enumerate(self.progress.finished):
                tensors |= _prefixed(f"finished/{number}", state)
            facts: dict[str, Any] = {
                "task": self.task,
                "finished": len(self.progress.finished),
                "step": now.step if now else None,
                "fingerprint": self.stream.fingerprint,
                "account": vars(self.account),
                "seconds": self.clock.read(),
            }
            if now is not None:
                tensors |= _prefixed("now", now.method) | _prefixed("optimizer", now.optimizer)
                tensors |= {"generator/augment": now.augment, "generator/ambient": now.ambient}
            for kind, kept in (("aware", self.aware), ("agnostic", self.agnostic)):
                tensors |= {
                    f"{kind}/{i}/{j}": torch.from_numpy(v.astype(np.int32)) for (i, j), v in kept.items()
                }
            self.checkpoints.write(tensors, facts)
            self.saved = time.monotonic()

    def _resume(self) -> None:
        found, complaints = self.checkpoints.read()
        for complaint in complaints:
            self.listen(Note(self.folder.name, complaint))
        if found is None:
            self._cut_log()
            return
        tensors, facts = found.tensors, found.facts
        if facts["fingerprint"] != self.stream.fingerprint:
            raise DataError(
                f"The data of {self.settings.stream} are not those that {self.folder} began with. "
                "Bring the old data back, or give --fresh to start anew."
            )
        self.task = facts["task"]
        self.account = Account(**facts["account"])
        self.account.resumed += 1
        self.clock.add(facts["seconds"])
        finished = [_below(f"finished/{number}", tensors) for number in range(facts["finished"])]
        now = None
        if facts["step"] is not None:
            now = Moment(
                facts["step"], _below("now", tensors), _below("optimizer", tensors),
                tensors["generator/augment"], tensors["generator/ambient"],
            )  # fmt: skip
        self.progress = Progress(_below("start", tensors), finished, now)
        for kind, kept in (("aware", self.aware), ("agnostic", self.agnostic)):
            for place, labels in _below(kind, tensors).items():
                i, j = map(int, place.split("/"))
                kept[i, j] = labels.numpy().astype(np.uint16)
        self._cut_log()

    def _cut_log(self) -> None:
        """Forget what was logged after the checkpoint: it will be logged again."""
        path = self.folder / "steps.jsonl"
        if path.exists():
            write_atomically(path, path.read_bytes()[: self.account.log_bytes])

    def _write_log(self) -> None:
        if self.log:
            text = "".join(line + "\n" for line in self.log).encode()
            with (self.folder / "steps.jsonl").open("ab") as file:
                file.write(text)
            self.account.log_bytes += len(text)
            self.log = []

    # What is told of it.

    def conclude(self, state: str, error: str | None = None) -> None:
        """Write the result as it stands, and, of a finished run, all that was learned."""
        if not self.ready:
            return
        self._write_log()
        record.write_predictions(self.folder, self._predictions())
        weights = None
        if state == "finished":
            weights = self._write_model()
        self._write_result(state, error, weights)
        if state in ("finished", "diverged"):
            self.checkpoints.clear()
        self.listen(RunEnded(self.folder.name, state, self.clock.read()["total"]))

    def _write_model(self) -> str:
        tensors = {name: value.contiguous() for name, value in capture(self.method).items()}
        write_atomically(self.folder / "model.safetensors", save(tensors))
        return hash_of_tensors(tensors)

    def _write_result(self, state: str, error: str | None = None, weights: str | None = None) -> None:
        settings, accuracy, predictions = self.settings, self._accuracy(), self._predictions()
        values, reasons = metrics.summarize(accuracy, predictions, settings.scenario)
        result: dict[str, Any] = {
            "state": state,
            "method": settings.method,
            "stream": settings.stream,
            "stream_version": self.stream.version,
            "fingerprint": self.stream.fingerprint,
            "scenario": settings.scenario,
            "seed": settings.seed,
            "tasks": len(self.stream),
            "accuracy": [row[: len(accuracy)].tolist() for row in accuracy],
            "metrics": values,
            "reasons": reasons,
            "bytes": self.account.bytes,
            "seconds": self.clock.read(),
            "steps": self.account.steps,
            "resumed": self.account.resumed,
            "weights_sha256": weights,
        }
        record.write_result(self.folder, result | ({"error": error} if error else {}))

    def _predictions(self) -> Predictions:
        true = tuple(test.y.numpy().astype(np.uint16) for test in self.stream.tests)
        return Predictions(true, self.aware, self.agnostic)

    def _accuracy(self) -> Any:
        predictions = self._predictions()
        return accuracy_from_predictions(predictions.true, predictions.scored(self.settings.scenario))


def hash_of_tensors(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of every tensor's name, kind, shape and bytes, in order of name."""
    parts = []
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        about = f"{name} {value.dtype} {tuple(value.shape)} ".encode()
        parts.append(about + value.view(-1).view(torch.uint8).numpy().tobytes())
    return sha256(b"".join(parts))


def _prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value for name, value in state.items()}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = len(prefix) + 1
    return {name[start:]: value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
