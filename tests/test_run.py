"""A run in somebody's own process: what it leaves behind."""

import subprocess
import sys

import pytest
import torch

from forgetless import record
from forgetless.errors import SettingsError
from forgetless.run import run_settings


def test_a_run_leaves_the_process_as_it_was(settings, tmp_path):
    assert float(torch.tensor(1e-40) * 1) > 0, "denormal numbers are kept before"
    torch.set_num_threads(2)
    try:
        run_settings(settings(precision="exact"), runs=tmp_path)
        run_settings(settings(threads=1), runs=tmp_path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert not torch.are_deterministic_algorithms_enabled()
    assert float(torch.tensor(1e-40) * 1) > 0, "and after"


def test_inside_a_run_denormal_numbers_are_flushed_unless_it_is_exact():
    """In a process of its own: the flag is inherited by threads that start under it."""
    code = """
import torch
from forgetless.engine import choose_plan, prepared_process
for precision in ("fp32", "exact"):
    with prepared_process(choose_plan(precision, 1, "mlp")):
        print(float(torch.tensor(1e-40) * 1) > 0, torch.are_deterministic_algorithms_enabled())
"""
    asked = [sys.executable, "-c", code]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False False", "True True"]


@pytest.mark.parametrize("there_before", [False, True])
def test_a_run_that_is_refused_leaves_no_folder_that_it_made(settings, tmp_path, there_before):
    refused = settings("lwm")  # reads attention off maps, of which an mlp has none
    folder = tmp_path / refused.folder
    if there_before:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="MLP has none"):
        run_settings(refused, runs=tmp_path)
    assert folder.exists() == there_before
    assert not there_before or (folder / "notes.txt").read_text() == "mine"


def test_a_run_that_fails_after_its_first_step_keeps_its_folder(settings, tmp_path, monkeypatch):
    from forgetless import cell

    learn = cell.Cell._learn_and_score

    def once(self):
        if self.saved.task:
            raise SettingsError("the second task cannot be learned")
        learn(self)

    monkeypatch.setattr(cell.Cell, "_learn_and_score", once)
    with pytest.raises(SettingsError, match="the second task"):
        run_settings(settings(), runs=tmp_path)
    assert record.load(tmp_path / settings().folder).state == "failed"
