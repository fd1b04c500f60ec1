"""Run folders: what is written is what is read, and nothing damaged, foreign or newer is read as if it were ours."""

import io
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from fake_runs import fake_answers, fake_run

from forgetless import files
from forgetless.errors import StorageError
from forgetless.predictions import (
    Predictions,
    accuracy_from_predictions,
    read_predictions,
    write_predictions,
)
from forgetless.record import load, read_steps, runs_below, write_result


@pytest.fixture
def folder(tmp_path):
    return fake_run(tmp_path, "lwf", seed=3)


def edit(folder, **changed):
    path = folder / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | changed))


def test_a_run_is_read_as_it_was_written(folder):
    run = load(folder)
    assert (run.method, run.stream, run.scenario, run.seed, run.state) == (
        "lwf",
        "split-mnist",
        "class",
        3,
        "finished",
    )
    assert (run.tasks, run.steps, run.error) == (5, 1880, "")
    assert run.settings["weight"] == 1.0
    assert run.bytes["old_models"] == 1_913_640
    assert run.seconds["total"] == 13.4
    assert run.environment["torch"] == "2.13.0"
    assert run.accuracy.shape == (5, 5)
    assert run.accuracy.dtype == np.float64
    assert np.isnan(run.accuracy[np.triu_indices(5, 1)]).all()
    assert not np.isnan(run.accuracy[np.tril_indices(5)]).any()
    assert run.metrics["average_accuracy"] == pytest.approx(run.accuracy[-1].mean())


def test_the_file_has_the_documented_form(folder):
    result = json.loads((folder / "result.json").read_text())
    assert result["format"] == 1
    assert result["accuracy"][0][1:] == [None] * 4
    assert {"state", "method", "stream", "stream_version", "fingerprint", "scenario", "seed"} < set(result)
    assert {"accuracy", "metrics", "reasons", "bytes", "seconds", "steps", "resumed"} < set(result)
    assert set(result["reasons"]) == {name for name, value in result["metrics"].items() if value is None}


@pytest.mark.parametrize("scenario", ["task", "class", "domain"])
def test_accuracy_follows_from_the_recorded_predictions(tmp_path, scenario):
    run = load(fake_run(tmp_path, scenario=scenario, tasks=4))
    answers = run.predictions()
    again = accuracy_from_predictions(answers.true, answers.scored(scenario))
    np.testing.assert_array_equal(again, run.accuracy)
    assert not np.array_equal(again, again[::-1], equal_nan=True)


def test_predictions_come_back_label_for_label(tmp_path):
    answers = fake_answers(3, "class", 0.5, 0)
    write_predictions(tmp_path, answers)
    back = read_predictions(tmp_path)
    assert back.sizes == answers.sizes == (200, 200, 200)
    for kind in ("aware", "agnostic"):
        wrote, read = getattr(answers, kind), getattr(back, kind)
        assert set(wrote) == set(read)
        for place in wrote:
            assert read[place].dtype == np.uint16
            np.testing.assert_array_equal(wrote[place], read[place])


def test_a_label_that_does_not_fit_is_refused(tmp_path):
    for label in (70_000, -1):
        with pytest.raises(StorageError, match="65535"):
            write_predictions(tmp_path, Predictions((np.array([label]),)))
    assert not (tmp_path / "predictions.npz").exists()


def test_a_pickle_among_the_predictions_is_not_executed(tmp_path):
    canary = tmp_path / "canary"

    class Trap:
        def __reduce__(self):
            return open, (str(canary), "w")

    trap = np.empty(1, dtype=object)
    trap[0] = Trap()
    buffer = io.BytesIO()
    np.savez(buffer, **{"true/0": trap})
    (tmp_path / "predictions.npz").write_bytes(buffer.getvalue())
    with pytest.raises(StorageError, match="damaged"):
        read_predictions(tmp_path)
    (tmp_path / "predictions.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(StorageError, match="damaged"):
        read_predictions(tmp_path)
    assert not canary.exists()


def test_a_damaged_file_of_predictions_is_refused_or_reads_the_same(tmp_path):
    answers = fake_answers(2, "class", 0.5, 0, images=20)
    write_predictions(tmp_path, answers)
    path = tmp_path / "predictions.npz"
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 2):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            back = read_predictions(tmp_path)
        except StorageError:
            refused += 1
            continue
        for kind in ("aware", "agnostic"):
            for key, labels in getattr(back, kind).items():
                np.testing.assert_array_equal(labels, getattr(answers, kind)[key])
    assert refused > len(whole) / 2 / 4
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StorageError):
            read_predictions(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"true/0": np.zeros(3, np.uint16), "agnostic/0/0": np.zeros(2, np.uint16)},
        {"true/0": np.zeros(3, np.int64)},
        {"true/1": np.zeros(3, np.uint16)},
        {"true/0": np.zeros((3, 2), np.uint16)},
        {"other/0": np.zeros(3, np.uint16)},
        {"agnostic/0/0": np.zeros(3, np.uint16)},
        {"agnostic/0": np.zeros(3, np.uint16)},
    ],
)
def test_foreign_arrays_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "predictions.npz", **arrays)
    with pytest.raises(StorageError, match="damaged or was not written"):
        read_predictions(tmp_path)


def test_missing_predictions_are_said_to_be_missing(tmp_path):
    with pytest.raises(StorageError, match="holds no predictions"):
        read_predictions(tmp_path)


