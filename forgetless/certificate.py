"""The certificate: what was recorded when a task had been learned, against what a finished run answers with now.

For each task, just after it was learned, a run of a method that isolates records two things: a SHA-256 of the
scores on a probe, the first images of the task's test in one batch; and a SHA-256 of every tensor that can
influence these scores. If all tensors are the same to the bit, and the network is the same function of them, the
answers are the same; the probe shows that it is. The scores depend on the machine in their last bits, so they are
compared only on the machine and with the threads that they were recorded with; the tensors everywhere.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from . import record
from .data import Stream
from .data.streams import build_stream
from .engine import Plan, choose_plan, describe_machine, hash_of_tensors, prepared_process, restore
from .errors import ForgetlessError, SettingsError, StorageError
from .files import explained, write_atomically
from .methods import Method
from .methods.registry import find_method, fresh_method
from .settings.files import read_settings
from .settings.settings import Settings

FILE = "certificate.json"
FORMAT = 1
PROBE = 64  # test images of a task whose scores are recorded, in one batch
BITS_DEPEND_ON = (
    "torch", "machine", "device_name", "cpu_capability", "precision", "threads", "deterministic"
)  # fmt: skip


class RefusedError(ForgetlessError):
    """Something learned is not what it was."""

    exit_code = 6


@dataclass(frozen=True)
class TaskProof:
    """What came of one task."""

    task: int
    tensors: int  # how many can influence its scores
    shape: tuple[int, ...]  # of the probe: images, channels, rows, columns
    changed: tuple[str, ...]  # those of them that are not what they were, or are missing, or are new
    scores: bool | None  # the same to the bit; None where they cannot be compared

    @property
    def holds(self) -> bool:
        """Whether nothing of this task was forgotten."""
        return not self.changed and self.scores is not False


@dataclass(frozen=True)
class Proof:
    """What came of a whole run."""

    run: record.Run
    recorded_on: dict[str, Any]
    elsewhere: tuple[str, ...]  # what of the machine is not as it was, so that scores cannot be compared
    tasks: tuple[TaskProof, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was forgotten."""
        return all(task.holds for task in self.tasks)


def testify(folder: Path, method: Method, stream: Stream, index: int, plan: Plan) -> None:
    """Record what there is to record of the task just learned, beside what earlier tasks recorded.

    Raises:
        StorageError: the place cannot be written.
    """
    known = _read(folder / FILE)["tasks"][:index] if index else []
    row = {
        "task": index,
        **_scores(method, stream, index, plan),
        "tensors": _hashes(method, stream, index, plan),
    }
    facts = {
        "format": FORMAT, "method": method.name, "stream": stream.name, "scenario": stream.scenario,
        "fingerprint": stream.fingerprint, "recorded_on": describe_machine(plan), "tasks": [*known, row],
    }  # fmt: skip
    write_atomically(folder / FILE, json.dumps(facts, indent=1) + "\n")


def certify(path: Path, *, data: Path | None = None, against: Path | None = None) -> Proof:
    """Compare a finished run with what it recorded, or with a certificate that was kept elsewhere.

    Raises:
        SettingsError: the method does not isolate what it learned, so that there is nothing to certify.
        StorageError: the run is not finished, or a file is missing or damaged.
        DataError: the data are missing, or not those of the run.
    """
    run = record.load(path)
    settings = read_settings(path / "settings.yaml")
    refuse_what_does_not_isolate(settings)
    if run.state != "finished":
        raise StorageError(f"The run in {path} is {run.state}: only a finished run can be certified.")
    source = against or path / FILE
    kept = _read(source)
    weights = path / "model.safetensors"
    plan = choose_plan(settings.precision, settings.threads, settings.model)
    here = describe_machine(plan)
    elsewhere = tuple(key for key in BITS_DEPEND_ON if here.get(key) != kept["recorded_on"].get(key))
    stream = build_stream(settings, data)
    _refuse_foreign(kept, source, settings.method, stream)
    with prepared_process(plan):
        method, written = _rebuilt(settings, stream, plan, weights)
        whole = written == run.result.get("weights_sha256")
        try:
            proofs = tuple(
                _compare(method, stream, plan, row, comparable=not elsewhere) for row in kept["tasks"]
            )
        except (LookupError, ValueError, RuntimeError):  # a tensor of a task's own is not there
            if whole:
                raise
            proofs = ()
    proof = Proof(run, kept["recorded_on"], elsewhere, proofs)
    if proof.holds and not whole:  # last: what a task lost is said by name
        raise StorageError(
            f"{weights} is damaged: its tensors are not those that the run wrote, whose weights_sha256 is in "
            "result.json. Bring a copy back, or run its settings again with --fresh."
        )
    return proof


