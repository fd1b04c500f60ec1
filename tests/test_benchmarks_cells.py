"""Tables of many runs: what is finished is kept beside the results, and is not run again."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cells, results
from forgetless.errors import DataError
from forgetless.record import load
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings
from forgetless.sweep import run_many


def _asked(runs: Path, *, table: bool = False) -> argparse.Namespace:
    return argparse.Namespace(data=None, runs=runs, jobs=1, table=table)


def _cell(seed: int, stream: str = "split-digits/2") -> Settings:
    return resolve("finetune", stream, {"seed": seed, "steps": 2}, jobs=2)


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")


def test_a_finished_run_is_kept_and_stands_for_its_folder(tmp_path: Path) -> None:
    made = cells.runs_of({0: _cell(0)}, _asked(tmp_path / "here"), kept="table")
    kept = cells.runs_of({0: _cell(0), 1: _cell(1)}, _asked(tmp_path / "elsewhere"), kept="table")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == [_cell(1).folder]
    assert kept[0].result == made[0].result
    assert kept[0].environment == made[0].environment
    assert "commit" in cells.made_by(kept)


def test_the_hash_of_its_answers_is_kept_with_a_run(tmp_path: Path) -> None:
    made = cells.runs_of({0: _cell(0), 1: _cell(1)}, _asked(tmp_path / "here"))
    kept = cells.runs_of({0: _cell(0), 1: _cell(1)}, _asked(tmp_path / "here"), kept="table")
    assert not (kept[0].path / "predictions.npz").exists()
    assert cells.answers_of(kept[0]) == cells.answers_of(made[0]) != cells.answers_of(kept[1])


def test_a_table_alone_runs_nothing_but_keeps_what_is_finished(tmp_path: Path) -> None:
    assert not cells.runs_of({0: _cell(0)}, _asked(tmp_path / "here", table=True), kept="table")
    cells.runs_of({0: _cell(0)}, _asked(tmp_path / "here"))
    assert list(
        cells.runs_of({0: _cell(0), 1: _cell(1)}, _asked(tmp_path / "here", table=True), kept="table")
    ) == [0]


def test_what_finished_is_kept_where_a_later_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_after_the_first(asked: Sequence[Settings], **where: Any) -> None:
        run_many(asked[:1], **where)
        raise DataError("The second has no data.")

    monkeypatch.setattr(cells, "run_many", fail_after_the_first)
    with pytest.raises(SystemExit) as ended:
        cells.runs_of({0: _cell(0), 1: _cell(1)}, _asked(tmp_path / "here"), kept="table")
    assert ended.value.code == DataError.exit_code
    told = capsys.readouterr().err.splitlines()
    assert f"{_cell(0).folder}: begins, 2 tasks" in told
    assert told[-1] == "The second has no data."
    assert [path.name for path in (tmp_path / "results" / "runs" / "table").iterdir()] == [_cell(0).folder]


def test_a_setting_that_came_up_later_counts_as_it_is_by_default(tmp_path: Path) -> None:
    (made,) = cells.runs_of({0: _cell(0)}, _asked(tmp_path / "here"), kept="table").values()
    old = made.path / "settings.yaml"
    lines = old.read_text().splitlines(keepends=True)
    old.write_text("".join(line for line in lines if not line.startswith("warmup:")))
    made.path.rename(made.path.with_name("named-by-a-hash-of-fewer-settings"))
    later = {0: _cell(0), 1: replace(_cell(0), hyper=_cell(0).hyper | {"warmup": 1.0})}
    assert list(cells.runs_of(later, _asked(tmp_path / "here", table=True), kept="table")) == [0]
    old = made.path.with_name("named-by-a-hash-of-fewer-settings") / "settings.yaml"
    old.write_text(old.read_text() + "gone: 1\n")
    assert not cells.runs_of({0: _cell(0)}, _asked(tmp_path / "nowhere", table=True), kept="table")


@pytest.mark.parametrize("key", ["device_name", "torch", "threads"])
def test_runs_of_two_machines_are_no_pair(tmp_path: Path, key: str) -> None:
    made = cells.runs_of({0: _cell(0), 1: _cell(1)}, _asked(tmp_path / "here"))
    assert cells.on_one_machine(made[0], made[1])
    environment = made[1].path / "environment.json"
    environment.write_text(json.dumps(made[1].environment | {key: "another"}))
    assert not cells.on_one_machine(made[0], load(made[1].path))
