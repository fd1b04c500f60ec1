"""Tables of many runs: what is finished is kept beside the results, and is not run again."""

import argparse
import shutil
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import cells, results
from forgetless.errors import DataError
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings


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


def test_what_finished_is_kept_where_another_run_fails(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(photos / name / "0.png")
    wanted = {0: _cell(0), 1: _cell(0, str(photos))}
    shutil.rmtree(photos)
    with pytest.raises(DataError):
        cells.runs_of(wanted, _asked(tmp_path / "here"), kept="table")
    assert [path.name for path in (tmp_path / "results" / "runs" / "table").iterdir()] == [_cell(0).folder]
