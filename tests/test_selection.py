"""Exact selection of the largest entries: however they lie, whatever ties there are, whatever the sample says."""

import pytest
import torch

from forgetless.checks.reads import HostReads
from forgetless.ops import Hint, Selected, count_of, select_top, through_mask, top_mask
from forgetless.ops import selection as module


def expected(values, count):
    """By sorting: the largest, among equal ones the first in row-major order."""
    order = sorted(range(values.numel()), key=lambda i: (-values.flatten()[i].item(), i))[:count]
    mask = torch.zeros(values.numel(), dtype=torch.bool)
    mask[order] = True
    return mask.view(values.shape)


def quick(values, count):
    """By a stable sort: the same for many entries."""
    order = (-values.flatten().double()).sort(stable=True).indices[:count]
    mask = torch.zeros(values.numel(), dtype=torch.bool)
    mask[order] = True
    return mask.view(values.shape)


def test_ties_go_to_the_lowest_row_major_index_however_a_tensor_lies():
    draw = torch.Generator().manual_seed(3)
    for _ in range(50):
        values = torch.randint(-2, 3, (5, 3, 2, 2), generator=draw).float()
        count = int(torch.randint(1, 61, (), generator=draw))
        for laid in (values, values.to(memory_format=torch.channels_last)):
            assert torch.equal(top_mask(laid, count), expected(values, count))
            found = select_top(laid, count, absolute=True)
            assert torch.equal(found.mask(laid), expected(values.abs(), count))


@pytest.mark.parametrize("share", [1e-5, 0.03, 0.3, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("absolute", [True, False])
def test_many_entries_are_selected_exactly(share, absolute):
    draw = torch.Generator().manual_seed(4)
    for values in (
        torch.randn(300, 784, generator=draw),
        torch.randint(-500, 500, (300, 784), generator=draw) / 500,  # with hundreds of ties
        torch.randn(64, 64, 4, 4, generator=draw).to(memory_format=torch.channels_last),
        torch.randn(120, 200, generator=draw, dtype=torch.float64),
    ):
        count = count_of(share, values.numel())
        mask = select_top(values, count, absolute=absolute).mask(values)
        assert torch.equal(mask, quick(values.abs() if absolute else values, count))


def test_a_hint_and_a_sample_that_mislead_cost_time_only(monkeypatch):
    values = torch.randn(200, 200, generator=torch.Generator().manual_seed(5))
    tried = []

    def misled(flat, low, high, absolute):
        tried.append((low, high))
        return flat[:3], 0

    monkeypatch.setattr(module, "_between", misled)
    found = select_top(values, 20_000, absolute=True, hint=Hint(9.0, 0.5))
    assert torch.equal(found.mask(values), quick(values.abs(), 20_000))
    assert tried[0] == (8.5, 9.5)
    assert len(tried) == 2


@pytest.mark.parametrize("share", [0.03, 0.5])
def test_while_entries_drift_the_hint_follows_and_the_selection_is_exact(share, monkeypatch):
    draw = torch.Generator().manual_seed(7)
    values, hint, sampled = torch.rand(200, 200, generator=draw) - 0.5, Hint(), []
    sample = module._sampled

    def counted(*given):
        sampled.append(1)
        return sample(*given)

    monkeypatch.setattr(module, "_sampled", counted)
    for number in range(200):
        values += 0.002 * torch.randn(200, 200, generator=draw)
        if number == 100:
            values *= 5
        selected = select_top(values, round(share * 40_000), absolute=True, hint=hint)
        assert torch.equal(selected.mask(values), quick(values.abs(), round(share * 40_000)))
    assert 2 <= len(sampled) < 20
    assert hint.seen < 2000


def test_entries_that_are_all_equal_or_zero():
    for value in (0.0, -0.0, 0.3, -0.3):
        for shape in ((4, 5), (200, 100)):
            values = torch.full(shape, value)
            for absolute in (True, False):
                for count in (1, values.numel() // 2, values.numel()):
                    mask = select_top(values, count, absolute=absolute).mask(values)
                    assert torch.equal(mask.flatten(), torch.arange(values.numel()) < count)


def test_what_passes_is_the_same_to_the_bit_and_nothing_else_passes():
    x, s = torch.randn(40, 50), torch.randn(40, 50)
    x[0, 0] = float("inf")
    for absolute in (True, False):
        selected = select_top(s, 1000, absolute=absolute)
        mask = selected.mask(s)
        assert torch.equal(selected.through(x, s), torch.where(mask, x, 0))
        assert torch.equal(through_mask(x, mask), torch.where(mask, x, 0))
        assert torch.equal(Selected(kept=mask.float()).through(x, s), torch.where(mask, x, 0))
        assert not torch.signbit(through_mask(x, mask)[~mask]).any()


def test_on_an_accelerator_the_same_is_selected_and_nothing_is_read():
    draw = torch.Generator().manual_seed(6)
    for values in (
        torch.randn(30, 40, generator=draw),
        torch.randint(0, 5, (30, 40), generator=draw).float(),
    ):
        for count in (1, 600, 1200):
            reads = HostReads()
            with reads:
                mask = module._top_unread(values, count)
            assert not reads.places
            assert torch.equal(mask, quick(values, count))
