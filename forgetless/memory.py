"""Exemplars: the few old examples that a method may keep, as they are stored, in bytes that are counted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .data import Split
from .errors import SettingsError
from .ops import herd


class Memory(nn.Module):
    """Groups of examples, such as those of one class, each with the most important first.

    What is remembered is saved with the method; loading a state takes its size from the state.
    """

    x: Tensor  # (N, H, W, K) uint8, or as the stream stores them
    y: Tensor  # (N,) labels in order of arrival
    group: Tensor  # (N,) the group that each example belongs to, counted from 0 in order of arrival

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("x", torch.empty(0, dtype=torch.uint8))
        for name in ("y", "group"):
            self.register_buffer(name, torch.empty(0, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.group.max()) + 1 if len(self) else 0

    def add(self, data: Split, rows: Tensor) -> None:
        """Remember these rows as a new group, the most important first.

        Raises:
            SettingsError: no rows; a group without examples could never be told from one that is missing.
        """
        if not len(rows):
            raise SettingsError("A group of exemplars needs at least one example; none was given.")
        number, chosen = self.groups, data.select(rows)
        if len(self):
            self.x, self.y = torch.cat([self.x, chosen.x]), torch.cat([self.y, chosen.y])
        else:
            self.x, self.y = chosen.x.clone(), chosen.y.clone()
        self.group = torch.cat([self.group.to(rows.device), torch.full_like(rows, number)])

    def add_each(self, data: Split, count: int, features: Callable[[Tensor], Tensor] | None = None) -> None:
        """Remember so many examples of each label, a group each: by herding over their features, or any at random."""
        for label in data.y.unique():  # type: ignore[no-untyped-call]
            rows = (data.y == label).nonzero().flatten()
            if features is None:
                chosen = torch.randperm(len(rows))[:count].to(rows.device)
            else:
                with torch.no_grad():
                    seen = [features(x) for x, _ in data.select(rows).batches(256)]
                chosen = herd(torch.cat(seen), count)
            self.add(data, rows[chosen])

    def trim(self, most: int | Tensor) -> None:
        """Forget all but the first `most` of each group; a tensor says how many of each, (groups or more,)."""
        place = torch.arange(len(self), device=self.group.device)
        starts = torch.searchsorted(self.group, self.group)  # groups follow one another
        kept = place - starts < (most if isinstance(most, int) else most[self.group])
        self.x, self.y, self.group = self.x[kept], self.y[kept], self.group[kept]

    def split(self, like: Split, group: int | None = None) -> Split:
        """What is remembered, or one group of it, as examples that look as those of `like` do."""
        if group is None:
            return replace(like, x=self.x, y=self.y)
        mine = self.group == group
        return replace(like, x=self.x[mine], y=self.y[mine])

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("x", "y", "group"):
            if prefix + name in state:
                setattr(self, name, state[prefix + name].to(getattr(self, name).device, copy=True))
        super()._load_from_state_dict(state, prefix, *rest)
