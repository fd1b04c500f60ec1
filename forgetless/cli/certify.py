"""`forgetless certify RUN`: prove that nothing learned was forgotten."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..errors import SettingsError
from ..settings.schema import Flag
from .flags import OURS, SWITCHES
from .parser import Command, Word, parse, plain_flags
from .results import json_text

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
    from ..certificate import RefusedError, certify, lines

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
