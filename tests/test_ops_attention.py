"""Attention maps and their distance: golden values, invariances, bounds, and the faults that others' code has."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from forgetless.errors import SettingsError
from forgetless.ops import attention_distance, class_map, gradient_map

# A fixed table of maps and head rows: two images, three maps of 2 x 2, six labels of which four are old.
I2, K6, C3 = (torch.arange(1, n + 1, dtype=torch.float64) for n in (2, 6, 3))
_B, _C, _H, _W = torch.meshgrid(I2, C3, I2, I2, indexing="ij")
MAPS_NEW = 1 + torch.sin(0.3 * _B + 0.5 * _C + 0.7 * _H + 1.1 * _W)
MAPS_OLD = 1 + torch.cos(0.2 * _B + 0.4 * _C + 0.6 * _H + 0.8 * _W)
ROWS_NEW = torch.sin(0.9 * K6[:, None] * C3)
ROWS_OLD = torch.cos(0.8 * K6[:4, None] * C3)
KNOWN = 4


def golden(value, expected, digits=10):
    torch.testing.assert_close(
        torch.as_tensor(value, dtype=torch.float64).detach(),
        torch.tensor(expected, dtype=torch.float64),
        rtol=0,
        atol=0.6 * 10**-digits,
    )


def leaves():
    return MAPS_NEW.clone().requires_grad_(), ROWS_NEW.clone().requires_grad_()


def base(maps, rows, whose):
    scores = maps.mean((2, 3)) @ rows.T
    return (scores[:, :KNOWN] if whose == "student" else MAPS_OLD.mean((2, 3)) @ ROWS_OLD.T).argmax(1)


def map_of(maps, rows, classes, form, **options):
    """Q in closed form or by differentiation. The closed form's first order has constant rows."""
    if form == "closed":
        rows = rows.detach() if options.pop("first_order", False) else rows
        return class_map(maps, rows[classes], **options)
    scores = (maps.mean((2, 3)) @ rows.T).gather(1, classes[:, None])[:, 0]
    return gradient_map(maps, scores, **options)


def distance(maps, rows, whose="student", form="closed", *, relu=True, reduction="sum", **options):
    """L_AD of the fixture."""
    classes = base(maps, rows, whose)
    now = map_of(maps, rows, classes, form, relu=relu, **options)
    old = class_map(MAPS_OLD, ROWS_OLD[classes], relu=relu, channel_sum=options.get("channel_sum", True))
    return attention_distance(now, old, reduction=reduction)[0].mean()


FORMS = pytest.mark.parametrize("form", ["closed", "gradient"])


def test_the_base_class_is_an_old_one_and_depends_on_who_chooses():
    maps, rows = leaves()
    assert base(maps, rows, "student").tolist() == [0, 0]
    assert base(maps, rows, "teacher").tolist() == [0, 2]
    with torch.no_grad():
        rows[KNOWN:] += 100  # scores of new classes have no say
    assert base(maps, rows, "student").tolist() == [0, 0]


@FORMS
def test_maps_of_the_fixture(form):
    maps, rows = leaves()
    now = map_of(maps, rows, torch.tensor([0, 0]), form)
    golden(now[0], [[0.60993235, 0.12334761], [0.26839518, 0.03802894]], 8)
    golden(now[1], [[0.45729234, 0.05748508], [0.15408887, 0.07639637]], 8)
    old = map_of(MAPS_OLD.clone().requires_grad_(), ROWS_OLD, torch.tensor([0, 0]), form)
    golden(old[0], [[0.08912539, 0], [0.01873289, 0]], 8)
    golden(old[1], [[0.06878395, 0], [0, 0]], 8)


@FORMS
@pytest.mark.parametrize(
    ("whose", "relu", "value", "through_maps", "through_rows"),
    [
        ("student", True, 0.5816518636, 3.73548744, 0.20544032),
        ("student", False, 1.8140387982, 2.36781123, 0.14315254),
        ("teacher", True, 0.7372806795, 10.85986408, 3.07944971),
        ("teacher", False, 1.4145454024, 10.16111055, 2.96547007),
    ],
)
def test_distance_of_the_fixture_and_its_gradients(form, whose, relu, value, through_maps, through_rows):
    maps, rows = leaves()
    found = distance(maps, rows, whose, form, relu=relu)
    golden(found, value)
    by_maps, by_rows = torch.autograd.grad(found, (maps, rows))
    golden(by_maps.abs().sum(), through_maps, 8)
    golden(by_rows.abs().sum(), through_rows, 8)


