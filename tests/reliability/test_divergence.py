"""What is not finite: the run stops, says where and which term of the loss, and stays diverged."""

import json
from collections.abc import Callable
from dataclasses import replace

from hindrances import infinite_old_term
from places import folder_of

from benchmarks.trials import Job, Outcome, shaky_settings
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Settings

WILD = Recipe(epochs=2, batch=32, lr=1e20, optimizer="sgd")


def test_a_run_that_diverges_says_where_and_is_not_tried_again(
    job: Callable[..., Job], finish: Callable[[Job], Outcome]
) -> None:
    work = job(shaky_settings("finetune", recipe=WILD))
    first = finish(work)
    assert (first.code, first.error) == (4, "DivergedError")
    for part in ("'new'", "task 1", "fit 'main'", "step "):
        assert part in first.text
    result = json.loads((folder_of(work) / "result.json").read_text())
    assert result["state"] == "diverged"
    assert result["error"] == first.text
    assert result["accuracy"] == []
    assert result["weights_sha256"] is None
    assert not (folder_of(work) / "model.safetensors").exists()
    assert not (folder_of(work) / "checkpoint").exists()
    again = finish(work)
    assert again.code == 4
    assert [event["kind"] for event in again.events] == ["RunEnded"], "nothing was trained"
    assert first.text in again.text
    assert "--fresh" in again.text
    fresh = finish(replace(work, fresh=True))
    assert fresh.code == 4
    assert "RunStarted" in [event["kind"] for event in fresh.events]


def test_the_term_that_is_not_finite_is_named_with_its_task(
    lwf: Settings, job: Callable[..., Job], finish: Callable[[Job], Outcome]
) -> None:
    outcome = finish(job(lwf, prepare=infinite_old_term))
    assert outcome.code == 4
    assert "'old'" in outcome.text
    assert "'new'" not in outcome.text
    assert "task 2, fit 'main', step 1" in outcome.text


def test_a_run_whose_last_step_spoils_its_weights_is_no_result(
    job: Callable[..., Job], finish: Callable[[Job], Outcome]
) -> None:
    work = job(shaky_settings("finetune", recipe=Recipe(steps=1, batch=32, lr=1e300, optimizer="sgd")))
    outcome = finish(work)
    assert (outcome.code, outcome.error) == (4, "DivergedError")
    assert "Task 1, fit 'main', left weights" in outcome.text
    result = json.loads((folder_of(work) / "result.json").read_text())
    assert result["state"] == "diverged"
    assert result["accuracy"] == []
    assert not (folder_of(work) / "model.safetensors").exists()


def test_other_cells_of_a_sweep_go_on(job: Callable[..., Job], finish: Callable[[Job], Outcome]) -> None:
    cells = (shaky_settings("finetune", recipe=WILD), shaky_settings("finetune"))
    work = job(cells)
    outcome = finish(work)
    assert outcome.code == 0, "a diverged cell is a result, not a failure"
    states = [json.loads((work.runs / cell.folder / "result.json").read_text())["state"] for cell in cells]
    assert states == ["diverged", "finished"]
