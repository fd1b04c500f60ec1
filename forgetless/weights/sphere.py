"""A direction in weight space: a vector of given length that a Fit can train by descent on its sphere."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from ..models import BufferDict, Model
from .points import Examples, Point, risks_at


class Sphere(nn.Module):
    """One long vector over named tensors, of length r; or each tensor's part of length r by itself.

    Train it by plain gradient descent, with `descend` and `come_back` as the Fit's hooks. Empty unless placed, so
    that an unplaced one can be saved and loaded.
    """

    momentum: Tensor  # of the descent, tangent to the sphere

    def __init__(self, radius: float, inertia: float, *, per_tensor: bool = False) -> None:
        super().__init__()
        self.radius, self.inertia, self.per_tensor = radius, inertia, per_tensor
        self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        self.vector = nn.Parameter(torch.empty(0), requires_grad=False)
        self.register_buffer("momentum", torch.empty(0))
        self.shapes: dict[str, torch.Size] = {}
        self.sizes: list[int] = []

    def __len__(self) -> int:
        return len(self.vector)

    @torch.no_grad()
    def place(self, weights: Mapping[str, Tensor]) -> None:
        """Draw a vector over these tensors, uniform on its sphere; on the CPU, so that all devices draw the same."""
        self.shapes = {name: weight.shape for name, weight in weights.items()}
        sizes = [shape.numel() for shape in self.shapes.values()]
        self.sizes = sizes if self.per_tensor else [sum(sizes)]
        like = next(iter(weights.values()))
        self.vector = nn.Parameter(self._retracted(torch.randn(sum(sizes)).to(like)), requires_grad=False)
        self.momentum = torch.zeros_like(self.vector)

    def parts(self) -> dict[str, Tensor]:
        """The vector as views of the tensors' shapes, by name."""
        parts = torch.split(self.vector, [shape.numel() for shape in self.shapes.values()])
        return {name: part.view(self.shapes[name]) for name, part in zip(self.shapes, parts, strict=True)}

    def relative(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The vector's length in lengths of these weights, r / |w|. -> ()"""
        squares = torch.stack([weight.detach().square().sum() for weight in weights.values()])
        return (self.vector.detach().square().sum() / squares.sum()).sqrt()

    def at(self, model: Model, share: float) -> Point:
        """So many times the vector away from where a network is."""
        own = dict(model.named_parameters())
        return {name: own[name].detach() + share * part for name, part in self.parts().items()}

    def risks(self, model: Model, shares: Iterable[float], data: Examples, rivals: Tensor) -> list[float]:
        """The mean loss over all examples at each of these shares of the way."""
        return risks_at(model, (self.at(model, share) for share in shares), data, rivals)

    @torch.no_grad()
    def descend(self, *_: object) -> None:
        """After the backward pass: replace g by b <- mu b + g - v <v, g> / <v, v>, the step's way down."""
        gradient = self.vector.grad
        assert gradient is not None
        gradient.copy_(self.momentum.mul_(self.inertia).add_(self._tangent(gradient)))

    @torch.no_grad()
    def come_back(self, *_: object) -> None:
        """After the step: v <- r v / |v|, and the momentum along to the new tangent, b <- b - v <v, b> / <v, v>."""
        self.vector.copy_(self._retracted(self.vector))
        self.momentum.copy_(self._tangent(self.momentum))

    @torch.no_grad()
    def lean(self, towards: BufferDict, share: float) -> None:
        """Mix in so large a share of another direction, by name, and bring the length back."""
        for name, part in self.parts().items():
            if name in towards:
                part.lerp_(towards[name], share)
        self.vector.copy_(self._retracted(self.vector))

    def _tangent(self, vector: Tensor) -> Tensor:
        pairs = zip(torch.split(vector, self.sizes), torch.split(self.vector, self.sizes), strict=True)
        return torch.cat([z - v * (torch.dot(v, z) / torch.dot(v, v)) for z, v in pairs])

    def _retracted(self, vector: Tensor) -> Tensor:
        return torch.cat([z * (self.radius / z.norm()) for z in torch.split(vector, self.sizes)])
