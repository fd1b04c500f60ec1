"""The distance from a line and its closed gradient, against formulas written out; the search for a smallest value."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from forgetless.ops import distance_from_line, smallest, squared_distance


def tensors(seed, shapes=((3, 4), (5,), (2, 3, 2, 2))):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]


def flat(parts):
    return torch.cat([part.flatten() for part in parts])


def written_out(s, v):
    """|s - v <s, v> / <v, v>|^2 on flat vectors."""
    return (s - v * (s @ v) / (v @ v)).square().sum()


def seeds_formula(s, v):
    """The penalty of the source article's code, with no 1/|v|^2."""
    return (s - (s @ v) * v).square().sum()


@pytest.mark.parametrize("per_tensor", [False, True])
def test_value_and_gradient_are_those_of_the_formula(per_tensor):
    anchors, v = tensors(1), tensors(2)
    w = [part.clone().requires_grad_() for part in tensors(3)]
    value = distance_from_line(w, anchors, v, per_tensor=per_tensor)
    pairs = [(a - b, c) for a, b, c in zip(w, anchors, v, strict=True)]
    if per_tensor:
        expected = sum(written_out(s.flatten(), c.flatten()) for s, c in pairs)
    else:
        expected = written_out(flat([s for s, _ in pairs]), flat(v))
    torch.testing.assert_close(value, expected, rtol=1e-13, atol=0)
    ours, theirs = torch.autograd.grad(value, w), torch.autograd.grad(expected, w)
    torch.testing.assert_close(flat(ours), flat(theirs), rtol=1e-11, atol=1e-12)
    assert gradcheck(lambda *w: 0.3 * distance_from_line(w, anchors, v, per_tensor=per_tensor), w)


def test_it_is_the_same_in_any_memory_layout():
    anchors, v, w = tensors(1), tensors(2), tensors(3)
    turned = [t.to(memory_format=torch.channels_last) if t.dim() == 4 else t for t in w]
    torch.testing.assert_close(distance_from_line(turned, anchors, v), distance_from_line(w, anchors, v))


def test_the_length_of_the_direction_does_not_matter():
    anchors, v, w = tensors(1), tensors(2), tensors(3)
    value = distance_from_line(w, anchors, v)
    for length in (7.0, -1.0, 1e-3):
        torch.testing.assert_close(distance_from_line(w, anchors, [length * part for part in v]), value)


def test_along_the_direction_it_is_zero_and_across_it_is_the_squared_distance():
    anchors, v = tensors(1), tensors(2)
    along = [a + 0.7 * part for a, part in zip(anchors, v, strict=True)]
    assert distance_from_line(along, anchors, v).item() < 1e-25
    s, line = flat(tensors(3)), flat(v)
    across = (s - line * (s @ line) / (line @ line)).split([part.numel() for part in v])
    w = [a + part.view(a.shape) for a, part in zip(anchors, across, strict=True)]
    torch.testing.assert_close(distance_from_line(w, anchors, v), squared_distance(w, anchors))


def test_the_articles_formula_fails_at_radius_20_and_holds_at_1():
    unit = flat(tensors(2))
    unit = unit / unit.norm()
    s, anchor = 0.7 * unit, torch.zeros_like(unit)
    for radius, share in ((1.0, 0.0), (20.0, (1 - 20.0**2) ** 2)):
        ours = distance_from_line([s], [anchor], [radius * unit]).item()
        theirs = seeds_formula(s, radius * unit).item()
        assert ours < 1e-25
        assert theirs == pytest.approx(share * 0.49, rel=1e-9, abs=1e-25)
    assert share == 159_201  # times |s|^2, along the one direction that should be free


def test_a_strong_penalty_leaves_the_way_along_the_direction_alone():
    anchors, v, goal = tensors(1), tensors(2), tensors(4)
    w = [part.clone().requires_grad_() for part in anchors]
    strength, rate = 500.0, 1e-3  # 2 x strength x rate is 1: a step forgets what is off the line
    for _ in range(500):
        loss = sum((part * g).sum() for part, g in zip(w, goal, strict=True))
        slopes = torch.autograd.grad(loss + strength * distance_from_line(w, anchors, v), w)
        w = [(part - rate * slope).detach().requires_grad_() for part, slope in zip(w, slopes, strict=True)]
    s, line = flat([a - b for a, b in zip(w, anchors, strict=True)]), flat(v)
    assert abs(s @ line) / (s.norm() * line.norm()) > 0.999
    assert s.norm() > 0.01


def test_a_random_direction_keeps_all_but_one_nth_of_the_squared_distance():
    draw = torch.Generator().manual_seed(0)
    shares = []
    for _ in range(200):
        s, v = torch.randn(2, 400, generator=draw, dtype=torch.float64)
        shares.append((distance_from_line([s], [torch.zeros_like(s)], [v]) / (s @ s)).item())
    assert sum(shares) / 200 == pytest.approx(1 - 1 / 400, abs=1e-3)


def test_without_autograd_it_needs_no_graph():
    with torch.no_grad():
        assert not distance_from_line(tensors(3), tensors(1), tensors(2)).requires_grad


@pytest.mark.parametrize(("lowest", "found"), [(0.337, 0.337), (-0.4, 0.0), (1.6, 1.0), (0.5, 0.5)])
def test_a_valley_is_found_between_the_places_of_the_grid(lowest, found):
    def valley(x):
        return (x - lowest) ** 4 + 1

    grid = [valley(k / 20) for k in range(21)]
    place = smallest(valley, grid)
    assert place == pytest.approx(found, abs=2e-3)
    assert valley(place) <= min(grid)


def test_of_several_valleys_the_grid_chooses_and_the_answer_is_never_worse_than_it():
    def waves(x):
        return math.sin(40 * x) + 0.1 * math.cos(400 * x)

    grid = [waves(k / 20) for k in range(21)]
    assert waves(smallest(waves, grid)) <= min(grid)
    assert smallest(lambda x: 1.0, [1.0] * 21) == 0.0, "of equals the lowest"