@FORMS
def test_single_gradients_of_the_fixture_and_only_the_base_classes_row_has_one(form):
    maps, rows = leaves()
    by_maps, by_rows = torch.autograd.grad(distance(maps, rows, form=form), (maps, rows))
    golden(by_rows[0], [0.0657580054, -0.0793642893, 0.0603180243])
    golden(by_maps[0, 0], [[-0.1098500857, 0.1512152959], [0.1593976051, 0.1464023666]])
    assert not by_rows[1:].any()
    by_rows = torch.autograd.grad(distance(*(leaf := leaves()), "teacher", form), leaf[1])[0]
    assert by_rows.any(1).tolist() == [True, False, True, False, False, False]


def test_the_mean_divides_by_the_pixels():
    golden(distance(*leaves(), reduction="mean"), 0.1454129659)


def test_without_unit_length_it_is_another_number():
    """What one published code computes: the difference of the maps as they are."""
    maps, rows = leaves()
    classes = torch.tensor([0, 0])
    now, old = class_map(maps, rows[classes]), class_map(MAPS_OLD, ROWS_OLD[classes])
    golden((now - old).abs().sum((1, 2)).mean(), 0.8041622609)


def test_closed_form_and_differentiation_agree_to_the_last_digits():
    results = []
    for form in ("closed", "gradient"):
        maps, rows = leaves()
        found = distance(maps, rows, "teacher", form)
        results.append((found.detach(), *torch.autograd.grad(found, (maps, rows))))
    for closed, gradient in zip(*results, strict=True):
        torch.testing.assert_close(closed, gradient, rtol=0, atol=1e-14)


@FORMS
@pytest.mark.parametrize("whose", ["student", "teacher"])
def test_gradients_are_those_of_finite_differences(form, whose):
    maps, rows = leaves()
    gradients = torch.autograd.grad(distance(maps, rows, whose, form), (maps, rows))
    for leaf, gradient in zip((maps, rows), gradients, strict=True):
        flat, found = leaf.data.view(-1), []
        for place in range(len(flat)):
            value, ends = flat[place].item(), []
            for step in (1e-6, -1e-6):
                flat[place] = value + step
                ends.append(distance(maps, rows, whose, form).item())
            flat[place] = value
            found.append((ends[0] - ends[1]) / 2e-6)
        error = torch.tensor(found, dtype=torch.float64).view_as(gradient) - gradient
        assert error.abs().max() < 1e-8


@FORMS
def test_first_order_leaves_the_rows_alone_and_the_maps_gradient_as_it_is(form):
    whole, first = leaves(), leaves()
    by_maps = torch.autograd.grad(distance(*whole, form=form), whole[0])[0]
    value = distance(*first, form=form, first_order=True)
    golden(value, 0.5816518636)
    found = torch.autograd.grad(value, first, allow_unused=True)
    assert found[1] is None or not found[1].any()
    torch.testing.assert_close(found[0], by_maps, rtol=0, atol=1e-15)


def random_maps(seed=0, images=5, pixels=3):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(images, pixels, pixels, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e4])
def test_maps_that_are_equal_or_multiples_have_no_distance(factor):
    old = random_maps()
    now = (factor * old).requires_grad_()
    value = attention_distance(now, old)[0]
    assert value.abs().max() < 1e-14
    assert torch.autograd.grad(value.sum(), now)[0].isfinite().all()


def test_it_does_not_see_the_length_of_maps_rows_or_features():
    maps, rows = leaves()
    value = distance(maps, rows)
    by_rows = torch.autograd.grad(value, rows, retain_graph=True)[0]
    assert abs((by_rows * rows).sum().item()) < 1e-12
    longer = rows.detach().clone()
    longer[0] *= 3.7  # still the best: the base class is the same
    golden(distance(maps, longer), value.item(), 13)
    golden(distance(2.5 * maps.detach(), rows), value.item(), 13)
    now = random_maps().requires_grad_()
    gradient = torch.autograd.grad(attention_distance(now, random_maps(1))[0].sum(), now)[0]
    assert (now * gradient).sum((1, 2)).abs().max() < 1e-12


