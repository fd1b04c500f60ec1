"""`forgetless check METHOD|FILE.py|STREAM`: whether it keeps the contract."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..settings.catalog import STREAMS
from ..settings.fields import is_file_name, method_facts, method_names
from ..settings.names import closest, parse_stream
from . import printable
from .flags import OURS
from .parser import Command, Word, parse, plain_flags

ABOUT = (
    "Check that a method keeps the contract in every scenario in which it is defined: every term of its loss moves "
    "a weight, its loss touches nothing, saved and loaded it goes on as if nothing had been. Or that a stream can "
    "be made, and what is in it."
)
EXAMPLES = ("forgetless check lwf", "forgetless check ./mine.py", "forgetless check split-mnist")


def main(argv: Sequence[str]) -> int:
    """Check; what does not hold is an error with its sentence."""
    command = Command(
        "check", ABOUT, (Word("what", "METHOD, FILE.py or STREAM"),), plain_flags(OURS["data"]), {}, EXAMPLES
    )
    asked = parse(command, argv)
    what = asked.get("what")
    if what is None:
        raise SettingsError(
            "What is to be checked? `forgetless check METHOD`, `... ./mine.py` or `... STREAM`."
        )
    if what in method_names() or what.endswith(".py"):
        return _method(what)
    if what.partition("/")[0] in STREAMS or is_file_name(what) or Path(what).is_dir():
        return _stream(what, Path(asked["data"]).expanduser() if "data" in asked else None)
    names = (*method_names(), *STREAMS)
    raise SettingsError(
        f"There is no method and no stream {what!r}.{closest(what, names)} `forgetless list` shows all; "
        "a file of your own ends with .py."
    )


def _method(name: str) -> int:
    """Every check in every scenario; each is named as it is passed, complaints come at the end."""
    facts = method_facts(name)
    file = str(facts.path) if facts.own else None
    from ..blame import Blamed
    from ..checks import ContractError, examine_method, method_checks, name_of, summary_of
    from ..methods.registry import find_method

    with Blamed(file):
        made = find_method(facts.name, file)
    print(f"{facts.name}, in the scenarios {', '.join(made.scenarios)}", file=sys.stderr)
    findings: list[Any] = []
    for finding in examine_method(made):
        if not findings or finding.subject is not findings[-1].subject:
            print(f"  {finding.subject} ...", file=sys.stderr)
        findings.append(finding)
    complaints = 0
    for check in method_checks():
        mine = [finding for finding in findings if finding.check is check]
        faults = {one.complaint: str(one.subject) for one in mine if one.complaint}
        state = "FAILS" if faults else "ok" if mine else "not reached"
        print(f"{state:<12}{name_of(check)}: {summary_of(check)}")
        for complaint, place in faults.items():
            print(printable(f"            {place}: {complaint}"))
        complaints += len(faults)
    if complaints:
        raise ContractError(f"{facts.name} does not keep the contract: {complaints} complaints, above.")
    return 0


def _stream(name: str, data: Path | None) -> int:
    entry = parse_stream(name)
    from ..checks import check_stream
    from ..data import build_stream
    from ..settings.resolve import resolve

    for scenario in entry.scenarios:
        settings = resolve("finetune", name, {"scenario": scenario})
        stream = build_stream(settings, data)
        check_stream(stream, build_stream(settings, data))
        shape = "x".join(map(str, stream.input_shape))
        print(f"{name}, {scenario} scenario: {len(stream)} tasks, inputs {shape}")
        for task, test in zip(stream.tasks, stream.tests, strict=True):
            names = ", ".join(stream.class_names[label] for label in task.classes[:10])
            more = ", ..." if len(task.classes) > 10 else ""
            print(
                f"  task {task.index + 1}: {len(task.train):,} to learn, {len(test):,} to test: {names}{more}"
            )
    return 0
