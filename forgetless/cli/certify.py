"""`forgetless certify RUN`: prove that nothing learned was forgotten."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..settings.schema import Flag
from .flags import OURS, SWITCHES
from .parser import Command, Word, parse, plain_flags
from .results import json_text

if TYPE_CHECKING:
    from ..certificate import Proof

ABOUT = (
    "Prove that a finished run forgot nothing: every tensor that can influence an old task, and the scores on a fixed "
    "set of test images, are compared with what was recorded just after the task had been learned. Only a method "
    "that isolates what it learned, such as wsn, can be certified, and only in the scenarios in which it does: the "
    "documentation's page of each method says in which."
)
EXAMPLES = (
    "forgetless certify runs/wsn-split-digits-task-s0-1a2b3c4d",
    "forgetless certify runs/wsn-... --against certificate.json",
)


def main(argv: Sequence[str]) -> int:
    """Certify a run; 6 if something changed."""
    command = Command(
        "certify",
        ABOUT,
        (Word("run", "a run folder"),),
        plain_flags(
            Flag("against", str, None, "a certificate that was kept elsewhere; else the run's own", "FILE"),
            OURS["data"],
        ),
        {"json": SWITCHES["json"]},
        EXAMPLES,
    )
    asked = parse(command, argv)
    if asked.get("run") is None:
        raise SettingsError("Which run is to be certified? `forgetless certify runs/wsn-...`.")
    from ..certificate import RefusedError, certify

    data, against = (Path(asked[key]).expanduser() if key in asked else None for key in ("data", "against"))
    proof = certify(Path(asked["run"]), data=data, against=against)
    if "json" in asked:
        tasks = [asdict(task) | {"holds": task.holds} for task in proof.tasks]
        print(json_text({"holds": proof.holds, "recorded_on": proof.recorded_on, "tasks": tasks}))
    else:
        print("\n".join(lines(proof)))
    if not proof.holds:
        raise RefusedError(
            f"{proof.run.path} is not what it was: something that was learned has changed, see above."
        )
    if "json" not in asked:
        print(f"certified: {len(proof.tasks)} tasks, nothing forgotten")
    return 0


def lines(proof: "Proof") -> Iterator[str]:
    """The statement, for people."""
    run, machine = proof.run, proof.recorded_on
    yield f"{run.method} on {run.stream}, {run.scenario} scenario, seed {run.seed}"
    yield (
        f"recorded on {machine['device_name']} ({machine['platform']}), {machine['threads']} thread"
        f"{'s' * (machine['threads'] != 1)}, {machine['precision']}, torch {machine['torch']}"
    )
    for task in proof.tasks:
        scores = {True: "the same to the bit", False: "CHANGED", None: "not comparable here"}[task.scores]
        state = f"{len(task.changed)} CHANGED" if task.changed else "unchanged"
        probe = " x ".join(map(str, task.shape))
        yield f"task {task.task + 1:>3}: {task.tensors} tensors {state}; scores on {probe} inputs {scores}"
        for name in task.changed[:5]:
            yield f"          {name}"
    if proof.elsewhere:
        yield f"Scores were not compared: {', '.join(proof.elsewhere)} differ from where they were recorded."
