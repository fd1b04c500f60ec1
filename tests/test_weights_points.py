"""A direction on its sphere, a segment with a place on it, and what a network answers at other points."""

import pytest
import tiny
import torch
from torch.func import functional_call

from forgetless.models import BufferDict
from forgetless.ops import cross_entropy
from forgetless.weights import Segment, Sphere, loss_at, move_to, weights_within

SHAPES = {"a": torch.zeros(3, 4, dtype=torch.float64), "b": torch.zeros(5, dtype=torch.float64)}
LENGTH = 17
RIVALS = torch.ones(2, 2, dtype=torch.bool)


def placed(radius=20.0, inertia=0.7, seed=1, *, per_tensor=False, shapes=SHAPES):
    sphere = Sphere(radius, inertia, per_tensor=per_tensor)
    torch.manual_seed(seed)
    sphere.place(shapes)
    return sphere


def stepped(sphere, gradient, lr):
    """One step as a Fit with plain descent and the sphere's two hooks takes it."""
    sphere.vector.grad = gradient.clone()
    sphere.descend()
    went = sphere.vector.grad.clone()
    with torch.no_grad():
        sphere.vector.sub_(lr * sphere.vector.grad)
    sphere.come_back()
    return went


def gradients(count, seed=9):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, LENGTH, generator=draw, dtype=torch.float64)


# [P]: the forerunner's optimiser, rsgd.py of fa5ab80, one step on a flat vector, written anew from its formulas.


def forerunners_step(v, g, b, lr, mu, radius, *, first):
    """v, b after a step. Its momentum begins as the raw gradient; without momentum the length collapses to 1."""
    raw = g.clone()
    g = g - (v @ g) * v / v.pow(2).sum()
    if mu == 0:
        z = v - lr * g
        return z / z.norm(), b
    b = mu * (raw if first else b) + g
    z = v - lr * b
    v = z * radius / z.norm()
    return v, b - (v @ b) * v / radius**2


@pytest.mark.parametrize("per_tensor", [False, True])
def test_a_step_stays_on_the_sphere_and_all_that_moves_is_tangent(per_tensor):
    sphere, sizes = placed(per_tensor=per_tensor), [12, 5] if per_tensor else [17]
    for gradient in gradients(20):
        before = sphere.vector.detach().clone()
        went = stepped(sphere, 30 * gradient, 0.3)
        for v, b in zip(before.split(sizes), went.split(sizes), strict=True):
            assert abs(v @ b) <= 1e-5 * v.norm() * b.norm(), "the step leaves along the tangent"
        for v, b in zip(sphere.vector.split(sizes), sphere.momentum.split(sizes), strict=True):
            assert abs(v.norm() / 20 - 1) < 1e-5
            assert abs(v @ b) <= 1e-5 * v.norm() * b.norm(), "the momentum came along"
    assert not torch.equal(before, sphere.vector)


def test_the_first_momentum_is_the_tangent_part_of_the_gradient():
    sphere, g = placed(), gradients(1)[0]
    v = sphere.vector.detach().clone()
    torch.testing.assert_close(stepped(sphere, g, 0.1), g - (v @ g) / 400 * v, rtol=1e-12, atol=1e-13)


def test_a_step_goes_down_not_up():
    for seed in range(5):
        sphere, goal = placed(seed=seed, inertia=0.0), gradients(1)[0]
        before = (sphere.vector @ goal).item()
        stepped(sphere, goal, 0.1)
        assert (sphere.vector @ goal).item() < before


