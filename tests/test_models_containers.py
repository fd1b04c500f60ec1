"""What methods remember in: copies that cannot change, tensors that keep their names, places and layout."""

from copy import deepcopy

import tiny
import torch
from torch import nn

from forgetless.models import BufferDict, Snapshot


class Holder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.old = Snapshot(model)
        self.kept = BufferDict()


def test_a_snapshot_stays_as_it_was_taken():
    model = tiny.net(dropout=0.5)
    model.grow(range(3))
    holder = Holder(model)
    before = {name: value.clone() for name, value in holder.old.named_buffers()}
    x = tiny.split((0, 1)).x
    expected = deepcopy(model).eval()(x)
    holder.train().requires_grad_(True)
    answer = holder.old(x)
    assert not any(part.training for part in holder.old.modules())
    assert not answer.requires_grad
    torch.testing.assert_close(answer, expected, rtol=0, atol=0)
    opt = torch.optim.SGD(holder.parameters(), lr=1.0, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        holder.model(x).square().sum().backward()
        opt.step()
    assert all(torch.equal(before[name], value) for name, value in holder.old.named_buffers())
    assert torch.equal(holder.old(x), answer)
    assert not list(holder.old.parameters())


def test_a_snapshot_is_neither_stored_nor_missed_nor_overwritten():
    holder, other = Holder(tiny.net(0)), Holder(tiny.net(1))
    state = holder.state_dict()
    assert state
    assert not [name for name in state if name.startswith("old")]
    before = [value.clone() for value in other.old.buffers()]
    other.load_state_dict(state)
    assert all(map(torch.equal, before, other.old.buffers()))


def test_a_snapshot_follows_its_holder_to_another_type():
    holder = Holder(tiny.net()).float()
    holder.model.grow(range(2))
    assert all(value.dtype != torch.float64 for value in holder.old.buffers())


def test_a_buffer_dict_returns_what_was_put_in_by_name():
    value = torch.ones(2)
    kept = BufferDict([("layers.0.weight", value)])
    value.add_(1)
    assert torch.equal(kept["layers.0.weight"], torch.ones(2)), "a copy was kept"
    assert "layers.0.weight" in kept
    assert "layers" not in kept
    assert list(kept) == ["layers.0.weight"]
    assert [name for name, _ in kept.items()] == ["layers.0.weight"]
    kept["layers.0.weight"] = torch.zeros(3)
    assert len(kept) == 1
    assert kept["layers.0.weight"].shape == (3,)


def test_a_buffer_dict_takes_names_sizes_and_layout_from_a_state():
    first, second = Holder(tiny.net()), Holder(tiny.net())
    kernel = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    first.kept.update([("conv.weight", kernel), ("bias", torch.randn(4)), ("count", torch.tensor(3))])
    second.kept["gone"] = torch.zeros(2)
    state = {name: value.contiguous() for name, value in first.state_dict().items()}  # as a file returns it
    second.load_state_dict(state)
    assert dict(second.kept.items()).keys() == {"conv.weight", "bias", "count"}
    assert torch.equal(second.kept["conv.weight"], kernel)
    assert second.kept["conv.weight"].stride() == kernel.stride()
    second.load_state_dict(state)
    second.kept["bias"].zero_()
    assert state["kept.bias"].any(), "the state itself is not adopted"
