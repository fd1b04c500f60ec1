"""Losses against transcriptions with loops and scalars, which nobody would train with."""

from math import exp, log

import pytest
import torch
from torch.autograd import gradcheck

from forgetless.ops import (
    among,
    binary_cross_entropy,
    columns,
    cross_entropy,
    distill,
    distill_l1,
    distill_l2,
    distill_sigmoid,
    restrict,
    side_by_side,
    squared_distance,
    unknown,
)

DRAW = torch.Generator().manual_seed(3)
Z = torch.randn(4, 5, generator=DRAW, dtype=torch.float64)
V = torch.randn(4, 5, generator=DRAW, dtype=torch.float64)
Y = torch.tensor([0, 3, 2, 4])
RIVALS = torch.block_diag(torch.ones(2, 2), torch.ones(3, 3)).bool()


def softmax(row, heat=1.0):
    powers = [exp(value / heat) for value in row.tolist()]
    return [power / sum(powers) for power in powers]


def sigmoid(value):
    return 1 / (1 + exp(-value))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def naive_cross_entropy(z, y, rivals):
    losses = []
    for row, label in zip(z.tolist(), y.tolist(), strict=True):
        group = [c for c in range(len(row)) if rivals[label][c]]
        losses.append(-log(exp(row[label]) / sum(exp(row[c]) for c in group)))
    return mean(losses)


def naive_distill(z, v, heat):
    pairs = zip(z, v, strict=True)
    return mean(
        -sum(p * log(q) for p, q in zip(softmax(b, heat), softmax(a, heat), strict=True)) for a, b in pairs
    )


def naive_entropy(v, heat):
    return mean(-sum(p * log(p) for p in softmax(row, heat)) for row in v)


def close(value, expected):
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_cross_entropy_competes_within_the_labels_own_group():
    close(cross_entropy(Z, Y, RIVALS), naive_cross_entropy(Z, Y, RIVALS))


def test_restrict_hides_columns_and_takes_tables_wider_than_the_scores():
    keep = torch.tensor([True, False, True, True, False, True, True])
    hidden = restrict(Z, keep.expand(4, 7))
    assert torch.equal(hidden[:, [0, 2, 3]], Z[:, [0, 2, 3]])
    assert torch.isneginf(hidden[:, [1, 4]]).all()


def test_among_keeps_competition_among_some_labels_only():
    expected = torch.zeros(5, 5, dtype=torch.bool)
    for a in range(5):
        for b in (2, 3):
            expected[a, b] = RIVALS[a, b]
    assert torch.equal(among(RIVALS, (2, 3)), expected)
    assert RIVALS[0, 0], "the table itself is not written to"


@pytest.mark.parametrize("labels", [(0, 1, 2), (2, 3), (4,), (0, 2), (3, 2)])
def test_columns_pick_the_labels_in_their_order(labels):
    picked = columns(labels, Z.device)
    assert torch.equal(Z[:, picked], Z[:, list(labels)])
    assert isinstance(picked, slice) == (list(labels) == list(range(labels[0], labels[0] + len(labels))))


@pytest.mark.parametrize("heat", [1.0, 2.0, 5.0])
def test_distill_equals_its_transcription_in_all_forms(heat):
    value = naive_distill(Z, V, heat)
    close(distill(Z, V, heat), value)
    close(distill(Z, V, heat, form="kl"), value - naive_entropy(V, heat))
    close(distill(Z, V, heat, squared=True), value * heat**2)
    close(distill(Z, V, heat, form="kl", squared=True), (value - naive_entropy(V, heat)) * heat**2)


def test_a_label_that_the_teacher_does_not_know_has_probability_zero():
    padded = unknown(V[:, :3], 2)
    rows = zip(Z, V[:, :3], strict=True)
    expected = mean(
        -sum(p * log(q) for p, q in zip(softmax(v, 2), softmax(z, 2), strict=False)) for z, v in rows
    )
    close(distill(Z, padded), expected)
    close(distill(Z, padded, form="kl"), expected - naive_entropy(V[:, :3], 2))
    rows = zip(Z, V[:, :3], strict=True)
    gaps = [[a - b for a, b in zip(softmax(z), [*softmax(v), 0, 0], strict=True)] for z, v in rows]
    close(distill_l1(Z, padded), mean(sum(map(abs, gap)) for gap in gaps))
    close(distill_l2(Z, padded), mean(sum(g * g for g in gap) / 2 for gap in gaps))