def test_its_bounds_are_reached_by_maps_that_have_no_pixel_in_common():
    left, right = torch.eye(4, dtype=torch.float64)[:2].view(2, 1, 2, 2)
    golden(attention_distance(left, right)[0], [2.0], 14)
    halves = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]], dtype=torch.float64).view(2, 1, 2, 2)
    golden(attention_distance(halves[0], halves[1])[0], [8**0.5])
    golden(8**0.5, 2.8284271247)
    for seed in range(20):
        apart = attention_distance(random_maps(seed), random_maps(seed + 50))[0]
        assert (apart >= 0).all()
        assert (apart <= 18**0.5).all()
    golden(attention_distance(random_maps() * 0 + 1, random_maps() * 0 + 5)[0], [0.0] * 5, 14)


def test_the_same_permutation_of_pixels_on_both_sides_changes_nothing():
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    now, old = random_maps(), random_maps(1)
    moved = [q.flatten(1)[:, order].view_as(q) for q in (now, old)]
    torch.testing.assert_close(attention_distance(*moved)[0], attention_distance(now, old)[0])


def test_an_image_has_its_distance_whatever_else_is_in_the_batch():
    """Where scores are picked for all images at once, another image's class gets into a map."""
    draw = torch.Generator().manual_seed(1)
    maps = torch.rand(6, 3, 2, 2, generator=draw, dtype=torch.float64).requires_grad_()
    rows = torch.randn(6, 3, generator=draw, dtype=torch.float64)
    classes, old = torch.tensor([0, 2, 1, 3, 0, 5]), torch.rand(6, 2, 2, generator=draw, dtype=torch.float64)
    for form in ("closed", "gradient"):
        whole = attention_distance(map_of(maps, rows, classes, form), old)[0]
        for order in ([3], [5, 0], [5, 4, 3, 2, 1, 0]):
            part = map_of(maps[order], rows, classes[order], form)
            torch.testing.assert_close(
                attention_distance(part, old[order])[0], whole[order], rtol=0, atol=1e-14
            )


def test_one_pixel_is_refused_in_a_sentence():
    with pytest.raises(SettingsError, match=r"1 x 1 pixels.*larger"):
        attention_distance(torch.ones(2, 1, 1), torch.ones(2, 1, 1))


def test_the_mean_over_pixels_before_the_relu_is_the_score():
    """So a score above its bias means a map that lives."""
    maps, rows = leaves()
    for label in range(6):
        classes = torch.tensor([label, label])
        q = class_map(maps, rows[classes], relu=False)
        scores = (maps.mean((2, 3)) @ rows.T)[:, label]
        torch.testing.assert_close(4 * q.mean((1, 2)), scores)
        alive = class_map(maps, rows[classes]).flatten(1).norm(dim=1) > 0
        assert alive[scores > 0].all()


@pytest.mark.parametrize("side", ["now", "old", "both"])
@pytest.mark.parametrize("faint", [0.0, 1e-9])
def test_dead_maps_count_as_zero_have_no_gradient_and_are_told(side, faint):
    now, old = random_maps(), random_maps(1)
    alone = attention_distance(now, old)[0]
    for q in {"now": [now], "old": [old], "both": [now, old]}[side]:
        q[2] = faint
    raw = now.requires_grad_()
    apart, dead = attention_distance(raw.relu(), old)
    assert dead.tolist() == [False, False, True, False, False]
    assert apart[2] == 0
    keep = [0, 1, 3, 4]
    assert torch.equal(apart[keep], alone[keep])
    golden(apart.mean(), (alone[keep].sum() / 5).item(), 14)  # of the batch, not of those that live
    gradient = torch.autograd.grad(apart.mean(), raw)[0]
    assert gradient.isfinite().all()
    assert not gradient[2].any()


def test_a_dead_map_kept_has_the_others_length_and_next_to_it_the_gradient_has_no_bound():
    spread = torch.full((1, 2, 2), 0.5, dtype=torch.float64)
    faint = torch.full((1, 2, 2), 0.0, dtype=torch.float64).requires_grad_()
    apart, dead = attention_distance(faint, spread, keep_dead=True)
    golden(apart, [2.0])
    assert dead.all()
    assert torch.autograd.grad(apart.sum(), faint)[0].abs().max() >= 1e12
    masked = attention_distance(faint, spread)[0]
    assert not torch.autograd.grad(masked.sum(), faint)[0].any()