def test_five_steps_are_the_forerunners_once_its_first_momentum_is_the_raw_gradient():
    sphere = placed(80.0, 0.7)
    v, b = sphere.vector.detach().clone(), torch.zeros(LENGTH, dtype=torch.float64)
    for k, g in enumerate(gradients(5)):
        if k == 0:
            sphere.momentum.copy_(g)  # what [P] begins with
        v, b = forerunners_step(v, g, b, 0.4, 0.7, 80.0, first=k == 0)
        stepped(sphere, g, 0.4)
        torch.testing.assert_close(sphere.vector.detach(), v, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(sphere.momentum, b, rtol=1e-12, atol=1e-12)
    ours = placed(80.0, 0.7)
    for g in gradients(5):
        stepped(ours, g, 0.4)
    assert (ours.vector - v).norm() > 1e-3, "without the raw gradient it is another trajectory"


def test_without_momentum_the_forerunners_length_collapses_and_ours_does_not():
    sphere, g = placed(80.0, 0.0), gradients(1)[0]
    v, _ = forerunners_step(sphere.vector.detach().clone(), g, None, 0.4, 0, 80.0, first=True)
    stepped(sphere, g, 0.4)
    assert abs(v.norm() - 1) < 1e-12
    assert abs(sphere.vector.norm() / 80 - 1) < 1e-12
    torch.testing.assert_close(sphere.vector.detach() / 80, v, rtol=1e-12, atol=1e-13)


def test_one_tensor_is_the_same_alone_or_by_itself():
    shapes = {"a": SHAPES["a"]}
    one, each = placed(shapes=shapes), placed(per_tensor=True, shapes=shapes)
    for g in gradients(5):
        stepped(one, g[:12], 0.2)
        stepped(each, g[:12], 0.2)
    assert torch.equal(one.vector, each.vector)
    two = placed(per_tensor=True)
    assert abs(two.vector.norm() / (20 * 2**0.5) - 1) < 1e-12, "two tensors, two spheres"


def test_parts_are_views_and_leaning_mixes_by_name_and_keeps_the_length():
    sphere, other = placed(seed=1), placed(seed=2)
    assert {name: part.shape for name, part in sphere.parts().items()} == {"a": (3, 4), "b": (5,)}
    last = BufferDict({"a": other.parts()["a"]}.items())
    own = {name: part.clone() for name, part in sphere.parts().items()}
    sphere.lean(last, 0.3)
    mixed = torch.cat([(0.7 * own["a"] + 0.3 * last["a"]).flatten(), own["b"]]).detach()
    torch.testing.assert_close(sphere.vector.detach(), 20 * mixed / mixed.norm(), rtol=1e-12, atol=1e-12)


def test_an_empty_sphere_is_saved_and_loaded_as_such():
    sphere = placed()
    sphere.clear()
    fresh = Sphere(20.0, 0.7)
    fresh.load_state_dict(sphere.state_dict())
    assert (len(fresh), len(fresh.momentum), fresh.parts()) == (0, 0, {})


def network():
    model = tiny.net()
    torch.manual_seed(0)
    model.grow((0, 1))
    return model.requires_grad_(False)


def moved(model, seed=3):
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in (*model.parameters(), *model.buffers()):
            if value.is_floating_point():
                value.add_(0.1 * torch.rand(value.shape, generator=draw, dtype=value.dtype))
            else:
                value.add_(1)


def test_a_segment_ends_at_both_networks_to_the_bit():
    model = network()
    segment = Segment(0.5)
    segment.begin(model)
    before = tiny.bits(model)
    moved(model)
    after = tiny.bits(model)
    for place, there in ((0.0, before), (1.0, after)):
        point = segment.at(model, place)
        counted = {name for name in there if name.endswith("num_batches_tracked")}
        assert {name for name in point if name in there} == set(there) - counted
        assert all(torch.equal(point[name], there[name]) for name in there if name not in counted)
    halves = segment.at(model, 0.5)
    name = "backbone.first.norm.running_mean"
    torch.testing.assert_close(halves[name], (before[name] + after[name]) / 2)
    assert tiny.same(tiny.bits(model), after), "nothing was written"
    move_to(model, segment.at(model, 0.0))
    assert all(torch.equal(model.state_dict()[n], v) for n, v in before.items() if n not in counted)


def test_the_loss_at_a_point_is_that_of_a_network_with_these_weights():
    model, data = network().eval(), tiny.split((0, 1))
    segment = Segment(0.5)
    segment.begin(model)
    moved(model)
    point = segment.at(model, 0.3)
    value = loss_at(model, point, data.x, data.y, RIVALS)
    move_to(model, point)
    torch.testing.assert_close(value, cross_entropy(model(data.x), data.y, RIVALS), rtol=1e-13, atol=0)


def test_the_derivative_along_a_segment_is_that_of_finite_differences():
    model, data = network().eval(), tiny.split((0, 1))
    segment = Segment(0.5)
    segment.begin(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, dtype=weight.dtype))
    place = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss_at(model, segment.at(model, place), data.x, data.y, RIVALS), place)
    high, low = (
        loss_at(model, segment.at(model, torch.tensor(p, dtype=torch.float64)), data.x, data.y, RIVALS).item()
        for p in (0.4 + 1e-5, 0.4 - 1e-5)
    )
    assert slope.item() == pytest.approx((high - low) / 2e-5, rel=1e-6)
    assert slope.item() != 0


def test_the_places_derivative_is_clipped_and_the_place_stays_on_the_segment():
    segment = Segment(0.5)
    for derivative, clipped in ((7.0, 5.0), (-70.0, -5.0), (3.0, 3.0)):
        segment.place.grad = torch.tensor(derivative)
        segment.clip()
        assert segment.place.grad.item() == clipped
    for place, kept in ((1.3, 1.0), (-0.2, 0.0), (0.7, 0.7)):
        segment.place.data.fill_(place)
        segment.stay()
        assert segment.place.item() == pytest.approx(kept)


def test_a_point_along_a_direction_is_that_far_away_and_writes_nothing():
    model = network()
    weights = weights_within(model, [model.backbone])
    assert set(weights) == {n for n, _ in model.named_parameters() if n.startswith("backbone")}
    sphere, before = Sphere(3.0, 0.0), tiny.bits(model)
    sphere.place(weights)
    point = sphere.at(model, 0.5)
    away = torch.cat([(point[name] - weights[name]).flatten() for name in weights])
    assert away.norm().item() == pytest.approx(1.5)
    functional_call(model, dict(point), (tiny.split((0, 1)).x,))
    assert tiny.same(tiny.bits(model.head), {n[5:]: v for n, v in before.items() if n.startswith("head")})
