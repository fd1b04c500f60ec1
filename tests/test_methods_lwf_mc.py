"""LwF-MC: its two sums, its outputs that wait, and what it refuses. Its equations are in test_equations."""

from copy import deepcopy
from dataclasses import replace

import pytest
import tiny
import torch
from reference_loop import learn, solve

from forgetless.engine import Engine, Plan, Progress, capture
from forgetless.errors import SettingsError
from forgetless.methods import METHODS
from forgetless.ops import binary_cross_entropy
from forgetless.settings.recipe import Recipe

LwFMC = METHODS["lwf_mc"]
PLAN = Plan(torch.device("cpu"), "fp32", "a test", 1, deterministic=False)
TOTAL = {"class_reduction": "mean_total", "fixed_width": 8}


def learned(tasks, **fields):
    stream, method = tiny.stream("class"), LwFMC(tiny.net(), **fields)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, stream.task(index), momentum=0.9)
    return method


@pytest.mark.parametrize("fields", [{}, TOTAL, {"class_reduction": "sum"}])
def test_both_sums_move_the_shared_weights_and_the_old_network_rests(fields):
    method, task = learned(1, **fields), tiny.stream("class").task(1)
    fit = next(method.learn(task))
    before = [value.clone() for value in method.old.buffers()]
    solve(method, fit, task, momentum=0.9)
    assert all(map(torch.equal, before, method.old.buffers()))
    terms = method.train().loss(tiny.batch(task.train), task)
    assert terms.keys() == {"new", "old"}
    weights = list(method.model.backbone.parameters())
    for value in terms.values():
        assert all(part.norm() > 0 for part in torch.autograd.grad(value, weights, retain_graph=True))


def test_the_old_answers_are_those_of_the_network_before_the_task():
    method, stream = learned(2), tiny.stream("class")
    before, task = deepcopy(method.model).eval(), stream.task(2)
    next(method.learn(task))
    torch.testing.assert_close(method.old(task.train.x), before(task.train.x), rtol=1e-13, atol=1e-13)


def test_outputs_that_wait_for_their_class_are_trained_but_cannot_win():
    method, x = learned(2, **TOTAL), tiny.split((0, 3)).x
    assert method.model(x).shape == (12, 8)
    scores = method.logits(x)
    assert torch.equal(scores[:, :4], method.model(x)[:, :4])
    assert torch.isneginf(scores[:, 4:]).all()
    assert method.model(x)[:, 4:].mean() < 0, "they learned to answer no"
    assert torch.equal(learned(2).logits(x), learned(2).model(x)), "without them all scores count"


def test_a_fixed_head_is_as_wide_from_the_first_task_on():
    assert learned(1, **TOTAL).model.head.groups == learned(3, **TOTAL).model.head.groups == [tuple(range(8))]


@pytest.mark.parametrize("fields", [{}, TOTAL])
def test_a_saved_state_goes_on_the_same(fields):
    method, other = learned(2, **fields), LwFMC(tiny.net(seed=4), **fields)
    other.load_state_dict(method.state_dict())
    other.eval()
    assert torch.equal(method.logits(tiny.split((0, 3)).x), other.logits(tiny.split((0, 3)).x)), (
        "what is known too"
    )
    for one in (method, other):
        torch.manual_seed(3)
        learn(one, tiny.stream("class").task(2))
    assert tiny.same(tiny.bits(method), tiny.bits(other))
    assert torch.equal(method.logits(tiny.split((0, 5)).x), other.logits(tiny.split((0, 5)).x))


def test_what_cannot_work_is_refused_in_a_sentence():
    assert LwFMC.scenarios == ("class",)
    with pytest.raises(SettingsError, match="Set fixed_width"):
        LwFMC(tiny.net(), class_reduction="mean_total")
    with pytest.raises(SettingsError, match=r"asked for 3 outputs .* but 4 classes have come by task 2"):
        learned(2, fixed_width=3)


@pytest.mark.parametrize("fields", [{}, {"fixed_width": 10}, TOTAL])
def test_what_is_held_out_is_judged_by_the_methods_own_loss(fields):
    """Outputs that wait for their class do not get in its way."""
    method, task = learned(1, **fields), tiny.stream("class").task(1)
    next(method.learn(task))
    batch = tiny.batch(task.train)
    expected = binary_cross_entropy(method.model(batch.x), batch.y, 2)
    torch.testing.assert_close(method.validation_loss(batch, task), expected)
    recipe = Recipe(epochs=2, batch=6, lr=0.1, optimizer="sgd", schedule="plateau", patience=1, keep="best")
    whole = learned(0, **fields)
    for index in (0, 1):
        task = replace(tiny.stream("class").task(index), validation=tiny.split((2 * index, 2 * index + 1), 2))
        Engine(recipe, 0, PLAN).learn(whole, task, Progress(capture(whole)), lambda _: None)
