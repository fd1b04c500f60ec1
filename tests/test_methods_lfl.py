"""Less-forgetting learning: the features' distance, and what is frozen in each scenario."""

import pytest
import tiny
import torch
from reference_loop import learn, solve

from forgetless.methods import METHODS

LFL = METHODS["lfl"]
RECIPE = {"momentum": 0.9, "weight_decay": 0.01}


@pytest.fixture(autouse=True)
def seeded():
    """New head rows are drawn from torch's generator."""
    torch.manual_seed(1)


def learned(tasks, scenario, name="lfl", **fields):
    stream, method = tiny.stream(scenario), METHODS[name](tiny.net(dropout=0.5), **fields)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, stream.task(index), **RECIPE)
    return method


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_the_loss_is_the_cross_entropy_and_half_the_features_squared_distance(scenario):
    method, task = learned(1, scenario, weight=0.3), tiny.stream(scenario).task(1)
    before = tiny.bits(method.model.backbone)
    old = {name: weight for name, weight in before.items() if "num_batches" not in name}
    fit = next(method.learn(task))
    solve(method, fit, task, **RECIPE)
    method.eval()
    batch = tiny.batch(task.train, slice(0, 7))
    features = method.model.features(batch.x)
    with torch.no_grad():
        was = torch.func.functional_call(method.model.backbone, old, (batch.x,))
    apart = sum(((a - b) ** 2).sum() for a, b in zip(features, was, strict=True)) / len(batch.y)
    terms = method.loss(batch, task)
    assert apart > 1e-4
    torch.testing.assert_close(terms["features"], 0.15 * apart, rtol=1e-9, atol=0)
    columns = list(task.classes)
    logs = method.model(batch.x)[:, columns].log_softmax(1)
    wanted = -sum(row[columns.index(int(y))] for row, y in zip(logs, batch.y, strict=True)) / len(batch.y)
    torch.testing.assert_close(terms["new"], wanted, rtol=1e-12, atol=0)


def test_the_cross_entropy_may_span_all_labels_seen():
    for scope, reached in (("new", False), ("seen", True)):
        method, task = learned(1, "class", scope=scope), tiny.stream("class").task(1)
        next(method.learn(task))
        value = method.loss(tiny.batch(task.train), task)["new"]
        part = torch.autograd.grad(value, method.model.head.blocks[0].weight)[0]
        assert bool(part.any()) == reached


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_head_rows_from_before_the_task_stay_and_the_rest_learns(scenario):
    method = learned(1, scenario)
    before, body = tiny.bits(method.model.head), tiny.bits(method.model.backbone)
    learn(method, tiny.stream(scenario).task(1), **RECIPE)
    after = method.model.head.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert len(method.model.head.blocks) == (1 if scenario == "domain" else 2)
    assert not tiny.same(body, tiny.bits(method.model.backbone))
    free = learned(2, scenario, train_boundary=True).model.head.state_dict()
    moved = any(not torch.equal(free[name], value) for name, value in before.items())
    assert moved == (scenario != "task"), "heads that compete with the new labels"


def test_the_first_task_trains_the_head_in_every_scenario():
    for scenario in tiny.SCENARIOS:
        one, floor = learned(1, scenario), learned(1, scenario, "finetune")
        assert tiny.same(tiny.bits(one.model), tiny.bits(floor.model))


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_without_weight_it_is_finetune_to_the_bit_where_the_boundary_is_trained(scenario):
    floor = tiny.bits(learned(3, scenario, "finetune").model)
    free = learned(3, scenario, weight=0.0, scope="seen", train_boundary=True)
    assert tiny.same(tiny.bits(free.model), floor)
    held = learned(3, scenario, weight=0.0, scope="seen")
    assert tiny.same(tiny.bits(held.model), floor) == (scenario == "task")


def test_a_larger_weight_keeps_the_features_nearer():
    x, ways = tiny.split((2, 3)).x, []
    for weight in (0.0, 0.5, 3.0):
        method = LFL(tiny.net(norm=False), weight=weight)
        torch.manual_seed(5)
        learn(method, tiny.stream("task").task(0), epochs=20)
        was = method.model.features(x).detach()
        learn(method, tiny.stream("task").task(1), epochs=40)
        ways.append((method.model.features(x) - was).norm().item())
    assert ways[0] > 1.5 * ways[1] > 1.5 * 1.5 * ways[2]
