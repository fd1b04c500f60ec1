"""Runs in child processes that can be caught: stopped at a chosen place, killed there, and read afterwards.

A child runs the product as it is. What is added are places to wait at: this file wraps functions of the product in
the child alone, so that a test can hold it inside a checkpoint write or in the second `Fit` of a task and end it
there. Children are forked from a server that has imported torch and run nothing.
"""

import json
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # torch itself imports both within a run, which costs seconds: here they are paid once
import torch._inductor
from safetensors.torch import load
from torch import Tensor, nn

from forgetless import cell as cell_module
from forgetless import sweep
from forgetless.data import Batch, Task
from forgetless.engine import Checkpoints, Engine, hash_of_tensors
from forgetless.engine import checkpoint as checkpoint_module
from forgetless.errors import ForgetlessError
from forgetless.events import Event
from forgetless.methods import Fit, Method, Terms, method
from forgetless.models import Snapshot
from forgetless.models.registry import ConvBackbone, Shape, backbone
from forgetless.ops import cross_entropy
from forgetless.predictions import read_predictions
from forgetless.run import run_settings
from forgetless.settings.catalog import STREAMS
from forgetless.settings.fields import method_facts, method_names
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Settings

AUGMENTED = "split-digits-augmented"
PATIENCE = 60.0  # seconds that a child waits to be let go, and a parent waits for a child


class Shaky(ConvBackbone):
    """Convolutions, batch statistics and dropout: whatever makes it hard to go on to the same bits."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(16)])
        self.drop = nn.Dropout(0.2)
        self.width = 64

    def maps(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, 16, H, W)"""
        x = self.drop(self.norms[0](self.first(x)).relu())
        return self.norms[1](self.second(x)).relu()  # type: ignore[no-any-return]

    def pool(self, maps: Tensor) -> Tensor:
        """(B, 16, H, W) -> (B, 64)"""
        return self.drop(nn.functional.adaptive_avg_pool2d(maps, 2).flatten(1))  # type: ignore[no-any-return]


def shaky(shape: Shape, _hidden: object) -> Shaky:
    """A small net with dropout and batch statistics."""
    return Shaky(shape[0])


class ThreeFits(Method):
    """Three Fits a task; between them something is drawn and kept, and a copy of the network taken."""

    def setup(self) -> None:
        """What is drawn, and the copy, which is in no checkpoint: it is taken again."""
        self.register_buffer("drawn", torch.zeros(8))
        self.copy: Snapshot | None = None

    def learn(self, task: Task) -> Iterator[Fit]:
        """New rows, then everything, then everything again without augmentation, near the copy."""
        fresh = self.model.grow(task.classes)
        if fresh is not None:
            yield Fit(task.train, only=fresh, name="head", epochs=1)
        self.get_buffer("drawn").add_(torch.randn(8))
        yield Fit(task.train)
        self.copy = Snapshot(self.model)
        with torch.no_grad():
            for weight in self.model.parameters():
                weight.add_(0.01 * torch.randn_like(weight) * self.get_buffer("drawn").mean())
        yield Fit(task.train, self.loss_near, name="polish", epochs=1, augment=False)

    def loss_near(self, batch: Batch, task: Task) -> Terms:
        """Cross-entropy, and the distance to the copy's answers."""
        assert self.copy is not None
        logits = self.model(batch.x)
        near = (logits - self.copy(batch.x)).square().mean()
        return {"new": cross_entropy(logits, batch.y, task.rivals), "near": near}


def register_all() -> None:
    """Make the stream, the net and the method of the trials known: in a child alone, where no test lists them."""
    STREAMS[AUGMENTED] = replace(STREAMS["split-digits"], name=AUGMENTED, crop=1, flip=True)
    backbone("shaky")(shaky)
    method("three_fits")(ThreeFits)


METHODS = (*method_names(), "three_fits")
HYPER: dict[str, dict[str, Any]] = {
    "finetune": {"warmup": 1.0, "shared_lr": 0.5}, "lwf": {"warmup": 2.0}, "lfl": {"warmup": 1.0},
}  # fmt: skip


def _scenarios(name: str) -> tuple[str, ...]:
    return Method.scenarios if name == "three_fits" else method_facts(name).scenarios