def test_distances_of_probabilities_equal_their_transcriptions():
    rows = list(zip(Z, V, strict=True))
    gaps = [[a - b for a, b in zip(softmax(z), softmax(v), strict=True)] for z, v in rows]
    close(distill_l1(Z, V), mean(sum(map(abs, gap)) for gap in gaps))
    close(distill_l2(Z, V), mean(sum(g * g for g in gap) / 2 for gap in gaps))


@pytest.mark.parametrize("heat", [1.0, 2.0])
def test_sigmoid_distillation_equals_its_transcription(heat):
    losses = []
    for row, answers in zip(Z.tolist(), V.tolist(), strict=True):
        for z, v in zip(row, answers, strict=True):
            q, p = sigmoid(z / heat), sigmoid(v / heat)
            losses.append(-(p * log(q) + (1 - p) * log(1 - q)))
    close(distill_sigmoid(Z, V, heat), sum(losses) / len(Z))


@pytest.mark.parametrize("start", [0, 2])
def test_binary_cross_entropy_equals_its_transcription(start):
    losses = []
    for row, label in zip(Z.tolist(), Y.tolist(), strict=True):
        for c in range(start, 5):
            q = sigmoid(row[c])
            losses.append(-log(q) if c == label else -log(1 - q))
    close(binary_cross_entropy(Z, Y, start), sum(losses) / len(Z))


def test_squared_distance_and_its_closed_gradient():
    weights = [
        torch.randn(3, 2, dtype=torch.float64).requires_grad_(),
        torch.randn(4).double().requires_grad_(),
    ]
    anchors = [torch.randn(3, 2, dtype=torch.float64), torch.randn(4).double()]
    value = squared_distance(weights, anchors)
    close(value, sum((w - a) ** 2 for w, a in zip(flat(weights), flat(anchors), strict=True)))
    (0.3 * value).backward()
    for weight, anchor in zip(weights, anchors, strict=True):
        torch.testing.assert_close(weight.grad, 0.6 * (weight - anchor).detach(), rtol=1e-14, atol=1e-14)
    assert gradcheck(lambda *w: squared_distance(w, anchors), weights)


def test_squared_distance_at_the_anchor_is_zero_with_gradient_zero():
    weight = torch.randn(3).requires_grad_()
    value = squared_distance([weight], [weight.detach().clone()])
    value.backward()
    assert value.item() == 0
    assert not weight.grad.any()


def test_groups_of_equal_width_are_taken_together_at_the_same_value():
    groups = ((0, 1), (2,), (3, 4))
    together = side_by_side(groups, Z.device)
    assert [(g.softmaxes, g.now(Z).shape) for g in together] == [(2, (4, 2, 2)), (1, (4, 1, 1))]
    for distance in (distill, distill_l1, distill_l2, distill_sigmoid):
        value = sum(group.softmaxes * distance(group.now(Z), group.old(V)) for group in together)
        close(value, sum(distance(Z[:, list(g)], V[:, list(g)]).item() for g in groups))


def test_labels_that_have_joined_a_group_are_unknown_to_the_teacher():
    together = side_by_side(((0,), (2, 3)), Z.device, RIVALS)
    assert [(g.softmaxes, g.joined) for g in together] == [(1, 1), (1, 1)]
    first, second = together
    assert torch.equal(first.now(Z)[:, 0], Z[:, :2])
    assert torch.equal(first.old(V[:, :4])[:, 0, 0], V[:, 0])
    assert torch.isneginf(first.old(V)[:, 0, 1]).all()
    assert torch.equal(second.now(Z)[:, 0], Z[:, 2:5])
    assert torch.equal(second.old(V[:, :4])[:, 0, :2], V[:, 2:4])


def flat(tensors):
    return [value for tensor in tensors for value in tensor.flatten().tolist()]