def refuse_what_does_not_isolate(settings: Settings) -> None:
    """Only a method whose old answers cannot change has something to certify.

    Raises:
        SettingsError: this method is not one, or not in this scenario.
    """
    made = find_method(settings.method, settings.method_file)
    if settings.scenario not in made.isolates:
        where = f" in the {settings.scenario} scenario" if made.isolates else ""
        raise SettingsError(
            f"{settings.method} does not isolate what it learned{where}: each task changes what earlier ones answer "
            "with, so there is nothing to certify. `forgetless report` shows what was forgotten; wsn forgets nothing."
        )


def _refuse_foreign(kept: dict[str, Any], source: Path, method: str, stream: Stream) -> None:
    """What holds of another run, or of some of the tasks, proves nothing of this one."""
    own = {"method": method, "stream": stream.name, "scenario": stream.scenario}
    if other := [f"{kept.get(key)}, not {value}" for key, value in own.items() if kept.get(key) != value]:
        raise StorageError(f"The certificate {source} is of another run: of {'; of '.join(other)}.")
    if kept["fingerprint"] != stream.fingerprint:
        raise StorageError(f"The certificate {source} is of other data than {stream.name}.")
    if [row["task"] for row in kept["tasks"]] != list(range(len(stream))):
        raise StorageError(
            f"The certificate {source} is damaged, or of another run: it does not speak of each of the "
            f"{len(stream)} tasks once and in order."
        )


def _rebuilt(settings: Settings, stream: Stream, plan: Plan, weights: Path) -> tuple[Method, str]:
    """The method as the run left it, and the SHA-256 of all that is stored of it."""
    method = fresh_method(settings, stream.input_shape)
    with explained(weights, "read"):
        content = weights.read_bytes()
    try:
        tensors = load(content)
        restore(method, tensors)
    except (SafetensorError, StorageError, ValueError, RuntimeError) as error:
        raise StorageError(f"{weights} is damaged: {str(error).splitlines()[0]}") from error
    return method.to(plan.device).requires_grad_(False).eval(), hash_of_tensors(tensors)


def _compare(
    method: Method, stream: Stream, plan: Plan, row: dict[str, Any], *, comparable: bool
) -> TaskProof:
    index, kept = row["task"], row["tensors"]
    now = _hashes(method, stream, index, plan)
    changed = sorted(name for name in {*kept, *now} if kept.get(name) != now.get(name))
    scores = _scores(method, stream, index, plan)
    if scores["probe"] != row["probe"]:
        changed.append("the probe's images")
    return TaskProof(
        index,
        len(now),
        tuple(scores["shape"]),
        tuple(changed),
        scores["scores"] == row["scores"] if comparable else None,
    )


def _hashes(method: Method, stream: Stream, index: int, plan: Plan) -> dict[str, str]:
    tensors = method.influences(stream.task(index, plan.device))
    return {name: hash_of_tensors({"": value.detach().cpu()}) for name, value in tensors.items()}


@torch.no_grad()
def _scores(method: Method, stream: Stream, index: int, plan: Plan) -> dict[str, Any]:
    """The probe of a task, and the scores on it, as hashes."""
    task = stream.task(index, plan.device)
    inputs = stream.tests[index].to(plan.device).inputs(slice(0, PROBE))
    with plan.computing():
        scores = method.logits(inputs, task if stream.scenario == "task" else None)[:, list(task.classes)]
    return {"shape": list(inputs.shape), "probe": _hash(inputs), "scores": _hash(scores)}


def _hash(tensor: Tensor) -> str:
    return hash_of_tensors({"": tensor.detach().cpu()})


def _read(path: Path) -> dict[str, Any]:
    """A certificate as it was written.

    Raises:
        StorageError: there is none, or it is damaged.
    """
    try:
        with explained(path, "read"):
            facts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested without end
        facts = None
    if not _has_form(facts, _FORM) or facts["format"] != FORMAT:
        raise StorageError(f"{path} is damaged, or was not written by forgetless as a certificate.")
    return cast(dict[str, Any], facts)


# A type; the forms of what must be named, {name: form}; or a list of one form.
_TASK = {"task": int, "probe": str, "shape": [int], "scores": str, "tensors": {}}
_FORM = {
    "format": int, "method": str, "stream": str, "scenario": str, "fingerprint": str, "tasks": [_TASK],
    "recorded_on": dict.fromkeys((*BITS_DEPEND_ON, "platform"), str) | {"threads": int, "deterministic": bool},
}  # fmt: skip


def _has_form(value: Any, form: Any) -> bool:
    """Whether a value read from JSON is of this form; further names do not matter."""
    if isinstance(form, list):
        return isinstance(value, list) and all(_has_form(part, form[0]) for part in value)
    if isinstance(form, dict):
        return isinstance(value, dict) and all(_has_form(value.get(name), form[name]) for name in form)
    return type(value) is form  # a bool is no int here