class Above(nn.Module):
    """What may stand between the last maps and the scores."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm
        self.out = nn.Linear(3, 4)

    def forward(self, maps):
        return self.out(F.relu(self.norm(maps)).mean((2, 3)))


def test_batch_statistics_above_the_maps_are_refused():
    """There the gradient of the sum of scores is not that of each image's score."""
    torch.manual_seed(0)
    above = Above(nn.BatchNorm2d(3)).double()
    maps = MAPS_NEW.clone().requires_grad_()
    with pytest.raises(SettingsError, match="batch normalisation above them in training mode"):
        gradient_map(maps, above(maps)[:, 0])
    summed = torch.autograd.grad(above(maps)[:, 0].sum(), maps)[0][0]
    alone = torch.autograd.grad(above(maps)[0, 0], maps)[0][0]
    assert (summed - alone).norm() > 0.1 * alone.norm(), "what is refused would be wrong"


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(3).eval(), nn.GroupNorm(1, 3)], ids=["evaluation", "group"])
def test_normalisation_that_takes_each_image_by_itself_is_right_above_the_maps(norm):
    torch.manual_seed(0)
    above = Above(norm).double()
    maps = MAPS_NEW.clone().requires_grad_()
    found = gradient_map(maps, above(maps)[:, 1])
    for image in range(2):
        alone = maps[image : image + 1]
        torch.testing.assert_close(gradient_map(alone, above(alone)[:, 1])[0], found[image])


def test_batch_statistics_below_the_maps_are_allowed():
    below, out = nn.BatchNorm2d(3).double(), nn.Linear(3, 4).double()
    maps = below(MAPS_NEW.clone().requires_grad_()).relu()
    assert gradient_map(maps, out(maps.mean((2, 3)))[:, 0]).isfinite().all()


def test_in_general_it_is_the_pooled_gradient_times_the_maps():
    """For a network above the maps that is not linear, one image and one map at a time."""
    torch.manual_seed(1)
    above = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.Tanh(), nn.Linear(7, 4)).double()
    maps = MAPS_NEW.clone().requires_grad_()
    found = gradient_map(maps, above(maps)[:, 2])
    for image in range(2):
        gradient = torch.autograd.grad(above(maps)[image, 2], maps)[0][image]
        expected = sum(gradient[k].mean() * maps[image, k] for k in range(3)).relu()
        torch.testing.assert_close(found[image], expected)
    assert found.any(), "there is something to compare"
    through = torch.autograd.grad(found.sum(), above[1].weight)[0]
    assert through.any(), "also through the weights alpha"


def multiplied_by_itself(maps, scores):
    """As in two public codes: the gradient times its own mean, in place of the maps times it."""
    (gradient,) = torch.autograd.grad(scores.sum(), maps, create_graph=True)
    return F.relu((gradient.mean((2, 3), keepdim=True) * gradient).sum(1))


def test_a_perturbed_student_looks_elsewhere_also_where_public_code_says_it_does_not():
    draw = torch.Generator().manual_seed(4)
    maps = MAPS_NEW.clone().requires_grad_()
    moved = (
        MAPS_NEW + 0.1 * torch.randn(MAPS_NEW.shape, generator=draw, dtype=torch.float64)
    ).requires_grad_()
    classes, found = torch.tensor([0, 0]), {}
    for name, look in {"ours": gradient_map, "theirs": multiplied_by_itself}.items():
        scores = [(m.mean((2, 3)) @ ROWS_NEW.T).gather(1, classes[:, None])[:, 0] for m in (maps, moved)]
        q_old, q_now = look(maps, scores[0]), look(moved, scores[1])
        found[name] = attention_distance(q_now, q_old)[0].mean().item()
    assert found["ours"] > 0.01
    assert found["theirs"] == 0.0


@FORMS
def test_maps_that_keep_their_channels_have_the_golden_value_of_the_code_that_has_them(form):
    maps, rows = leaves()
    found = distance(maps, rows, form=form, channel_sum=False)
    golden(found, 1.7286811076)
