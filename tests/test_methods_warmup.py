"""Warm-ups and lower rates, of fine-tuning and of less-forgetting learning."""

import pytest
import tiny
import torch
from reference_loop import learn, solve

from forgetless.methods import METHODS

RECIPE = {"momentum": 0.9, "weight_decay": 0.01}


def learned(name, tasks, scenario="task", **fields):
    method = METHODS[name](tiny.net(), **fields)
    for index in range(tasks):
        learn(method, tiny.stream(scenario).task(index), **RECIPE)
    return method


@pytest.mark.parametrize("name", ["finetune", "lfl"])
@pytest.mark.parametrize("scenario", ["task", "class"])
def test_the_warm_up_trains_the_new_rows_and_moves_nothing_else(name, scenario):
    method, task = learned(name, 1, scenario, warmup=3.0, warmup_lr=0.2), tiny.stream(scenario).task(1)
    fits = method.learn(task)
    fit, before = next(fits), tiny.bits(method)
    assert (fit.name, fit.epochs, fit.lr) == ("warmup", 3.0, 0.2)
    solve(method, fit, task, **RECIPE)
    moved = {name for name, value in tiny.bits(method).items() if not torch.equal(value, before[name])}
    assert moved == {"model.head.blocks.1.weight", "model.head.blocks.1.bias"}
    terms = (fit.loss or method.loss)(tiny.batch(task.train), task)
    assert set(terms) == {"new"}, "with the shared weights at rest, nothing else could move"
    assert (next(fits).name, next(fits, None)) == ("main", None)


@pytest.mark.parametrize("name", ["finetune", "lfl"])
@pytest.mark.parametrize(("scenario", "index"), [("domain", 1), ("task", 0)])
def test_there_is_none_without_new_rows_or_before_there_is_anything_to_spare(name, scenario, index):
    method = learned(name, index, scenario, warmup=1.0)
    assert [fit.name for fit in method.learn(tiny.stream(scenario).task(index))] == ["main"]


def test_a_lower_rate_is_for_shared_weights_on_later_tasks_alone():
    method = METHODS["finetune"](tiny.net(), shared_lr=0.1)
    for index in (0, 1):
        task = tiny.stream("task").task(index)
        (fit,) = method.learn(task)
        assert dict(fit.rates) == ({method.model.backbone: 0.1} if index else {})
        solve(method, fit, task)
