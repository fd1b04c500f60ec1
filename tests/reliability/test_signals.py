"""Ctrl-C and SIGTERM: a checkpoint and exit 75 within seconds, and the run goes on to the same bits."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hindrances import deadly_first_cell, forked_workers
from places import folder_of

from benchmarks.trials import Child, Job, Stall, fingerprint
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Settings

SECONDS = 5.0  # within which a run must have stopped, on a machine that is not otherwise busy
SLACK = 4.0  # times as many on one that is
PLACES = {
    "while data are read": Stall("data", let_go=True),
    "in the first Fit": Stall("fit0", 20, let_go=True),
    "in the second Fit": Stall("fit1", 11, let_go=True),
    "inside a checkpoint write": Stall("write", 25, let_go=True),
    "while tests are answered": Stall("evaluate", 2, let_go=True),
    "between two tasks": Stall("between", 3, let_go=True),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_first_signal_stops_a_run_where_it_can_go_on(
    place: str,
    lwf: Settings,
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    number = (signal.SIGTERM, signal.SIGINT)[list(PLACES).index(place) % 2]
    work = job(lwf)
    child = start(replace(work, stall=PLACES[place], checkpoint_every=0.0 if "write" in place else 1e9))
    assert child.until_stalled(), child.join()
    child.send(number)
    child.let_go()
    began = time.monotonic()
    outcome = child.join()
    assert time.monotonic() - began < SECONDS * SLACK
    assert (outcome.code, outcome.error) == (75, "InterruptedRun"), outcome.text
    assert f"forgetless resume {folder_of(work)}" in outcome.text
    result = json.loads((folder_of(work) / "result.json").read_text())
    assert result["state"] == "interrupted"
    assert result["steps"] == result_steps(work), "nothing that was learned is lost"
    again = start(work)
    assert again.join().code == 0
    assert fingerprint(folder_of(work)) == reference(lwf)


def result_steps(work: Job) -> int:
    """Steps that the newest checkpoint holds."""
    newest = sorted((folder_of(work) / "checkpoint").glob("g*"))[-1]
    facts = json.loads((newest / "facts.json").read_text())["facts"]
    return int(facts["account"]["steps"])


def test_a_signal_while_the_last_tests_are_answered_lets_the_run_finish(
    lwf: Settings, job: Callable[..., Job], start: Callable[[Job], Child]
) -> None:
    child = start(job(lwf, stall=Stall("evaluate", 5, let_go=True)))
    assert child.until_stalled(), child.join()
    child.send(signal.SIGTERM)
    child.let_go()
    assert child.join().code == 0


@pytest.mark.parametrize("place", ["fit1", "write"])
def test_a_second_signal_ends_a_run_at_once_and_what_was_saved_is_intact(
    place: str,
    lwf: Settings,
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    work = job(lwf, checkpoint_every=0.0)
    child = start(replace(work, stall=Stall(place, 13)))
    assert child.until_stalled(), child.join()
    child.send(signal.SIGINT)
    time.sleep(0.2)  # two signals that wait at once are told as one
    assert child.alive, "the first signal waits for a place where the run can go on"
    child.send(signal.SIGINT)
    outcome = child.join(SECONDS * SLACK)
    assert (outcome.code, outcome.error) == (130, "KeyboardInterrupt"), outcome.text
    assert not list((folder_of(work) / "checkpoint").glob(".new-*")), "half a checkpoint is removed"
    again = start(work)
    assert again.join().code == 0
    assert fingerprint(folder_of(work)) == reference(lwf)


# -- several runs side by side ---------------------------------------------------------------------------------


def plain_settings(seed: int) -> Settings:
    """A run of a second or more that a worker, which knows nothing of the tests' own nets, can make."""
    recipe = Recipe(epochs=30, batch=16)
    return Settings("finetune", "split-digits", "class", seed, recipe=recipe, hidden=(16,))


CELLS = tuple(plain_settings(seed) for seed in range(2))


def holder(folder: Path, but: int | None = None) -> int:
    """The process that runs a cell and has saved something of it; waits for one."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            pid = int(json.loads((folder / "lock.json").read_text())["pid"])
        except (OSError, ValueError):
            pid = but or 0
        if pid and pid != but and (folder / "steps.jsonl").exists():
            return pid
        time.sleep(0.01)
    raise TimeoutError(f"nobody runs {folder}")


def gone(pid: int, within: float) -> bool:
    """Whether a process, not a child of ours, has ended in that time, with each of its threads."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            threads = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
        except OSError:  # one ended meanwhile
            continue
        if all("(zombie)" in thread for thread in threads):  # as the first thread stays till its parent asks
            return True
        time.sleep(0.02)
    return False


def test_a_killed_worker_is_replaced_and_orphans_stop_by_themselves(
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    work = job(CELLS, jobs=2)
    first, second = (work.runs / cell.folder for cell in CELLS)
    sweep = start(work)
    killed = holder(first)
    os.kill(killed, signal.SIGKILL)
    workers = [holder(first, but=killed)]
    if not over(second):
        workers.append(holder(second))
    sweep.kill()
    for pid in workers:
        assert gone(pid, within=30), "a worker whose parent is gone stops by itself"
    assert json.loads((second / "result.json").read_text())["state"] in ("interrupted", "finished")
    again = start(replace(work, jobs=1)).join()
    assert again.code == 0, again.text
    for cell in CELLS:
        assert fingerprint(work.runs / cell.folder) == reference(cell), "as alone, in one process"


def test_a_signal_to_a_sweep_stops_its_workers_where_they_can_go_on(
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    work = job((*CELLS, plain_settings(2)), jobs=2, prepare=forked_workers)
    sweep = start(work)
    workers = [holder(work.runs / cell.folder) for cell in CELLS]
    sweep.send(signal.SIGTERM)
    outcome = sweep.join(SECONDS * SLACK)
    assert (outcome.code, outcome.error) == (75, "InterruptedRun"), outcome.text
    assert f"forgetless resume --runs {work.runs}" in outcome.text
    assert all(gone(pid, within=1) for pid in workers)
    assert not (work.runs / plain_settings(2).folder).exists(), "no other cell is begun"
    again = start(work).join()
    assert again.code == 0, again.text
    assert [event["resumed"] for event in again.events if event["kind"] == "RunStarted"].count(True) >= 1
    for cell in CELLS:
        assert fingerprint(work.runs / cell.folder) == reference(cell), "as alone, in one process"


def test_a_worker_that_dies_again_and_again_is_given_up_and_the_others_finish(
    job: Callable[..., Job], start: Callable[[Job], Child]
) -> None:
    outcome = start(job(CELLS, jobs=2, prepare=deadly_first_cell)).join()
    assert (outcome.code, outcome.error) == (1, "ForgetlessError"), outcome.text
    assert f"The process of {CELLS[0].folder} died 2 times (exit -9)" in outcome.text
    assert "its process died (exit -9); it goes on in a new one" in outcome.notes
    states = [event["state"] for event in outcome.events if event["kind"] == "RunEnded"]
    assert states == ["finished"]


def over(folder: Path) -> bool:
    path = folder / "result.json"
    return path.exists() and json.loads(path.read_text())["state"] == "finished"
