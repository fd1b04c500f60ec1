"""A run in somebody's own process: what it leaves behind."""

import subprocess
import sys

import torch

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
