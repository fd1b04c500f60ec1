"""`forgetless resume [RUN...]`: go on with what was interrupted."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ..blame import FAILURES, failure_of
from ..errors import InterruptedRun
from ..settings.places import runs_folder
from . import printable
from .flags import OURS, SWITCHES
from .parser import Command, Word, parse, plain_flags
from .progress import progress
from .results import describe_run, json_text, plain_run

ABOUT = (
    "Go on with runs that were interrupted, to the same bits as if they had not been.\n\n"
    "Without RUN: every unfinished run under --runs."
)
EXAMPLES = ("forgetless resume", "forgetless resume runs/lwf-split-mnist-class-s0-1a2b3c4d")


def main(argv: Sequence[str]) -> int:
    """Resume each; one that fails does not keep the others from going on."""
    command = Command(
        "resume",
        ABOUT,
        (Word("run", "a run folder", many=True),),
        plain_flags(OURS["data"], OURS["runs"]),
        {name: SWITCHES[name] for name in ("json", "quiet")},
        EXAMPLES,
    )
    asked = parse(command, argv)
    from ..run import resume, unfinished

    folder = runs_folder(asked.get("runs"))
    paths = [Path(path) for path in asked.get("run", ())] or unfinished(folder)
    if not paths:
        print(f"Nothing under {folder} is unfinished.", file=sys.stderr)
    data = Path(asked["data"]).expanduser() if "data" in asked else None
    done, code = [], 0
    with progress(len(paths), quiet="quiet" in asked) as listen:
        for path in paths:
            try:
                done.append(resume(path, data=data, listen=listen))
            except InterruptedRun:
                raise
            except FAILURES as error:
                failure = failure_of(error)
                print(f"forgetless: {path.name}: {printable(str(failure))}", file=sys.stderr)
                code = code or failure.exit_code
    if "json" in asked:
        print(json_text([plain_run(run) for run in done]))
    else:
        print("\n\n".join(describe_run(run) for run in done), end="\n" if done else "")
    return code
