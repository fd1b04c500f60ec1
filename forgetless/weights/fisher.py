"""How much a network's answers depend on each of its weights: the diagonal of the Fisher information."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from ..ops import restrict

Answers = Literal["true", "sampled", "empirical", "predicted"]

_AT_ONCE = 2**24  # derivatives held at a time where they are made example by example: 64 MB


def fisher_diagonal(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], rivals: Tensor, answers: Answers = "true"
) -> dict[str, Tensor]:
    """Mean over the examples of (d log p(y | x) / d weight) squared, in the shape of each weight, by its name.

    The answers y are those that compete with the example's label, weighted by the network's probabilities (`true`:
    the expectation, exact), one of them drawn by these (`sampled`, from torch's global generator), the label itself
    (`empirical`), or the likeliest (`predicted`). Of a network that is sure and right, the last two are nearly zero.
    The network has to be in evaluation mode: no example may depend on another.

        van de Ven, "On the computation of the Fisher information in continual learning", 2025. arXiv:2502.11756
    """
    total = {name: torch.zeros_like(weight) for name, weight in network.named_parameters()}
    count = 0
    for x, y in batches:
        towards = partial(directions, labels=y, rivals=rivals, answers=answers)
        for name, squares in squared_derivatives(network, x, towards).items():
            total[name] += squares
        count += len(y)
    return {name: value / count for name, value in total.items()}


def directions(logits: Tensor, labels: Tensor, rivals: Tensor, answers: Answers) -> Tensor:
    """Derivatives of log p(answer | x) by the scores for R answers, each times the root of its weight.

    (B, C), (B,) -> (B, R, C)
    """
    chances = restrict(logits, rivals[labels]).softmax(-1)
    one_hot = torch.eye(logits.shape[-1], dtype=logits.dtype, device=logits.device)
    if answers == "true":
        competing = rivals[labels].any(0).nonzero().flatten()
        return chances[:, competing, None].sqrt() * (one_hot[competing] - chances[:, None])
    given = labels
    if answers != "empirical":
        given = chances.argmax(-1) if answers == "predicted" else chances.multinomial(1).squeeze(-1)
    return (one_hot[given] - chances)[:, None]


@torch.no_grad()
def squared_derivatives(
    network: nn.Module, x: Tensor, towards: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """(d scores(x) . direction / d weight) squared, summed over examples and directions, by the weight's name.

    `towards` gives the directions of each example from the scores, (B, C) -> (B, R, C). A linear layer's derivative
    for one example is the outer product of what came in and what came back, so that the squares' sum over examples
    is one product of squares; all other weights' derivatives are made example by example.
    """
    layers = _Layers(network)
    scores = layers.ask(x)
    along = towards(scores.detach()).to(scores)
    found = layers.squares(scores, along)
    rest = {name: weight.detach() for name, weight in network.named_parameters() if name not in found}
    if not rest:
        return found

    def of_one(x: Tensor, along: Tensor) -> dict[str, Tensor]:
        back = vjp(lambda weights: functional_call(network, weights, (x[None],))[0], rest)[1]
        return {name: part.square().sum(0) for name, part in vmap(back)(along)[0].items()}

    size = max(1, _AT_ONCE // (along.shape[1] * sum(weight.numel() for weight in rest.values())))
    for some, toward in zip(torch.split(x, size), torch.split(along, size), strict=True):
        for name, squares in vmap(of_one)(some, toward).items():
            found[name] = found[name] + squares.sum(0) if name in found else squares.sum(0)
    return found


class _Layers:
    """A network's linear layers while it answers: what comes into each, and what comes back."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        owners: dict[int, int] = {}
        for part in network.modules():
            for weight in part.parameters(recurse=False):
                owners[id(weight)] = owners.get(id(weight), 0) + 1
        self.parts = {
            name: part
            for name, part in network.named_modules()
            if isinstance(part, nn.Linear)
            and type(part).forward is nn.Linear.forward
            and all(owners[id(weight)] == 1 for weight in part.parameters(recurse=False))
        }
        self.seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in self.parts}

    def ask(self, x: Tensor) -> Tensor:
        """The network's scores, with a zero added to each layer's output, by which one can derive. -> (B, C)"""
        hooks = [part.register_forward_hook(partial(self.see, name)) for name, part in self.parts.items()]
        with torch.enable_grad():
            scores: Tensor = self.network(x)
        for hook in hooks:
            hook.remove()
        return scores

    def see(self, name: str, _: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
        """Keep what came in, and the zero."""
        zero = torch.zeros_like(out).requires_grad_()
        self.seen[name].append((inputs[0].detach(), zero))
        return out + zero

    def squares(self, scores: Tensor, along: Tensor) -> dict[str, Tensor]:
        """Sums of squared derivatives of those layers that were asked once, with one row for each example."""
        once = {
            name: found[0] for name, found in self.seen.items() if len(found) == 1 and found[0][1].dim() == 2
        }
        if not once:
            return {}
        zeros = [zero for _, zero in once.values()]
        returned = [torch.zeros_like(zero) for zero in zeros]
        for direction in along.unbind(1):
            parts = torch.autograd.grad(
                scores, zeros, direction, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for total, part in zip(returned, parts, strict=True):
                total += part.square()
        found = {}
        for (name, (inputs, _)), total in zip(once.items(), returned, strict=True):
            found[f"{name}.weight"] = total.T @ inputs.square()
            if self.parts[name].bias is not None:
                found[f"{name}.bias"] = total.sum(0)
        return found
