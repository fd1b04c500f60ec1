"""`kill -9`, then start again: the same accuracy matrix, predictions and weights, to the bit.

`python -m benchmarks.kills` does the same twenty times for each method, at random moments.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hindrances import killed_while_emptying

from benchmarks.kills import Round, job_for
from benchmarks.trials import AUGMENTED, METHODS, Child, Job, Stall, fingerprint, shaky_settings
from forgetless.run import unfinished
from forgetless.settings.files import read_settings
from forgetless.settings.settings import Settings

LAST = {
    "finetune": "fit1",
    "lfl": "fit1",
    "lwf": "fit1",
    "three_fits": "fit2",
}  # the last Fit of a task, where there are several


@pytest.mark.parametrize("name", METHODS)
def test_killed_inside_a_fit_and_inside_a_write_a_run_ends_as_if_it_had_not_been(
    name: str,
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    settings = shaky_settings(name)
    work = job(settings, checkpoint_every=0.0)
    place = 1 + METHODS.index(name) % 10  # another in the write for each method: files, folder, renaming
    for stall in (Stall(LAST.get(name, "fit0"), 13), Stall("write", place)):
        child = start(replace(work, stall=stall))
        assert child.until_stalled(), child.join()
        child.kill()
    assert child.status.writing
    assert child.status.inside == 1, "the first kill was inside a Fit, and the second start went on there"
    child = start(replace(work, checkpoint_every=0.05))
    assert child.join().code == 0
    folder = work.runs / settings.folder
    assert fingerprint(folder) == reference(settings)
    assert json.loads((folder / "result.json").read_text())["resumed"] >= 1
    assert not (folder / "checkpoint").exists()


@pytest.mark.parametrize("form", [{"head_layers": 2}, {"widen": 6}])
def test_a_network_that_gains_layers_or_nodes_ends_as_if_it_had_not_been_killed(
    form: dict[str, int],
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    settings = shaky_settings("lwf", model="mlp", hidden=(24, 16), **form)
    work = job(settings, checkpoint_every=0.0)
    child = start(replace(work, stall=Stall("fit1", 12)))  # in the third task: the network has grown twice
    assert child.until_stalled(), child.join()
    child.kill()
    assert child.status.task == 2
    assert start(work).join().code == 0
    assert fingerprint(work.runs / settings.folder) == reference(settings)


def test_no_place_in_a_checkpoint_write_is_unsafe(
    lwf: Settings,
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    """Each start is killed one place further into its second write, so what it made is seldom kept; none is lost."""
    work, places = job(lwf, checkpoint_every=0.0), []
    for count in range(12, 24):
        child = start(replace(work, stall=Stall("write", count)))
        assert child.until_stalled(), child.join()
        child.kill()
        places.append(child.status.place)
    assert {"half of tensors.safetensors", "half of manifest.json", "fsync", "rename", "rmtree"} <= set(
        places
    )
    assert start(work).join().code == 0
    assert fingerprint(work.runs / lwf.folder) == reference(lwf)


def test_a_kill_between_the_last_result_and_the_removal_of_checkpoints_costs_nothing(
    lwf: Settings, job: Callable[..., Job], start: Callable[[Job], Child]
) -> None:
    work = job(lwf)
    child = start(replace(work, stall=Stall("clear")))
    assert child.until_stalled(), child.join()
    child.kill()
    again = start(work).join()
    assert again.code == 0
    assert [event["state"] for event in again.events if event["kind"] == "RunEnded"] == ["reused"]


def test_half_an_emptied_folder_does_not_pass_for_a_finished_run(
    lwf: Settings,
    job: Callable[..., Job],
    start: Callable[[Job], Child],
    reference: Callable[[Settings], dict[str, Any]],
) -> None:
    work = job(lwf)
    assert start(work).join().code == 0
    assert start(replace(work, fresh=True, prepare=killed_while_emptying)).join().code == -9
    again = start(work).join()
    assert again.code == 0
    assert [event["state"] for event in again.events if event["kind"] == "RunEnded"] == ["finished"]
    assert fingerprint(work.runs / lwf.folder) == reference(lwf)


def test_a_round_of_the_command_at_random_moments(tmp_path: Path) -> None:
    found = Round(job_for("l2_anchor", AUGMENTED, None, None, tmp_path))
    found.refer()
    trial = found.trial(0)
    assert trial.kills
    assert trial.identical, trial.differs


def test_what_the_command_compares_tells_another_run_apart(tmp_path: Path) -> None:
    found = Round(job_for("finetune", AUGMENTED, None, None, tmp_path))
    found.refer()
    found.reference["weights"] = "of another run"
    assert found.trial(1).differs == ["weights"]


def test_random_moments_differ_and_can_be_had_again(tmp_path: Path) -> None:
    found = Round(job_for("finetune", AUGMENTED, None, None, tmp_path))
    found.duration, found.counts, found.fits = 2.0, {"write": 90, "fit0": 40}, ["fit0"]
    assert found.moments(Random("a")) == found.moments(Random("a")) != found.moments(Random("b"))


def test_the_real_command_killed_and_given_again(
    tmp_path: Path, start: Callable[[Job], Child], reference: Callable[[Settings], dict[str, Any]]
) -> None:
    words = [
        "run",
        "lwf",
        "split-digits",
        "--warmup",
        "2",
        "--epochs",
        "6",
        "--runs",
        str(tmp_path),
        "--quiet",
    ]
    code = "import sys; from forgetless.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *words]
    first = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while not list(tmp_path.glob("*/checkpoint/g*")):  # the first task is learned
        assert first.poll() is None
        time.sleep(0.005)
    first.kill()
    first.wait()
    (folder,) = unfinished(tmp_path)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert fingerprint(folder) == reference(read_settings(folder / "settings.yaml"))
    assert json.loads((folder / "result.json").read_text())["resumed"] == 1
