"""What must hold analytically of LwF's and LwF-MC's losses: gradients, limits, invariances, guards."""

from math import log

import logits_fixture
import pytest
import tiny
import torch
from logits_fixture import V, Y, Z, golden, loss
from torch.nn import functional as F

from forgetless.errors import ForgetlessError
from forgetless.methods import METHODS
from forgetless.ops import binary_cross_entropy, distill, distill_l1, distill_l2, distill_sigmoid, unknown


def gradient(value, z):
    return torch.autograd.grad(value, z)[0]


def leaf(shift=0.0):
    return (Z[:, :4] + shift).clone().requires_grad_()


@pytest.mark.parametrize("heat", [1.0, 2.0, 7.0])
@pytest.mark.parametrize("squared", [False, True])
def test_gradient_of_distillation_is_the_difference_of_the_softened_probabilities(heat, squared):
    z = leaf()
    grad = gradient(distill(z, V, heat, squared=squared), z)
    expected = ((z / heat).softmax(-1) - (V / heat).softmax(-1)) / (heat * 3) * (heat**2 if squared else 1)
    torch.testing.assert_close(grad, expected.detach(), rtol=0, atol=1e-12)
    assert grad.sum(-1).abs().max() < 1e-15


@pytest.mark.parametrize("grouping", ["auto", "task", "concat"])
def test_new_labels_get_no_gradient_from_distillation(grouping):
    for scenario in ("task", "class"):
        _, gradients = loss("lwf", scenario, grouping=grouping)
        assert not gradients["old"][:, 4:].any()
        assert gradients["old"].sum(-1).abs().max() < 1e-15


def test_the_forms_differ_by_the_teachers_entropy_and_not_in_the_gradient():
    z = leaf()
    entropy = torch.special.entr((V / 2).softmax(-1)).sum(-1).mean()
    golden((distill(z, V) - distill(z, V, form="kl")).item(), entropy.item())
    torch.testing.assert_close(
        gradient(distill(z, V), z), gradient(distill(z, V, form="kl"), z), rtol=0, atol=1e-16
    )
    golden(distill(V, V).item(), entropy.item())


def test_equal_answers_cost_nothing_in_the_kl_form_nor_do_equal_shifts_of_a_group():
    for shift in (0.0, 1.7):
        z = (V + shift).clone().requires_grad_()
        value = distill(z, V, form="kl")
        assert abs(value.item()) < 1e-15
        assert gradient(value, z).abs().max() < 1e-16


@pytest.mark.parametrize(("grouping", "free"), [("task", True), ("concat", False)])
def test_a_shift_for_each_task_is_free_for_one_softmax_per_task_alone(grouping, free, monkeypatch):
    shifts = torch.tensor([0.5, 0.5, -1.0, -1.0, 0, 0, 0])
    monkeypatch.setattr(logits_fixture, "Z", torch.cat([V, Z[:, 4:]], 1) + shifts)
    for scenario in ("task", "class"):
        terms, gradients = loss("lwf", scenario, grouping=grouping, kd_form="kl")
        assert (abs(terms["old"]) < 1e-15) == free
        assert (gradients["old"].abs().max().item() < 1e-15) == free


def test_at_temperature_one_it_is_the_cross_entropy_with_soft_or_hard_labels():
    golden(distill(Z[:, :4], V, 1.0).item(), F.cross_entropy(Z[:, :4], V.softmax(-1)).item())
    hard = torch.tensor([0, 2, 3])
    sure = 1e3 * F.one_hot(hard, 4).double()
    golden(distill(Z[:, :4], sure, 1.0).item(), F.cross_entropy(Z[:, :4], hard).item())


@pytest.mark.parametrize(("heat", "error"), [(10, 1.7e-2), (100, 1.8e-3), (1000, 1.8e-4)])
def test_at_high_temperature_the_gradient_is_that_of_centred_logits(heat, error):
    z = leaf()
    grad = heat**2 * 3 * gradient(distill(z, V, heat), z)
    centred = (z - z.mean(-1, keepdim=True)) - (V - V.mean(-1, keepdim=True))
    assert (grad - centred / 4).abs().max().item() == pytest.approx(error, rel=0.05)


def test_the_papers_power_of_probabilities_is_a_softmax_of_scaled_logits():
    p, q = V.softmax(-1), V.sigmoid()
    power, binary = p**0.5, q**0.5 / (q**0.5 + (1 - q) ** 0.5)
    torch.testing.assert_close(power / power.sum(-1, keepdim=True), (V / 2).softmax(-1), rtol=0, atol=1e-15)
    torch.testing.assert_close(binary, (V / 2).sigmoid(), rtol=0, atol=1e-15)


@pytest.mark.parametrize("form", ["ce", "kl"])
@pytest.mark.parametrize("added", [0, 3])
def test_huge_logits_give_finite_values_and_gradients(form, added):
    z = (1e4 * Z[:, : 4 + added]).float().requires_grad_()
    value = distill(z, unknown(1e4 * V.float(), added), form=form)
    assert value.isfinite()
    assert gradient(value, z).isfinite().all()