def shaky_settings(name: str, **changes: Any) -> Settings:
    """Settings of a run of one to three seconds, with dropout, augmentation and, where there is one, a warm-up."""
    scenario = "class" if "class" in _scenarios(name) else "task"
    plain: dict[str, Any] = {
        "stream": AUGMENTED, "scenario": scenario, "model": "shaky", "recipe": Recipe(epochs=2, batch=32, lr=3e-3),
        "hyper": HYPER.get(name, {}), "precision": "fp32", "limit": 60,
    }  # fmt: skip
    return Settings(method=name, **(plain | changes))


@dataclass(frozen=True)
class Stall:
    """Where a child waits: the `count`-th time that it comes to a place of this kind."""

    place: str  # write, fit0, fit1, fit2, data, evaluate, between, clear
    count: int = 1
    let_go: bool = False  # wait for a file `<status>.go`, then go on; else wait to be killed


@dataclass(frozen=True)
class Job:
    """What a child does, and where it says how it goes."""

    settings: Settings | tuple[Settings, ...]  # several: a sweep
    runs: Path
    status: Path
    data: Path | None = None
    checkpoint_every: float = 0.05
    fresh: bool = False
    stall: Stall | None = None
    jobs: int = 1
    prepare: Callable[[], None] | None = None  # runs first, in the child


@dataclass
class Status:
    """Where a child is: what it last wrote before it ended."""

    task: int = -1
    fit: int = -1  # of the task, counted from 0
    name: str = ""
    step: int = 0
    writing: bool = False  # inside a checkpoint write
    place: str = ""  # within that, or where it stalls
    stalled: bool = False
    inside: int = 0  # Fits that were gone on with from inside


@dataclass
class Outcome:
    """How a child ended by itself."""

    code: int = 0
    error: str = ""
    text: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # how often it came to each kind of place

    @property
    def notes(self) -> str:
        """All notes, one a line."""
        return "\n".join(event["text"] for event in self.events if event["kind"] == "Note")


