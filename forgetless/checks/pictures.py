"""Pictures of everything that can be reached from a method, to see what a call has changed."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn

PLAIN = (int, float, str, bytes, bool, type(None))
_BOOKS = ("_parameters", "_buffers", "_modules")  # where a module keeps what belongs to it
_TORCH_OWN = frozenset(vars(nn.Module()))  # attributes that every module has

Picture = dict[str, object]


def picture(thing: Any) -> Picture:
    """Path -> what is there, for all that can be reached through attributes and containers."""
    return {path: _fact(value) for path, value in walk(thing)}


def changes(before: Picture, after: Picture) -> list[str]:
    """Paths at which two pictures differ."""
    return sorted(path for path in {*before, *after} if before.get(path, ...) != after.get(path, ...))


def networks(thing: Any) -> dict[str, nn.Module]:
    """Path -> module, for all modules that can be reached, also those that are hidden in plain containers."""
    return {path: value for path, value in walk(thing) if isinstance(value, nn.Module)}


def walk(thing: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Every path with what is there; what is there twice is entered once."""
    yield path, thing
    seen = set() if seen is None else seen
    if isinstance(thing, PLAIN) or id(thing) in seen:
        return
    seen.add(id(thing))
    for name, value in _parts(thing):
        yield from walk(value, f"{path}.{name}" if path else str(name), seen)


def _parts(thing: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(thing, nn.Module):
        for book in _BOOKS:
            yield from vars(thing)[book].items()
        yield from ((name, value) for name, value in vars(thing).items() if name not in _TORCH_OWN)
    elif isinstance(thing, Mapping):
        yield from thing.items()
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from enumerate(thing)


def _fact(value: Any) -> object:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor):
        return tensor_fact(value)
    if isinstance(value, nn.Module):
        return type(value), value.training
    if isinstance(value, torch.Generator):
        return tensor_fact(value.get_state())
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return type(value), len(value)
    return id(value)


def tensor_fact(value: Tensor) -> tuple[object, ...]:
    """What tells a tensor from any other: its bytes, and whether it is being trained."""
    rows = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    digest = blake2b(rows.tobytes(), digest_size=16).hexdigest()
    return tuple(value.shape), value.dtype, digest, value.requires_grad, value.is_leaf and value.grad is None
