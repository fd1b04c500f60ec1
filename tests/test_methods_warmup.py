"""Warm-ups, lower rates, and what of a network is trained."""

from dataclasses import replace

import pytest
import tiny
import torch
from reference_loop import learn, solve

from forgetless.engine import Engine, Plan, Progress, capture
from forgetless.engine.optimizers import make_optimizer
from forgetless.engine.selection import select
from forgetless.errors import SettingsError
from forgetless.methods import METHODS
from forgetless.models import build_model
from forgetless.settings.recipe import Recipe

PLAN = Plan(torch.device("cpu"), "fp32", "a test", 1, deterministic=False)
WARMED = ["finetune", "lwf", "lfl"]
RECIPE = {"momentum": 0.9, "weight_decay": 0.01}


def learned(name, tasks, scenario="task", **fields):
    method = METHODS[name](tiny.net(), **fields)
    for index in range(tasks):
        learn(method, tiny.stream(scenario).task(index), **RECIPE)
    return method


@pytest.mark.parametrize("name", WARMED)
@pytest.mark.parametrize("scenario", ["task", "class"])
def test_the_warm_up_trains_the_new_rows_and_moves_nothing_else(name, scenario):
    method, task = learned(name, 1, scenario, warmup=3.0, warmup_lr=0.2), tiny.stream(scenario).task(1)
    fits = method.learn(task)
    fit, before = next(fits), tiny.bits(method)
    assert (fit.name, fit.epochs, fit.lr) == ("warmup", 3.0, 0.2)
    solve(method, fit, task, **RECIPE)
    moved = {name for name, value in tiny.bits(method).items() if not torch.equal(value, before[name])}
    assert moved == {"model.head.blocks.1.weight", "model.head.blocks.1.bias"}
    assert any("running_mean" in name for name in before), "there are statistics that could have moved"
    terms = (fit.loss or method.loss)(tiny.batch(task.train), task)
    assert set(terms) == {"new"}, "with the shared weights at rest, nothing else could move"
    assert (next(fits).name, next(fits, None)) == ("main", None)


@pytest.mark.parametrize("name", WARMED)
@pytest.mark.parametrize(("scenario", "index"), [("domain", 1), ("task", 0)])
def test_there_is_none_without_new_rows_or_before_there_is_anything_to_spare(name, scenario, index):
    method = learned(name, index, scenario, warmup=1.0)
    assert [fit.name for fit in method.learn(tiny.stream(scenario).task(index))] == ["main"]


def test_a_lower_rate_is_for_shared_weights_on_later_tasks_alone():
    method = METHODS["finetune"](tiny.net(), shared_lr=0.1)
    for index in (0, 1):
        task = tiny.stream("task").task(index)
        (fit,) = method.learn(task)
        head = method.model.head.blocks[-1]
        assert dict(fit.rates) == ({method.model.backbone: 0.1, head: 1.0} if index else {})
        solve(method, fit, task)


def test_what_is_new_learns_at_the_full_rate_in_a_network_that_gains_nodes_too():
    with torch.random.fork_rng():
        method = METHODS["finetune"](
            build_model("mlp", (3, 8, 8), hidden=(8, 6), widen=3).double(), shared_lr=0.1
        )
        for index in (0, 1):
            task = tiny.stream("task").task(index)
            (fit,) = method.learn(task)
    optimizer = make_optimizer(Recipe(), select(method, fit), fit.rates)
    factors = {id(weight): group["factor"] for group in optimizer.param_groups for weight in group["params"]}
    new = {id(weight) for part in fit.only[0].layers for weight in part.blocks[1].parameters()}
    new |= {id(weight) for weight in method.model.head.blocks[1].parameters()}
    assert {key for key, factor in factors.items() if factor == 1.0} == new
    assert {factors[id(weight)] for part in fit.only[0].layers for weight in part.blocks[0].parameters()} == {
        0.1
    }


def test_the_linear_layers_alone_are_trained_where_that_is_asked_for():
    method = METHODS["finetune"](build_model("lenet", (3, 8, 8)).double(), layers="linear")
    learn(method, tiny.stream("task").task(0), **RECIPE)
    before, task = tiny.bits(method.model), tiny.stream("task").task(1)
    learn(method, task, **RECIPE)
    now = tiny.bits(method.model)
    moved = {name for name, value in before.items() if not torch.equal(value, now[name])}
    assert moved == {
        f"backbone.{layer}.{kind}" for layer in ("third", "fourth") for kind in ("weight", "bias")
    }
    other = METHODS["finetune"](tiny.net(), layers="linear")
    learn(other, tiny.stream("task").task(0), **RECIPE)
    with pytest.raises(SettingsError, match="TinyNet has none"):
        next(other.learn(task))


def test_a_head_on_features_at_rest_may_learn_faster():
    method = METHODS["frozen"](tiny.net(), head_lr=5.0)
    (first,) = method.learn(tiny.stream("task").task(0))
    (later,) = method.learn(tiny.stream("task").task(1))
    assert (first.rates, later.rates) == ({}, {method.model.head.blocks[1]: 5.0})


@pytest.mark.parametrize("name", WARMED)
def test_a_warm_up_is_not_watched_by_its_validation_loss(name):
    """It would end early for one method and not for another: its loss is the method's own in one of them."""
    recipe = Recipe(epochs=2, batch=4, lr=0.1, optimizer="sgd", schedule="plateau", patience=1, keep="best")
    method, seen = METHODS[name](tiny.net(), warmup=8.0), []
    for index in (0, 1):
        task = replace(
            tiny.stream("task").task(index), validation=tiny.split((0, 1) if index == 0 else (2, 3), 2)
        )
        Engine(recipe, 0, PLAN).learn(method, task, Progress(capture(method)), seen.append)
    rates = {step.rate for step in seen if step.fit == "warmup"}
    assert (len([step for step in seen if step.fit == "warmup"]), rates) == (8 * 3, {0.1})


def test_features_distances_are_not_taken_in_half_precision():
    method = METHODS["lfl"](build_model("mlp", (3, 8, 8), hidden=(32, 32)), weight=1.0)
    tasks = [tiny.stream("task", dtype=torch.float32).task(index) for index in (0, 1)]
    learn(method, tasks[0])
    next(method.learn(tasks[1]))
    with torch.no_grad():
        for weight in method.model.backbone.parameters():
            weight.mul_(1.001)
    batch = tiny.batch(tasks[1].train)
    plain = method.loss(batch, tasks[1])["features"]
    with torch.autocast("cpu", torch.bfloat16):
        mixed = method.loss(batch, tasks[1])["features"]
    assert torch.equal(plain, mixed)
    assert plain > 0