def test_one_softmax_per_task_is_the_sum_of_those_of_single_tasks():
    single = distill(Z[:, :2], V[:, :2]) + distill(Z[:, 2:4], V[:, 2:])
    golden(loss("lwf", "task")[0]["old"], single.item())


def test_many_labels_distillation_has_the_gradient_of_sigmoids():
    z = leaf()
    expected = ((z / 2).sigmoid() - (V / 2).sigmoid()).detach() / (2 * 3)
    torch.testing.assert_close(gradient(distill_sigmoid(z, V, 2.0), z), expected, rtol=0, atol=1e-15)


def test_distances_of_probabilities_are_zero_at_equality_with_their_analytic_gradient():
    assert distill_l1(V, V).item() == distill_l2(V, V).item() == 0
    z = leaf()
    p, q = z.softmax(-1).detach(), V.softmax(-1)
    jacobian = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    expected = (jacobian @ (p - q)[:, :, None]).squeeze(-1) / 3
    torch.testing.assert_close(gradient(distill_l2(z, V), z), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("old_loss", ["kd", "ce", "l1", "l2", "bce"])
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_the_old_labels_loss_moves_the_shared_weights(scenario, old_loss):
    stream = tiny.stream(scenario)
    method = METHODS["lwf"](tiny.net(norm=False), old_loss=old_loss)
    next(method.learn(stream.task(0)))
    task = stream.task(1)
    next(method.learn(task))
    with torch.no_grad():
        for weight in method.model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    method.loss(tiny.batch(task.train), task)["old"].backward()
    assert all(weight.grad.norm() > 0 for weight in method.model.backbone.parameters())


@pytest.mark.parametrize("name", ["lwf", "lwf_mc", "lwm", "icarl"])
@pytest.mark.parametrize("sizes", [(10, 50, 1), (10, 1, 3)])
def test_distillation_begins_with_the_second_task_whatever_the_sizes(name, sizes):
    stream = tiny.stream("class", sizes, per_class=1)
    method = METHODS[name](tiny.net())
    for task in stream.tasks:
        fits = method.learn(task)
        next(fits)
        terms = method.loss(tiny.batch(task.train), task)
        terms = terms[0] if isinstance(terms, tuple) else terms
        assert ("old" in terms) == (task.index > 0)
        next(fits, None)
    with pytest.raises(ForgetlessError, match="no labels"):
        method.model.grow(())


@pytest.mark.parametrize("known", [1, 3])
@pytest.mark.parametrize("name", ["lwf", "lwm", "lwf_mc", "icarl"])
def test_a_network_that_knows_other_labels_than_occurred_is_refused(name, known):
    stream = tiny.stream("class")
    method = METHODS[name](tiny.net())
    method.model.grow(range(known))
    with pytest.raises(
        ForgetlessError, match=f"^{name} .* scores {known} labels, but 2 had occurred before task 2"
    ):
        next(method.learn(stream.task(1)))


def test_lwf_mc_without_old_classes_is_binary_cross_entropy_with_hard_labels():
    stream = tiny.stream("class")
    method = METHODS["lwf_mc"](tiny.net())
    task = stream.task(0)
    next(method.learn(task))
    batch = tiny.batch(task.train)
    expected = F.binary_cross_entropy_with_logits(method.model(batch.x), F.one_hot(batch.y, 2).double())
    terms = method.loss(batch, task)
    assert terms.keys() == {"new"}
    golden(terms["new"].item(), expected.item())


def test_lwf_mc_has_no_gradient_on_old_classes_that_are_answered_as_before(monkeypatch):
    monkeypatch.setattr(logits_fixture, "Z", torch.cat([V, Z[:, 4:]], 1))
    _, gradients = loss("lwf_mc", "class")
    assert gradients["old"].abs().max() < 1e-16
    assert gradients["new"][:, 4:].all()
    assert not gradients["new"][:, :4].any()


def test_lwf_mc_gradient_is_sigmoid_less_target_over_the_reduction():
    target = torch.cat([V.sigmoid(), F.one_hot(Y - 4, 3).double()], 1)
    for fields, outputs in (
        ({}, 7),
        ({"class_reduction": "sum"}, 1),
        ({"class_reduction": "mean_total", "fixed_width": 10}, 10),
    ):
        _, gradients = loss("lwf_mc", "class", **fields)
        expected = (Z.sigmoid() - target) / (3 * outputs)
        torch.testing.assert_close(gradients["new"] + gradients["old"], expected, rtol=0, atol=1e-16)


def test_outputs_that_wait_for_their_class_add_ln_2_each_at_logit_zero():
    few = sum(loss("lwf_mc", "class", class_reduction="sum")[0].values())
    many = sum(loss("lwf_mc", "class", class_reduction="sum", fixed_width=10)[0].values())
    golden(many - few, 3 * log(2))
    golden(binary_cross_entropy(torch.zeros(5, 4).double(), torch.zeros(5).long()).item(), 4 * log(2))