def test_an_unfinished_run_has_the_part_it_learned(tmp_path):
    run = load(fake_run(tmp_path, state="interrupted", learned=2))
    assert run.accuracy.shape == (2, 2)
    assert run.tasks == 5
    edit(run.path, accuracy=[[0.9, None, None], [0.5, 0.8, None], [None, None, None]])
    assert load(run.path).accuracy.shape == (2, 2)
    edit(run.path, accuracy=[], state="running")
    assert load(run.path).accuracy.shape == (0, 0)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"format": 2}, "format 2; this forgetless reads up to 1"),
        ({"format": None}, "not written by forgetless"),
        ({"state": "done"}, "names the state 'done'"),
        ({"method": None}, "method missing"),
        ({"seed": "0"}, "seed missing or of the wrong kind"),
        ({"accuracy": [[0.9], [0.5]]}, "row 1 of its accuracy matrix is too short"),
        ({"accuracy": [[1.5]], "tasks": 1}, "no share of 1"),
        ({"accuracy": [["x"]], "tasks": 1}, "no share of 1"),
        ({"accuracy": [[0.9, None], [None, 0.5]], "tasks": 2}, "not complete"),
        ({"accuracy": [[0.9]]}, "not complete"),
        ({"accuracy": []}, "not complete"),
    ],
)
def test_what_is_not_a_result_of_ours_is_refused(folder, changed, sentence):
    edit(folder, **changed)
    with pytest.raises(StorageError, match=sentence):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe\x00", b'{"format": 1}', b"nul"])
def test_a_damaged_result_is_refused(folder, content):
    (folder / "result.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"result\.json"):
        load(folder)


@pytest.mark.parametrize("content", ["a: [", "- 1", "a: !!python/object/apply:os.mkdir [CANARY]"])
def test_damaged_or_malicious_settings_are_refused(folder, content):
    canary = folder / "canary"
    (folder / "settings.yaml").write_text(content.replace("CANARY", str(canary)))
    with pytest.raises(StorageError, match=r"settings\.yaml"):
        load(folder)
    assert not canary.exists()


def test_folders_that_are_no_runs_are_told_apart(tmp_path):
    with pytest.raises(StorageError, match="There is no run folder"):
        load(tmp_path / "nothing")
    with pytest.raises(StorageError, match="is not a run folder"):
        load(tmp_path)
    (tmp_path / "settings.yaml").write_text("method: lwf\n")
    with pytest.raises(StorageError, match="not learned its first task"):
        load(tmp_path)


def test_writing_a_result_is_all_or_nothing(folder, monkeypatch):
    before = (folder / "result.json").read_bytes()
    run = load(folder)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(StorageError, match="No space left"):
        write_result(folder, run.result | {"steps": 1})
    monkeypatch.undo()
    assert (folder / "result.json").read_bytes() == before
    assert [path.name for path in folder.glob(".*")] == []


def test_a_result_that_could_not_be_read_is_not_written(folder):
    run = load(folder)
    before = (folder / "result.json").read_bytes()
    with pytest.raises(StorageError, match="steps missing"):
        write_result(folder, {key: value for key, value in run.result.items() if key != "steps"})
    with pytest.raises(StorageError, match="no share of 1"):
        write_result(folder, run.result | {"accuracy": [[1.2]]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(folder, run.result | {"metrics": {"forgetting": float("nan")}})
    assert (folder / "result.json").read_bytes() == before


def test_runs_are_found_below_a_folder(tmp_path):
    first = fake_run(tmp_path / "deep" / "er", seed=1)
    second = fake_run(tmp_path, seed=0)
    waiting = tmp_path / "waiting"
    waiting.mkdir()
    (waiting / "settings.yaml").write_text("method: lwf\n")
    (second / "checkpoint" / "0").mkdir(parents=True)
    (second / "checkpoint" / "0" / "settings.yaml").write_text("method: lwf\n")
    (tmp_path / "empty").mkdir()
    assert runs_below(tmp_path) == sorted([first, second, waiting])
    assert runs_below(first) == [first]
    with pytest.raises(StorageError, match="no folder"):
        runs_below(tmp_path / "nothing")


def test_steps_survive_a_kill(folder):
    whole = read_steps(folder)
    assert [line["step"] for line in whole[:3]] == [50, 100, 150]
    path = folder / "steps.jsonl"
    text = path.read_text()
    path.write_text(text[:-20])
    assert read_steps(folder) == whole[:-1]
    path.write_text("\n" + text + '7\n{"task": 9, "fit": "ma')
    assert read_steps(folder) == whole
    path.unlink()
    assert read_steps(folder) == []


def test_steps_made_again_count_once(folder):
    path = folder / "steps.jsonl"
    whole = read_steps(folder)
    again = whole[-1] | {"terms": {"new": 9.0}}
    path.write_text(path.read_text() + json.dumps(again) + "\n")
    assert read_steps(folder) == [*whole[:-1], again]


def test_needs_no_torch():
    code = "import sys, forgetless.record, forgetless.predictions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_predictions_are_plain_arrays(folder):
    with zipfile.ZipFile(folder / "predictions.npz") as archive:
        names = archive.namelist()
    assert "true/0.npy" in names
    assert "agnostic/4/0.npy" in names
    assert "aware/4/4.npy" in names
