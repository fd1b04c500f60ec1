"""A full disk, a place that cannot be written, a folder that vanishes: a sentence, nothing lost, and it goes on."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hindrances import Disk, full_disk
from places import folder_of

from benchmarks.trials import AUGMENTED, Child, Job, Outcome, Stall, fingerprint, shaky_settings
from forgetless.engine import Checkpoint, Checkpoints
from forgetless.errors import StorageError
from forgetless.files import write_atomically
from forgetless.settings.settings import Settings

Finish = Callable[[Job], Outcome]
Reference = Callable[[Settings], dict[str, Any]]


@pytest.fixture
def short() -> Settings:
    """A run of two tasks."""
    return shaky_settings("lwf", stream=f"{AUGMENTED}/2")


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint({"w": torch.full((3,), float(step))}, {"step": step})


def test_a_checkpoint_write_that_fails_at_any_call_leaves_the_earlier_generations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, failed, said = 0, True, ""
    while failed:
        count += 1
        folder = tmp_path / str(count)
        for step in (1, 2):
            Checkpoints(folder).write(checkpoint(step))
        with monkeypatch.context() as patch:
            Disk(count).install(patch.setattr)
            try:
                Checkpoints(folder).write(checkpoint(3))
                failed = False
            except StorageError as error:
                said = str(error)
        assert "No space left on device" in said
        assert "bytes are free" in said
        found, complaints = Checkpoints(folder).read()
        assert found is not None, count
        assert complaints == []
        assert found.facts["step"] in ((2, 3) if failed else (3,)), count
        assert not list(folder.glob(".new-*"))
        Checkpoints(folder).write(checkpoint(4))
        assert len(Checkpoints(folder).generations()) == 2
    assert count > 9, "three files written and flushed, a folder made and renamed, folders flushed"


def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, count, failed = tmp_path / "result.json", 0, True
    while failed:
        count += 1
        write_atomically(path, "old")
        with monkeypatch.context() as patch:
            Disk(count).install(patch.setattr)
            try:
                write_atomically(path, "new")
                failed = False
            except StorageError:
                pass
        assert path.read_text() in (("old", "new") if failed else ("new",))
        assert os.listdir(tmp_path) == ["result.json"], "no temporary file is left"
    assert count >= 5


@pytest.mark.parametrize("count", [1, 4, 12, 20, 35, 100])
def test_a_run_whose_disk_fills_up_says_so_and_goes_on_when_there_is_room(
    count: int, short: Settings, job: Callable[..., Job], finish: Finish, reference: Reference
) -> None:
    work = job(short, checkpoint_every=0.0)
    outcome = finish(replace(work, prepare=full_disk(count)))
    assert (outcome.code, outcome.error) == (5, "StorageError"), outcome.text
    assert "No space left on device" in outcome.text
    assert str(work.runs) in outcome.text
    assert finish(work).code == 0
    assert fingerprint(folder_of(work)) == reference(short)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    made = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not made:
        pytest.skip("a file system can only be mounted by root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_really_full(
    small_disk: Path, short: Settings, job: Callable[..., Job], finish: Finish, reference: Reference
) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(180_000))
    work = job(short, runs=small_disk, checkpoint_every=0.0)
    outcome = finish(work)
    assert (outcome.code, outcome.error) == (5, "StorageError"), outcome.text
    assert "No space left on device" in outcome.text
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert finish(work).code == 0
    assert fingerprint(folder_of(work)) == reference(short)


def test_a_disk_that_turns_read_only(
    small_disk: Path,
    short: Settings,
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Reference,
) -> None:
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    work = job(short, runs=small_disk, checkpoint_every=0.0)
    child = start(replace(work, stall=Stall("fit1", 3)))
    assert child.until_stalled(), child.join()
    child.kill()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    outcome = start(work).join()
    assert (outcome.code, outcome.error) == (5, "StorageError"), outcome.text
    assert "Read-only file system" in outcome.text
    assert [event["kind"] for event in outcome.events] == [], "it is told before anything is computed"
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    again = start(work)
    assert again.join().code == 0
    assert again.status.inside == 1
    assert fingerprint(folder_of(work)) == reference(short)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(
    tmp_path: Path, short: Settings, job: Callable[..., Job], finish: Finish
) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    for place in (file, file / "below", *([] if os.access(closed, os.W_OK) else [closed])):
        outcome = finish(job(short, runs=place))
        assert (outcome.code, outcome.error) == (5, "StorageError"), outcome.text
        assert str(place) in outcome.text
        assert outcome.events == []


@pytest.mark.parametrize("gone", ["run folder", "all runs"])
def test_a_folder_that_vanishes_ends_the_run_and_it_can_start_anew(
    gone: str, short: Settings, job: Callable[..., Job], start: Callable[[Job], Child], reference: Reference
) -> None:
    work = job(short, checkpoint_every=0.0)
    child = start(replace(work, stall=Stall("fit1", 3, let_go=True)))
    assert child.until_stalled(), child.join()
    shutil.rmtree(work.runs if gone == "all runs" else folder_of(work))
    child.let_go()
    outcome = child.join()
    assert (outcome.code, outcome.error) == (5, "StorageError"), outcome.text
    assert str(folder_of(work)) in outcome.text
    assert start(work).join().code == 0
    assert fingerprint(folder_of(work)) == reference(short)
