"""LwF and LwF-MC against golden values on a fixed table of logits.

Li & Hoiem 2018, equations 1-4 and section 4.2; Rebuffi et al. 2017, algorithm 3. The golden values were computed
in float64 from the equations; those of other implementations by running their own functions on the same table.
"""

import pytest
import torch
from logits_fixture import V, Y, Z, begun, golden, loss, terms_of

from forgetless.ops import cross_entropy, distill, distill_one_sided, distill_sigmoid

NEAR = {"rtol": 0, "atol": 1e-8}


def row(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_new_labels_cross_entropy_has_its_golden_value_and_gradient():
    for scenario in ("task", "class"):
        terms, gradients = loss("lwf", scenario)
        golden(terms["new"], 2.4051768847)
        torch.testing.assert_close(
            gradients["new"][0], row(0, 0, 0, 0, -0.17520030, 0.15966457, 0.01553573), **NEAR
        )
    golden(loss("lwf", "class", scope="seen")[0]["new"], 3.0146333952)
    golden(loss("lwf", "task", scope="seen")[0]["new"], 2.4051768847)


@pytest.mark.parametrize(
    ("scenario", "grouping"), [("class", "auto"), ("class", "concat"), ("task", "concat")]
)
def test_distillation_over_all_old_labels_has_its_golden_value_and_gradient(scenario, grouping):
    terms, gradients = loss("lwf", scenario, grouping=grouping)
    golden(terms["old"], 1.3100612243)
    golden(gradients["old"].abs().sum().item(), 0.0973647007)
    torch.testing.assert_close(
        gradients["old"][0], row(0.01903951, -0.00015778, -0.00931183, -0.00956990, 0, 0, 0), **NEAR
    )


def test_distillation_in_its_kl_form_and_times_t_squared_has_golden_values():
    terms, gradients = loss("lwf", "class", kd_form="kl")
    golden(terms["old"], 0.0287847437)
    golden(gradients["old"].abs().sum().item(), 0.0973647007)
    terms, gradients = loss("lwf", "class", kd_form="kl", kd_scale_t2=True)
    golden(terms["old"], 0.1151389749)
    golden(gradients["old"].abs().sum().item(), 0.3894588027)


@pytest.mark.parametrize(("scenario", "grouping"), [("task", "auto"), ("task", "task"), ("class", "task")])
def test_distillation_for_each_old_head_has_its_golden_value_and_gradient(scenario, grouping):
    terms, gradients = loss("lwf", scenario, grouping=grouping)
    golden(terms["old"], 1.3170229226)
    golden(gradients["old"].abs().sum().item(), 0.1524680886)
    torch.testing.assert_close(
        gradients["old"][0][:4], row(0.00772680, -0.00772680, -0.00764381, 0.00764381), **NEAR
    )
    golden(loss("lwf", scenario, grouping=grouping, kd_form="kl")[0]["old"], 0.0324315678)


@pytest.mark.parametrize(
    ("scenario", "fields", "total"),
    [
        ("task", {}, 3.7221998073),  # the paper's formula
        ("class", {"weight": 3.0}, 6.3353605578),  # PyCIL
        ("class", {"weight": 0.5, "scope": "seen"}, 3.6696640073),  # Mammoth
    ],
)
def test_totals_of_the_paper_and_of_other_implementations(scenario, fields, total):
    golden(sum(loss("lwf", scenario, **fields)[0].values()), total)


def test_zero_padded_targets_have_van_de_vens_golden_value():
    golden(loss("lwf", "class", grouping="zero_padded")[0]["old"], 2.0058109880)
    golden(loss("lwf", "task", grouping="zero_padded")[0]["old"], 1.3170229226)


def test_van_de_vens_balance_shares_the_loss_by_tasks():
    terms, _ = loss("lwf", "class", balance="tasks", scope="seen", grouping="zero_padded")
    golden(terms["new"], 3.0146333952 / 3)
    golden(terms["old"], 2.0058109880 * 2 / 3)
    terms, _ = loss("lwf", "task", balance="tasks")
    golden(terms["new"], 2.4051768847 / 3)
    golden(terms["old"], 1.3170229226 / 2 * 2 / 3)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"balance": "tasks", "weight": 1.6},
        {"grouping": "task"},
        {"grouping": "concat", "balance": "tasks"},
        {"grouping": "zero_padded", "scope": "seen", "balance": "tasks", "kd_scale_t2": True},
        {"old_loss": "bce", "grouping": "task"},
    ],
)
@pytest.mark.parametrize("scenario", ["task", "class"])
def test_terms_that_alternate_add_up_to_those_that_are_summed(scenario, fields):
    """At the same weights: an old softmax at a time, in their order, and last the new labels."""
    expected, gradients = loss("lwf", scenario, **fields)
    method, task = begun("lwf", scenario, update="alternating", **fields)
    visits = [terms_of(method, task, visit) for visit in range(len(method.turns))]
    apart = fields.get("grouping") == "task" or (scenario == "task" and fields.get("grouping") != "concat")
    assert [list(terms) for terms, _ in visits] == [["old"]] * (2 if apart else 1) + [["new"]]
    for name, value in expected.items():
        golden(sum(terms.get(name, 0.0) for terms, _ in visits), value)
        total = sum(found[name] for _, found in visits if name in found)
        torch.testing.assert_close(total, gradients[name], rtol=1e-12, atol=1e-15)
    if apart:
        for (_, found), own in zip(visits, (slice(0, 2), slice(2, 4)), strict=False):
            reached = found["old"].abs().sum(0).bool()
            assert reached.nonzero().flatten().tolist() == list(range(7))[own], "of each old task in its turn"


