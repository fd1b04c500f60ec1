"""Files that others wrote in place of ours: nothing in them is executed, and they are refused with a sentence."""

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import folder_of

from benchmarks.trials import Child, Job, Outcome, Stall, fingerprint, shaky_settings
from forgetless import record
from forgetless.errors import ForgetlessError, StorageError
from forgetless.run import resume
from forgetless.settings.files import write_settings
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings

Finish = Callable[[Job], Outcome]
Reference = Callable[[Settings], dict[str, Any]]


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that exists if a payload was executed."""
    return tmp_path / "canary"


@pytest.fixture
def payload(canary: Path) -> bytes:
    """A pickle that writes the canary; it works, or the tests below would show nothing."""
    found = pickle.dumps(Payload(canary))
    pickle.loads(found)
    assert canary.exists()
    canary.unlink()
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two run folders: finetune is finished, lwf was killed in its second task."""
    runs = tmp_path_factory.mktemp("runs")
    assert Child(Job(shaky_settings("finetune"), runs, runs / "status")).join().code == 0
    stall = Stall("fit1", 13)
    child = Child(Job(shaky_settings("lwf"), runs, runs / "status", checkpoint_every=0.0, stall=stall))
    assert child.until_stalled()
    child.kill()
    return runs


@pytest.fixture
def finished(folders: Path, tmp_path: Path) -> Path:
    name = shaky_settings("finetune").folder
    return Path(shutil.copytree(folders / name, tmp_path / "runs" / name))


@pytest.fixture
def killed(folders: Path, job: Callable[..., Job], lwf: Settings) -> Job:
    work = job(lwf)
    shutil.copytree(folders / lwf.folder, folder_of(work))
    return work


@pytest.mark.parametrize("name", ["tensors.safetensors", "facts.json", "manifest.json"])
def test_a_pickle_in_a_checkpoint_is_not_executed_and_the_generation_before_is_used(
    name: str, killed: Job, finish: Finish, payload: bytes, canary: Path, reference: Reference, lwf: Settings
) -> None:
    newest = sorted((folder_of(killed) / "checkpoint").glob("g*"))[-1]
    (newest / name).write_bytes(payload)
    outcome = finish(killed)
    assert outcome.code == 0, outcome.text
    assert f"{newest} is damaged" in outcome.notes
    assert fingerprint(folder_of(killed)) == reference(lwf)
    assert not canary.exists()


@pytest.mark.parametrize(
    "name", ["result.json", "environment.json", "steps.jsonl", "lock.json", "predictions.npz"]
)
def test_a_pickle_beside_a_checkpoint_is_not_executed(
    name: str, killed: Job, finish: Finish, payload: bytes, canary: Path
) -> None:
    (folder_of(killed) / name).write_bytes(payload)
    assert finish(killed).code == 0
    assert not canary.exists()


@pytest.mark.parametrize("name", ["result.json", "settings.yaml"])
def test_a_pickle_in_place_of_a_record_is_refused_by_name(
    name: str, finished: Path, payload: bytes, canary: Path
) -> None:
    (finished / name).write_bytes(payload)
    with pytest.raises(StorageError, match=name):
        record.load(finished)
    assert not canary.exists()


def as_array(payload: Payload) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([payload], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def as_arrays(payload: Payload) -> bytes:
    buffer = io.BytesIO()
    stored: dict[str, Any] = {"true/0": np.array([payload], dtype=object)}
    np.savez(buffer, **stored)
    return buffer.getvalue()


@pytest.mark.parametrize("wrap", [pickle.dumps, as_array, as_arrays])
def test_predictions_with_a_pickle_in_them_are_refused_by_name(
    wrap: Callable[[Payload], bytes], finished: Path, canary: Path
) -> None:
    (finished / "predictions.npz").write_bytes(wrap(Payload(canary)))
    with pytest.raises(StorageError, match=r"predictions\.npz"):
        record.load(finished).predictions()
    assert not canary.exists()


def test_settings_that_name_a_function_are_refused(finished: Path, canary: Path) -> None:
    path = finished / "settings.yaml"
    path.write_text(f"method: !!python/object/apply:os.system ['touch {canary}']\n" + path.read_text())
    with pytest.raises(ForgetlessError, match=r"settings\.yaml"):
        resume(finished)
    with pytest.raises(StorageError, match=r"settings\.yaml"):
        record.load(finished)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed: 0", "seed: 7", "they were changed"),
        ("seed: 0", "seed: many", "seed"),
        ("batch: 32", "batch: -1", "batch"),
        ("batch: 32", "bach: 32", "bach"),
        ("seed: 0", "seed: [", "settings.yaml"),
        ("seed: 0", "", "holds no settings"),
    ],
)
def test_settings_changed_by_hand_are_refused_with_what_is_wrong(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    settings = resolve("finetune", "split-digits", {"seed": 0, "batch": 32})
    path = tmp_path / settings.folder / "settings.yaml"
    write_settings(path, settings)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if new else "\n")
    with pytest.raises(ForgetlessError, match=said):
        resume(path.parent)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["settings.yaml"], "nothing was begun"
