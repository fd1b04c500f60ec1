"""The straight line from a network as it was to the network as it is, and a place on it that a Fit can train."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..models import Model, Snapshot
from .points import Examples, Point, risks_at

LARGEST = 5.0  # derivative by the place, beyond which it is clipped


class Segment(nn.Module):
    """Where it starts, and a place from 0, there, to 1, the network as it is. Without a start unless begun.

    Train the place by plain gradient descent, with `clip` and `stay` as the Fit's hooks. Unless it is clamped, it may
    leave the segment along its line.
    """

    def __init__(self, place: float, *, clamped: bool = True) -> None:
        super().__init__()
        self.clamped = clamped
        self.start: Snapshot | None = None
        self.first = place
        self.place = nn.Parameter(torch.tensor(place), requires_grad=False)

    def begin(self, model: Model) -> None:
        """Start at the network as it is now, with the first place."""
        self.start = Snapshot(model)
        with torch.no_grad():
            self.place.fill_(self.first)

    def clear(self) -> None:
        """Let go of the start."""
        self.start = None

    def at(self, model: Model, place: Tensor | float) -> Point:
        """The point at a place: at 0 the start and at 1 the network, to the bit.

        Running statistics go along; what is counted is the network's own. Only weights tell `place` of a gradient.
        """
        assert self.start is not None
        share = torch.as_tensor(place, device=self.place.device)
        old = dict(self.start.module.named_buffers())
        weights = {name: torch.lerp(old[name], own.detach(), share) for name, own in model.named_parameters()}
        floats = {name: own for name, own in model.named_buffers() if own.is_floating_point()}
        return weights | {name: torch.lerp(old[name], own, share.detach()) for name, own in floats.items()}

    def risks(self, model: Model, places: Iterable[float], data: Examples, rivals: Tensor) -> list[float]:
        """The mean loss over all examples at each of these places."""
        return risks_at(model, (self.at(model, place) for place in places), data, rivals)

    @torch.no_grad()
    def clip(self, *_: object) -> None:
        """After the backward pass: a derivative of at most 5 either way."""
        assert self.place.grad is not None
        self.place.grad.clamp_(-LARGEST, LARGEST)

    @torch.no_grad()
    def stay(self, *_: object) -> None:
        """After the step: on the segment, if that is asked for."""
        if self.clamped:
            self.place.clamp_(0, 1)
