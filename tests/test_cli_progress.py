"""What is said while runs go on."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from forgetless.cli import plain as module
from forgetless.cli.plain import Plain, accuracies, clock
from forgetless.cli.progress import progress
from forgetless.events import Note, RunEnded, RunStarted, Stepped, TaskScored


@pytest.fixture
def now(monkeypatch):
    """A clock that the test turns."""
    time = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: time[0])
    return time


def test_plain_lines_come_at_most_every_ten_seconds_and_at_each_tasks_end(now, capsys):
    listen = Plain(1)
    listen(RunStarted("run", tasks=2))
    for second in range(25):
        now[0] = 100.0 + second
        listen(Stepped("run", 0, "main", second, 50, done=second / 100))
    listen(TaskScored("run", 0, (0.5,)))
    listen(RunEnded("run", "finished", 61.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "run: begins, 2 tasks",
        "run: task 1 of 2, step 10 of 50, 10% done, 1 min 30 s left",
        "run: task 1 of 2, step 20 of 50, 20% done, 1 min 20 s left",
        "run: task 1 learned; accuracy on each so far 50.0%",
        "run: done in 1 min 01 s",
    ]


def test_a_resumed_run_says_where_it_goes_on_and_reckons_from_there(now):
    listen = Plain(1)
    assert (
        listen.line(RunStarted("run", tasks=4, first=2, resumed=True)) == "run: goes on, 2 of 4 tasks learned"
    )
    now[0] += 20
    line = listen.line(Stepped("run", 2, "main", 5, 10, done=0.75))
    assert "75% done, 20.0 s left" in line


def test_several_runs_are_counted_and_a_note_is_said_once(now):
    listen = Plain(2)
    assert listen.line(Note("a", "precision fp32: so")) == "precision fp32: so"
    assert listen.line(Note("b", "precision fp32: so")) == ""
    assert listen.line(RunEnded("a", "reused", 3.0)).endswith("(1 of 2)")
    assert listen.line(RunEnded("b", "diverged", 3.0)) == "b: diverged after 3.0 s (2 of 2)"


def test_quiet_says_nothing(capsys):
    with progress(1, quiet=True) as listen:
        listen(RunStarted("run", tasks=2))
    assert capsys.readouterr().err == ""


def test_durations_and_accuracies_as_people_read_them():
    assert [clock(s) for s in (1.26, 61, 3599.9, 7260)] == [
        "1.3 s",
        "1 min 01 s",
        "1 h 00 min",
        "2 h 01 min",
    ]
    assert accuracies((0.5, 1.0)).endswith("50.0% 100.0%, mean 75.0%")
    assert accuracies((0.5,) * 30).count("50.0%") == 21


EVENTS = """
from forgetless.cli.progress import progress
from forgetless.events import *
with progress({cells}) as listen:
    listen(RunStarted("first", 2))
    listen(Stepped("first", 0, "main", 3, 9, 0.25, {{"new": 0.5}}))
    listen(TaskScored("first", 0, (0.5,)))
    listen(RunEnded("first", "finished", 3.0))
"""


def in_terminal(code: str, **environment: str) -> str:
    """What a program writes to standard error where that is a terminal."""
    ours, theirs = pty.openpty()
    variables = {"PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=theirs, stdout=subprocess.PIPE, env=os.environ | variables | environment,
        check=True, timeout=60,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    assert done.stdout == b""
    return written.decode()


def test_a_terminal_gets_bars_and_the_same_lines():
    shown = in_terminal(EVENTS.format(cells=2))
    assert "\x1b[" in shown
    assert "all runs" in shown
    assert "first: task 1 learned; accuracy on each so far 50.0%" in shown
    assert "first: done in 3.0 s (1 of 2)" in shown


def test_a_terminal_without_colours_stays_so():
    shown = in_terminal(EVENTS.format(cells=1), NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)


def test_help_without_a_terminal_has_no_control_characters():
    code = "import sys; from forgetless.cli import main; sys.exit(main(['run', 'lwf', '--help']))"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)
