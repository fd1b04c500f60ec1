"""The inside of one run: what is learned so far, what is saved of it and when, and what is told."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save

from . import metrics, record
from .certificate import testify
from .clock import Clock
from .data.streams import build_stream
from .engine import (
    Account,
    Checkpoints,
    Engine,
    Moment,
    Plan,
    Progress,
    Saved,
    Step,
    capture,
    count_bytes,
    evaluate,
    hash_of_tensors,
    record_attention,
)
from .errors import DataError, InterruptedRun
from .events import Listener, Note, RunEnded, RunStarted, Stepped, TaskScored
from .files import explained, write_atomically
from .interrupts import Stop
from .methods.registry import fresh_method
from .predictions import Predictions, accuracy_from_predictions
from .settings.settings import Settings

TELL_EVERY = 0.2  # seconds between two events about steps


class Cell:
    """One run, from its folder's checkpoint or from the start."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        plan: Plan,
        listen: Listener,
        stop: Stop,
        checkpoint_every: float,
    ) -> None:
        self.settings, self.folder, self.plan = settings, folder, plan
        self.listen, self.stop, self.checkpoint_every = listen, stop, checkpoint_every
        self.checkpoints = Checkpoints(folder / "checkpoint")
        self.clock = Clock()
        self.log: list[str] = []
        self.written = self.told = time.monotonic()
        self.ready = False

    def go(self, data: Path | None) -> None:
        """Learn every task that is not learned yet, and write what came of it."""
        with self.clock.during("data"):
            self.stream = build_stream(self.settings, data)
        for text in self.stream.notes:
            self.listen(Note(self.folder.name, text))
        self.method = fresh_method(self.settings, self.stream.input_shape).to(self.plan.device)
        self.engine = Engine(self.settings.recipe, self.settings.seed, self.plan)
        self.saved = self._found()
        self.ready = True
        account, tasks = self.saved.account, len(self.stream)
        self.listen(RunStarted(self.folder.name, tasks, self.saved.task, account.resumed > 0))
        if not account.resumed:
            self._write_result("running")
        while self.saved.task < tasks:
            self._learn_and_score()
        self.conclude("finished")

    def _found(self) -> Saved:
        """Where the last sound checkpoint left off, or the start."""
        found, complaints = self.checkpoints.read()
        for complaint in complaints:
            self.listen(Note(self.folder.name, complaint))
        if found is None:
            saved = Saved(0, Progress(capture(self.method)), Account(), {}, {}, self.stream.fingerprint)
        else:
            saved = Saved.from_checkpoint(found)
            saved.account.resumed += 1
            self.clock.add(saved.account.seconds)
        if saved.fingerprint != self.stream.fingerprint:
            raise DataError(
                f"The data of {self.settings.stream} are not those that {self.folder} began with. "
                "Bring the old data back, or give --fresh to start anew."
            )
        self._cut_log(saved.account.log_bytes)
        return saved

    def _learn_and_score(self) -> None:
        saved, index = self.saved, self.saved.task
        with self.clock.during("data"):
            task = self.stream.task(index, self.plan.device, with_past=self.method.needs_past)
            past = task.train.nbytes
        with self.clock.during("train"):
            self.engine.learn(self.method, task, saved.progress, self._watch)
        saved.account.bytes = count_bytes(self.method, past)
        with self.clock.during("evaluate"):
            for j, answers in enumerate(evaluate(self.method, self.stream, index, self.plan)):
                for kept, labels in ((saved.aware, answers.aware), (saved.agnostic, answers.agnostic)):
                    if labels is not None:
                        kept[index, j] = labels.numpy().astype(np.uint16)
            record_attention(self.folder, self.method, self.stream, index, self.plan)
            if self.settings.scenario in self.method.isolates:
                testify(self.folder, self.method, self.stream, index, self.plan)
        saved.task, saved.progress = index + 1, Progress(capture(self.method))
        last = saved.task == len(self.stream)
        if not last:
            self._save(None)
            self._write_result("running")
        self.listen(TaskScored(self.folder.name, index, tuple(self._accuracy()[index, : index + 1].tolist())))
        if self.stop.asked and not last:
            raise self._interruption()

    def _watch(self, step: Step) -> None:
        self.saved.account.steps += 1
        now = time.monotonic()
        if step.terms is not None:
            about = {"task": self.saved.task, "fit": step.fit, "epoch": step.epoch, "step": step.step}
            about |= {"rate": step.rate, "seconds": round(self.clock.read()["train"], 3), "terms": step.terms}
            self.log.append(json.dumps(about))
            if now - self.told > TELL_EVERY:
                self.told = now
                done = (self.saved.task + step.step / step.steps) / len(self.stream)
                self.listen(
                    Stepped(
                        self.folder.name, self.saved.task, step.fit, step.step, step.steps, done, step.terms
                    )
                )
        if self.stop.asked:
            self._save(step.moment())
            raise self._interruption()
        if now - self.written > self.checkpoint_every:
            self._save(step.moment())

    def _interruption(self) -> InterruptedRun:
        return InterruptedRun(
            f"Stopped in task {self.saved.task + 1} of {len(self.stream)}, as asked; nothing is lost. "
            f"`forgetless resume {self.folder}` goes on from here."
        )

    def _save(self, now: Moment | None) -> None:
        with self.clock.during("checkpoint"):
            self._write_log()
            self.saved.progress.now = now
            self.saved.account.seconds = self.clock.read()
            self.checkpoints.write(self.saved.to_checkpoint())
            self.saved.progress.now = None  # as far as the engine is concerned, the Fit goes on
            self.written = time.monotonic()

    def _write_log(self) -> None:
        path, text = self.folder / "steps.jsonl", "".join(line + "\n" for line in self.log).encode()
        with explained(path, "write"), path.open("ab") as file:
            file.write(text)
        self.saved.account.log_bytes += len(text)
        self.log = []

    def _cut_log(self, length: int) -> None:
        """Forget what was logged after the checkpoint: it will be logged again."""
        path = self.folder / "steps.jsonl"
        if path.exists():
            write_atomically(path, path.read_bytes()[:length])

    def conclude(self, state: str, error: str | None = None) -> None:
        """Write the result as it stands, and, of a finished run, all that was learned."""
        if not self.ready:
            return
        self._write_log()
        record.write_predictions(self.folder, self._predictions())
        weights = None
        if state == "finished":
            tensors = {name: value.contiguous() for name, value in capture(self.method).items()}
            write_atomically(self.folder / "model.safetensors", save(tensors))
            weights = hash_of_tensors(tensors)
        self._write_result(state, error, weights)
        if state in ("finished", "diverged"):
            self.checkpoints.clear()
        self.listen(RunEnded(self.folder.name, state, self.clock.read()["total"]))

    def _write_result(self, state: str, error: str | None = None, weights: str | None = None) -> None:
        settings, accuracy, account = self.settings, self._accuracy(), self.saved.account
        values, reasons = metrics.summarize(accuracy, self._predictions(), settings.scenario)
        result: dict[str, Any] = {
            "state": state,
            "method": settings.method,
            "stream": settings.stream,
            "stream_version": self.stream.version,
            "fingerprint": self.stream.fingerprint,
            "scenario": settings.scenario,
            "seed": settings.seed,
            "tasks": len(self.stream),
            "accuracy": accuracy,
            "metrics": values,
            "reasons": reasons,
            "bytes": account.bytes,
            "seconds": self.clock.read(),
            "steps": account.steps,
            "resumed": account.resumed,
            "weights_sha256": weights,
            "measured": {name: value.tolist() for name, value in self.method.measured.items()},
        }
        record.write_result(self.folder, result | ({"error": error} if error else {}))

    def _predictions(self) -> Predictions:
        true = tuple(test.y.numpy().astype(np.uint16) for test in self.stream.tests)
        return Predictions(true, self.saved.aware, self.saved.agnostic)

    def _accuracy(self) -> Any:
        predictions = self._predictions()
        return accuracy_from_predictions(predictions.true, predictions.scored(self.settings.scenario))
