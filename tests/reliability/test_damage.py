"""Damaged checkpoints: one flipped bit or a missing tail is seen, the generation before is used, nothing is lost."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from places import folder_of

from benchmarks.trials import Child, Job, Outcome, Stall, fingerprint, shaky_settings
from forgetless.engine.checkpoint import FILES, Checkpoints
from forgetless.errors import StorageError
from forgetless.settings.settings import Settings

Finish = Callable[[Job], Outcome]
Reference = Callable[[Settings], dict[str, Any]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders, one of a run that was killed in the second Fit of its second task."""
    runs = tmp_path_factory.mktemp("killed")
    job = Job(shaky_settings("lwf"), runs, runs / "status", checkpoint_every=0.0, stall=Stall("fit1", 13))
    child = Child(job)
    assert child.until_stalled()
    child.kill()
    return runs


@pytest.fixture
def copied(killed: Path, job: Callable[..., Job], lwf: Settings) -> Job:
    """A job that would go on with a copy of that run."""
    work = job(lwf)
    shutil.copytree(killed / lwf.folder, folder_of(work))
    return work


def generations(work: Job) -> list[Path]:
    """Newest first."""
    return Checkpoints(folder_of(work) / "checkpoint").generations()


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_each_flipped_bit_is_seen_and_the_generation_before_is_used(name: str, copied: Job) -> None:
    newest, before = generations(copied)
    path, draw = newest / name, Random(name)
    sound = path.read_bytes()
    expected = Checkpoints(before.parent)
    for bit in [0, 8 * len(sound) - 1, *(draw.randrange(8 * len(sound)) for _ in range(50))]:
        flip(path, bit)
        found, complaints = Checkpoints(newest.parent).read()
        assert found is not None, bit
        assert found.facts["step"] == 4, "the newest has 5 steps"
        assert len(complaints) == 1, bit
        assert str(newest) in complaints[0]
        path.write_bytes(sound)
    found, complaints = expected.read()
    assert found is not None
    assert (found.facts["step"], complaints) == (5, [])


@pytest.mark.parametrize("name", FILES)
def test_each_truncation_is_seen(name: str, copied: Job) -> None:
    newest, _ = generations(copied)
    path, draw = newest / name, Random(name)
    sound = path.read_bytes()
    for length in [0, 1, len(sound) - 1, *(draw.randrange(len(sound)) for _ in range(18))]:
        path.write_bytes(sound[:length])
        found, complaints = Checkpoints(newest.parent).read()
        assert found is not None, length
        assert found.facts["step"] == 4
        assert len(complaints) == 1, length


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_seen(name: str, copied: Job) -> None:
    newest, _ = generations(copied)
    (newest / name).unlink()
    found, complaints = Checkpoints(newest.parent).read()
    assert found is not None
    assert found.facts["step"] == 4
    assert len(complaints) == 1


@pytest.mark.parametrize("name", FILES)
def test_a_run_goes_on_from_the_generation_before_to_the_same_bits(
    name: str, copied: Job, finish: Finish, reference: Reference, lwf: Settings
) -> None:
    newest, _ = generations(copied)
    flip(newest / name, 8 * (newest / name).stat().st_size // 3)
    outcome = finish(copied)
    assert outcome.code == 0, outcome.text
    assert f"{newest} is damaged" in outcome.notes
    assert "it is not used" in outcome.notes
    assert fingerprint(folder_of(copied)) == reference(lwf)


def test_a_new_generation_never_pushes_out_the_last_sound_one(
    copied: Job, start: Callable[..., Child]
) -> None:
    """The damaged generation goes when the next is written, not the sound one before it."""
    newest, before = generations(copied)
    flip(newest / "facts.json", 100)
    child = start(replace(copied, checkpoint_every=0.0, stall=Stall("fit1", 1)))
    assert child.until_stalled()
    child.kill()
    now = generations(copied)
    assert before in now
    assert newest not in now
    assert len(now) == 2


def test_with_no_sound_generation_a_run_refuses_and_fresh_starts_anew(
    copied: Job, finish: Finish, reference: Reference, lwf: Settings
) -> None:
    for path in generations(copied):
        (path / "tensors.safetensors").write_bytes(b"")
    outcome = finish(copied)
    assert (outcome.code, outcome.error) == (5, StorageError.__name__)
    assert "--fresh" in outcome.text
    for path in generations(copied):
        assert str(path) in outcome.text
    assert len(generations(copied)) == 2, "what is damaged is left for a person to look at"
    assert finish(replace(copied, fresh=True)).code == 0
    assert fingerprint(folder_of(copied)) == reference(lwf)


@pytest.mark.parametrize("damage", [b"", b'{"format": 1, "state": "fini', b"\xff\x00", b"[]"])
def test_a_damaged_result_is_made_again_from_the_checkpoint(
    damage: bytes, copied: Job, start: Callable[..., Child], reference: Reference, lwf: Settings
) -> None:
    for name in ("result.json", "environment.json", "lock.json"):
        (folder_of(copied) / name).write_bytes(damage)
    child = start(copied)
    assert child.join().code == 0, child.join().text
    assert child.status.inside == 1, "it went on, and did not start anew"
    assert fingerprint(folder_of(copied)) == reference(lwf)


def test_a_log_with_a_torn_line_is_cut_to_what_the_checkpoint_says(
    copied: Job, finish: Finish, reference: Reference, lwf: Settings
) -> None:
    with (folder_of(copied) / "steps.jsonl").open("ab") as file:
        file.write(b'{"task": 1, "fit": "main", "st')
    assert finish(copied).code == 0
    assert fingerprint(folder_of(copied)) == reference(lwf)
