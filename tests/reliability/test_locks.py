"""One process for a run folder: a second is told who holds it, and a dead one holds nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from filelock import FileLock
from places import folder_of

from benchmarks.trials import Child, Job, Stall, fingerprint, shaky_settings
from forgetless import run
from forgetless.settings.settings import Settings


def test_a_second_process_is_told_which_one_holds_the_run_until_that_is_dead(
    lwf: Settings,
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    work = job(lwf, checkpoint_every=0.0)
    first = start(replace(work, stall=Stall("fit1", 3)))
    assert first.until_stalled()
    second = replace(work, status=work.status.with_name("second"))
    outcome = start(second).join()
    assert (outcome.code, outcome.error) == (2, "SettingsError")
    assert f"process {first.pid}" in outcome.text
    assert start(replace(second, fresh=True)).join().code == 2, "--fresh empties no folder that is in use"
    first.kill()
    third = start(second)
    assert third.join().code == 0
    assert third.status.inside == 1, "it went on where the first was killed"
    assert fingerprint(folder_of(work)) == reference(lwf)
    assert not (folder_of(work) / "lock.json").exists()


def test_a_lock_is_waited_for_that_a_dying_process_still_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LINGER", 60.0)
    dying = FileLock(tmp_path / "lock", thread_local=False)
    dying.acquire()
    Timer(0.2, dying.release).start()
    with run._locked(tmp_path):
        assert not dying.is_locked


def test_of_two_processes_on_one_sweep_each_cell_is_run_by_one(
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    cells = (shaky_settings("finetune"), shaky_settings("frozen"))
    work = job(cells)
    first = start(replace(work, stall=Stall("fit0", 5, let_go=True)))
    assert first.until_stalled()
    outcome = start(replace(work, status=work.status.with_name("second"))).join()
    assert (outcome.code, outcome.error) == (2, "SettingsError"), outcome.text
    assert f"process {first.pid}" in outcome.text
    first.let_go()
    ended = first.join()
    assert ended.code == 0, ended.text
    states = [event["state"] for event in ended.events if event["kind"] == "RunEnded"]
    assert states == ["finished", "reused"], "the second process ran the second cell meanwhile"
    for cell in cells:
        assert fingerprint(work.runs / cell.folder) == reference(cell)
        assert json.loads((work.runs / cell.folder / "result.json").read_text())["resumed"] == 0
