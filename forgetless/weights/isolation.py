"""Networks in which each task has a subnetwork, biases and normalisation of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..capacity import LayerMasks, account
from ..errors import SettingsError
from ..models import BufferDict
from .subnets import OfTask, Rule, Subnet

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
KEPT_OF_A_NORM = ("running_mean", "running_var", "weight", "bias")

Bias = Literal["none", "masked", "per_task"]
Norm = Literal["per_task", "batch_stats"]


class TaskBias(OfTask):
    """A vector of biases for each task, zero when the task begins."""

    def __init__(self, bias: nn.Parameter) -> None:
        super().__init__()
        self.theta, self.kept = bias, BufferDict()

    def forward(self) -> Tensor:
        """(D,)"""
        return self.theta if self.worn is None else self.kept[str(self.worn)]

    @torch.no_grad()
    def open(self) -> None:
        """Begin at zero."""
        self.theta.zero_()

    def close(self) -> None:
        """Keep them."""
        self.kept[str(len(self.kept))] = self.theta

    def influences(self, task: int) -> dict[str, Tensor]:
        """The task's biases."""
        return {"theta": self.kept[str(task)]}


class TaskNorm(OfTask):
    """Batch normalisation with statistics, factors and offsets of each task's own. (B, D, ...) -> (B, D, ...)"""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm, self.kept = norm, BufferDict()

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, ...) -> (B, D, ...)"""
        if self.worn is None:
            return self.norm(x)  # type: ignore[no-any-return]
        own = self.influences(self.worn)
        mean, var, weight, bias = (own.get(name) for name in KEPT_OF_A_NORM)
        return F.batch_norm(x, mean, var, weight, bias, eps=self.norm.eps)

    def open(self) -> None:
        """Begin as a new layer does."""
        self.norm.reset_parameters()

    def close(self) -> None:
        """Keep statistics, factors and offsets."""
        state = self.norm.state_dict()
        names = [name for name in KEPT_OF_A_NORM if name in state]
        task = len(self.kept) // len(names)
        self.kept.update((f"{task}.{name}", state[name]) for name in names)

    def influences(self, task: int) -> dict[str, Tensor]:
        """The task's statistics, factors and offsets."""
        names = (name for name in KEPT_OF_A_NORM if f"{task}.{name}" in self.kept)
        return {name: self.kept[f"{task}.{name}"] for name in names}


class MaskedLayer(nn.Module):
    """A linear or convolutional layer that sees a task's subnetwork in place of its weights."""

    def __init__(self, layer: Any, rule: Rule, bias: Bias) -> None:
        super().__init__()
        fan_in = layer.weight[0].numel()
        self.weight = Subnet(layer.weight, fan_in, rule)
        self.bias: Subnet | TaskBias | None = None
        if layer.bias is not None and bias == "masked":
            self.bias = Subnet(layer.bias, fan_in, rule)
        elif layer.bias is not None and bias == "per_task":
            self.bias = TaskBias(layer.bias)
        layer.weight = layer.bias = None
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """As the layer itself, with θ ⊙ m for its weights."""
        weight, bias = self.weight(), None if self.bias is None else self.bias()
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, weight, bias)
        return self.layer._conv_forward(x, weight, bias)  # type: ignore[no-any-return]


def divide(network: nn.Module, rule: Rule, bias: Bias, norm: Norm) -> None:
    """Put masks before every linear and convolutional layer, and norms of each task's own in place of shared ones.

    Raises:
        SettingsError: the network has weights or statistics that tasks would share.
    """
    made: dict[nn.Module, nn.Module] = {}
    for parent in list(network.modules()):
        for name, part in list(parent.named_children()):
            if type(part) in LAYERS:
                made[part] = made.get(part) or MaskedLayer(part, rule, bias)
            elif type(part) in NORMS:
                made[part] = made.get(part) or _divided_norm(part, norm)
            if part in made:
                setattr(parent, name, made[part])
    subnets = tuple(part for part in network.modules() if isinstance(part, Subnet))
    for subnet in subnets if rule.scope == "global" else ():
        subnet.peers = subnets
    divided = {id(t) for part in made.values() for t in part.state_dict(keep_vars=True).values()}
    shared = [name for name, t in network.state_dict(keep_vars=True).items() if id(t) not in divided]
    if shared or not subnets:
        what = f"has {', '.join(shared[:3])}, which all tasks would share" if shared else "has none"
        raise SettingsError(
            "Subnetworks were asked for. They are made of linear and convolutional layers, each task with "
            f"batch normalisation of its own, but the network {what}. Choose another model."
        )


def _divided_norm(part: Any, norm: Norm) -> nn.Module:
    if norm == "batch_stats":
        made: nn.Module = type(part)(part.num_features, part.eps, affine=False, track_running_stats=False)
        return made
    return TaskNorm(part)


def parts_of_tasks(network: nn.Module) -> list[OfTask]:
    """The parts of a network that differ from task to task."""
    return [part for part in network.modules() if isinstance(part, OfTask)]


@contextmanager
def wearing(network: nn.Module, task: int) -> Iterator[None]:
    """Inside: the network is the subnetwork of a task that it has learned."""
    parts = parts_of_tasks(network)
    for part in parts:
        part.worn = task
    try:
        yield
    finally:
        for part in parts:
            part.worn = None


def count_capacity(network: nn.Module, measured: BufferDict) -> None:
    """Add the newest task's figures to what was measured: `forgetless.capacity.account` says which."""
    subnets = [part for part in network.modules() if isinstance(part, Subnet)]
    layers = [
        LayerMasks(
            [symbols.cpu().flatten().numpy() for symbols in subnet.masks.symbols],
            subnet.masks.tasks,
            sum(container.nbytes for _, container in subnet.masks.items()),
        )
        for subnet in subnets
    ]
    masked = {id(t) for subnet in subnets for t in (subnet.theta, *subnet.masks.buffers())}
    kept = network.state_dict(keep_vars=True).values()
    other = sum(tensor.nbytes for tensor in kept if id(tensor) not in masked)
    before = {name: value.cpu().double().numpy() for name, value in measured.items()}
    measured.update(
        (name, torch.from_numpy(value).float().to(measured.device))
        for name, value in account(layers, other, before).items()
    )
