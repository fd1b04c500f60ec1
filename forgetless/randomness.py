"""All randomness is derived: from the run's seed and words that say what it is for. Nothing is ambient.

Deriving instead of carrying generators along is what makes runs resumable and comparable: the order of task 3's
data does not depend on how many numbers anything else drew before, so a method with a warm-up sees the same
order as one without, and a run that was killed sees the order it would have seen.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def derive(seed: int, *purpose: int | str) -> int:
    """A 63-bit seed for one purpose: `derive(0, "order", 3, "main", 2)` is task 3's data order in epoch 2."""
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *purpose: int | str) -> torch.Generator:
    """A generator on the CPU, seeded for one purpose. Draws are made here and moved, so all devices agree."""
    return torch.Generator().manual_seed(derive(seed, *purpose))


@contextmanager
def seeded(seed: int, *purpose: int | str) -> Iterator[None]:
    """Torch's global generators, seeded for one purpose inside and as they were outside.

    Initialisers and dropout draw from the global generator and take no other; this is the one way they are seeded.
    """
    devices = range(torch.cuda.device_count()) if _accelerated() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive(seed, *purpose))
        yield


def ambient_state() -> Tensor:
    """The states of torch's global generators, the CPU's and behind it that of the accelerator in use. -> (N,) uint8"""
    own = torch.get_rng_state()
    return torch.cat([own, torch.cuda.get_rng_state()]) if _accelerated() else own


def set_ambient_state(state: Tensor) -> None:
    """Go back to such states; what is said of an accelerator is left out where none is in use."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size])
    if _accelerated() and len(state) > size:
        torch.cuda.set_rng_state(state[size:])


def _accelerated() -> bool:
    return torch.cuda.is_initialized()  # type: ignore[no-untyped-call, no-any-return]
