"""The states of the global generators, with those of an accelerator behind them."""

import torch

from forgetless.randomness import ambient_state, set_ambient_state


def test_a_state_is_gone_back_to():
    with torch.random.fork_rng():
        state = ambient_state()
        first = torch.rand(3)
        set_ambient_state(state)
        assert torch.equal(torch.rand(3), first)


def test_a_state_saved_with_an_accelerator_is_gone_back_to_without_one():
    with torch.random.fork_rng():
        state = torch.get_rng_state()
        first = torch.rand(3)
        set_ambient_state(torch.cat([state, torch.zeros(16, dtype=torch.uint8)]))
        assert torch.equal(torch.rand(3), first)


def test_the_accelerators_generator_is_saved_and_gone_back_to(monkeypatch):
    held = [torch.arange(16, dtype=torch.uint8)]
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: held[-1])
    monkeypatch.setattr(torch.cuda, "set_rng_state", held.append)
    state, own = ambient_state(), torch.get_rng_state()
    held.append(torch.zeros(16, dtype=torch.uint8))
    set_ambient_state(state)
    assert torch.equal(held[-1], torch.arange(16, dtype=torch.uint8))
    assert torch.equal(torch.get_rng_state(), own)