@pytest.mark.parametrize(
    ("old_loss", "value"),
    [("l1", 0.2841352189), ("l2", 0.0154938575), ("ce", 1.0789946701), ("bce", 2.4087413300)],
)
def test_the_other_response_losses_have_golden_values_without_a_temperature(old_loss, value):
    for temperature in (2.0, 3.0):
        golden(loss("lwf", "class", old_loss=old_loss, temperature=temperature)[0]["old"], value)


def test_many_labels_distillation_has_its_golden_value():
    golden(distill_sigmoid(Z[:, :4], V, 2.0).item(), 2.6498852888)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({}, 0.8395159725),
        ({"class_reduction": "sum"}, 5.8766118074),
        ({"class_reduction": "mean_total", "fixed_width": 10}, 0.7956053349),
    ],
)
def test_lwf_mc_has_golden_values(fields, value):
    golden(sum(loss("lwf_mc", "class", **fields)[0].values()), value)


def test_icarls_and_lwms_forms_have_golden_values():
    """iCaRL as a survey's code has it: a softmax, and sigmoids for old labels; LwM's sum and mean over labels."""
    old = distill_sigmoid(Z[:, :4], V)
    golden(old.item(), 2.4087413300)
    golden((cross_entropy(Z, Y, torch.ones(7, 7, dtype=torch.bool)) + old).item(), 5.4233747252)
    golden(old.item() / 4, 0.6021853325)


def test_the_printed_form_of_lwms_distillation_has_its_golden_value_and_a_gradient_where_all_is_well():
    golden(distill_one_sided(Z[:, :4], V).item(), 0.8163539728)
    z = V.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(distill_one_sided(z, V), z)
    torch.testing.assert_close(gradient, -V.sigmoid() * (1 - V.sigmoid()) / 3, rtol=0, atol=1e-15)
    expected = torch.tensor([-0.08097155, -0.05505539, -0.03508884, -0.06089582], dtype=torch.float64)
    torch.testing.assert_close(gradient[0], expected, rtol=0, atol=5e-9)


def test_a_survey_that_smooths_the_student_comes_to_nearly_the_same():
    """Probabilities to the power of 1/T, then 1e-5 for each label, brought to the sum of one again."""
    z = Z[:, :4].clone().requires_grad_()
    student, teacher = (scores.softmax(1).pow(0.5) for scores in (z, V))
    student, teacher = (one / one.sum(1, keepdim=True) for one in (student, teacher))
    student = student + 1e-5 / 4
    student = student / student.sum(1, keepdim=True)
    value = -(teacher * student.log()).sum(1).mean()
    (gradient,) = torch.autograd.grad(value, z)
    golden(value.item(), 1.3100596665)
    golden(gradient.abs().sum().item(), 0.0973609408)
    assert value.item() == pytest.approx(distill(Z[:, :4], V, 2.0).item(), abs=2e-6)


def test_a_distillation_whose_input_is_cut_off_has_the_same_value_and_no_gradient():
    """What code for the class scenario that is often copied does: it wraps the scores anew."""
    x = Z.clone().requires_grad_()
    cut = torch.tensor(x[:, :4].detach().numpy(), requires_grad=True)
    value = distill(cut, V, 2.0)
    golden(value.item(), 1.3100612243)
    assert torch.autograd.grad(value, x, allow_unused=True) == (None,)