class Catch:
    """The places in a child where it can be held, and the status that it leaves."""

    def __init__(self, job: Job) -> None:
        self.job, self.now, self.counts = job, Status(), dict[str, int]()
        self.handle = os.open(job.status, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def tell(self) -> None:
        os.pwrite(self.handle, json.dumps(asdict(self.now)).ljust(240).encode(), 0)

    def point(self, kind: str, detail: str = "") -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        stall = self.job.stall
        if stall is None or stall.place != kind or stall.count != self.counts[kind]:
            return
        self.now.stalled, self.now.place = True, detail or kind
        self.tell()
        until, go = time.monotonic() + PATIENCE, self.job.status.with_suffix(".go")
        while time.monotonic() < until and not (stall.let_go and go.exists()):
            time.sleep(0.002)
        self.now.stalled = False
        self.tell()

    def before(self, owner: Any, name: str, kind: str) -> None:
        """Make a function of the product a place."""
        original = getattr(owner, name)

        def wrapped(*given: Any, **named: Any) -> Any:
            self.point(kind)
            return original(*given, **named)

        setattr(owner, name, wrapped)

    def install(self) -> None:
        self.before(cell_module, "build_stream", "data")
        self.before(cell_module, "evaluate", "evaluate")
        self.before(cell_module.Cell, "_learn_and_score", "between")
        self.before(Checkpoints, "clear", "clear")
        self._install_in_engine()
        self._install_in_writes()

    def _install_in_engine(self) -> None:
        learn, fit, watch = Engine.learn, Engine.fit, cell_module.Cell._watch
        catch = self

        def learn_(engine: Engine, method: Method, task: Task, progress: Any, watcher: Any) -> None:
            catch.progress, catch.now.task = progress, task.index
            learn(engine, method, task, progress, watcher)

        def fit_(engine: Engine, method: Method, task: Task, fit_: Fit, now: Any, watcher: Any) -> None:
            catch.now.fit, catch.now.name = len(catch.progress.finished), fit_.name
            catch.now.inside += now is not None
            fit(engine, method, task, fit_, now, watcher)

        def watch_(cell: Any, step: Any) -> None:
            catch.now.step = step.step
            catch.tell()
            watch(cell, step)
            catch.point(f"fit{catch.now.fit}")

        Engine.learn, Engine.fit, cell_module.Cell._watch = learn_, fit_, watch_  # type: ignore[method-assign]

    def _install_in_writes(self) -> None:
        """Each call that changes the disk inside a checkpoint write is a place; so is half a file."""
        write, durably, catch = Checkpoints.write, checkpoint_module._write_durably, self

        def write_(checkpoints: Checkpoints, checkpoint: Any) -> None:
            catch.now.writing = True
            catch.tell()
            try:
                write(checkpoints, checkpoint)
            finally:
                catch.now.writing, catch.now.place = False, ""
                catch.tell()

        def durably_(path: Path, data: bytes) -> None:
            path.write_bytes(data[: len(data) // 2])
            catch.point("write", f"half of {path.name}")
            durably(path, data)

        Checkpoints.write = write_  # type: ignore[method-assign]
        checkpoint_module._write_durably = durably_
        for owner, name in ((os, "fsync"), (os, "rename"), (shutil, "rmtree")):
            self._in_write(owner, name)

    def _in_write(self, owner: Any, name: str) -> None:
        original, catch = getattr(owner, name), self

        def wrapped(*given: Any, **named: Any) -> Any:
            if catch.now.writing:
                catch.point("write", name)
            return original(*given, **named)

        setattr(owner, name, wrapped)


def work(job: Job) -> None:
    """The life of a child: what the command line does, with the outcome in a file."""
    register_all()
    torch.set_num_threads(1)
    outcome = Outcome()
    catch = Catch(job)

    def listen(event: Event) -> None:
        outcome.events.append({"kind": type(event).__name__, **asdict(event)})

    try:
        if job.prepare is not None:
            job.prepare()
        catch.install()
        options: dict[str, Any] = {"data": job.data, "runs": job.runs, "fresh": job.fresh, "listen": listen}
        options["checkpoint_every"] = job.checkpoint_every
        if isinstance(job.settings, tuple):
            sweep.run_many(job.settings, jobs=job.jobs, **options)
        else:
            run_settings(job.settings, **options)
    except ForgetlessError as error:
        outcome.code, outcome.error, outcome.text = error.exit_code, type(error).__name__, str(error)
    except KeyboardInterrupt:
        outcome.code, outcome.error = 130, "KeyboardInterrupt"
    except Exception as error:
        outcome.code, outcome.error, outcome.text = 1, type(error).__name__, traceback.format_exc()
    outcome.counts = catch.counts
    handle = os.open(job.status.with_suffix(".outcome"), os.O_WRONLY | os.O_CREAT)  # past what a job hinders
    os.write(handle, json.dumps(asdict(outcome)).encode())
    os._exit(outcome.code)


class Child:
    """A job in a process of its own."""

    def __init__(self, job: Job) -> None:
        self.job = job
        for suffix in (".outcome", ".go"):
            job.status.with_suffix(suffix).unlink(missing_ok=True)
        job.status.unlink(missing_ok=True)
        context = get_context("forkserver")
        context.set_forkserver_preload(["benchmarks.trials"])
        self.process: BaseProcess = context.Process(target=work, args=(job,))
        self.began = time.monotonic()
        self.process.start()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def status(self) -> Status:
        """What it says of where it is, or said last."""
        try:
            return Status(**json.loads(self.job.status.read_text()))
        except (OSError, ValueError):
            return Status()

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    def until_stalled(self) -> bool:
        """Wait until it waits; False if it ended before."""
        while self.alive:
            if self.status.stalled:
                return True
            time.sleep(0.002)
        return False

    def let_go(self) -> None:
        self.job.status.with_suffix(".go").touch()

    def kill(self) -> None:
        """`kill -9`."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.join()

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def join(self, timeout: float = PATIENCE) -> Outcome:
        """Wait for its end.

        Raises:
            TimeoutError: it did not end.
        """
        self.process.join(timeout)
        if self.alive:
            self.kill()
            raise TimeoutError(f"still running after {timeout} seconds: {self.status}")
        path = self.job.status.with_suffix(".outcome")
        if not path.exists():
            return Outcome(self.process.exitcode or 0, "died")
        return Outcome(**json.loads(path.read_text()))


def fingerprint(folder: Path) -> dict[str, Any]:
    """All of a finished run that must be the same however often it was killed."""
    result = json.loads((folder / "result.json").read_text())
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    read = read_predictions(folder)
    answers = {f"{kind}/{i}/{j}": labels.tolist() for kind, kept in (("aware", read.aware), ("agnostic", read.agnostic))
               for (i, j), labels in kept.items()}  # fmt: skip
    return {
        "state": result["state"],
        "accuracy": result["accuracy"],
        "weights": result["weights_sha256"],
        "model": hash_of_tensors(load((folder / "model.safetensors").read_bytes())),
        "steps": result["steps"],
        "bytes": result["bytes"],
        "log": [{name: value for name, value in line.items() if name != "seconds"} for line in lines],
        "answers": answers,
    }
