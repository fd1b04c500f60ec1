"""A tensor of weights with scores beside it, and the subnetworks of tasks that follow from them."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..ops import Hint, Selected, count_of, official_mask, select_top, through_mask, top_mask
from .masks import Latest, Masks


class OfTask(nn.Module):
    """A part of a network that differs from task to task."""

    def __init__(self) -> None:
        super().__init__()
        self.worn: int | None = None  # whose is in use; None: the one being learned

    @abstractmethod
    def open(self) -> None:
        """Begin the next task."""

    @abstractmethod
    def close(self) -> None:
        """Keep what was learned, for good."""

    @abstractmethod
    def influences(self, task: int) -> dict[str, Tensor]:
        """What of it a task's answers depend on."""


@dataclass(frozen=True)
class Rule:
    """How a mask follows from scores."""

    capacity: float = 0.5  # share of the weights that a mask keeps
    scope: Literal["layer", "global"] = "layer"  # what is ranked together; global: all layers
    score: Literal["abs", "raw"] = "abs"  # what is ranked
    sign: bool = True  # abs: the scores' gradient carries their sign
    threshold: Literal["exact", "official"] = "exact"
    init: Literal["uniform", "N01", "U01"] = "uniform"
    rate: float = 1.0  # of the scores, beside that of the weights
    stale: bool = False  # keep the mask that the last step began with


class Subnet(OfTask):
    """Weights θ with scores s; a layer that calls it is given θ ⊙ m."""

    def __init__(self, theta: nn.Parameter, fan_in: int, rule: Rule) -> None:
        super().__init__()
        self.rule, self.fan_in = rule, fan_in
        self.theta = theta
        self.s = nn.Parameter(torch.empty_like(theta))
        self.masks, self.last = Masks(theta), Latest()
        self.before: Tensor | None = None  # the scores before a step, where they move at a rate of their own
        self.free: Tensor | None = None  # 1 - M, in bits: what no earlier task uses
        # between which bits θ may lie: at its value where an earlier task uses it, anywhere elsewhere
        self.least: Tensor | None = None
        self.most: Tensor | None = None
        self.hint = Hint()  # where the threshold was, for speed alone
        self.peers: tuple[Subnet, ...] = (self,)  # whose scores are ranked together
        self.reset_scores()

    def reset_scores(self) -> None:
        """Draw the scores from torch's global generator."""
        bound = self.fan_in**-0.5  # Kaiming's uniform with a = sqrt 5, torch's default for weights
        draw = {
            "uniform": lambda s: nn.init.uniform_(s, -bound, bound),
            "N01": nn.init.normal_,
            "U01": nn.init.uniform_,
        }
        draw[self.rule.init](self.s)

    def forward(self) -> Tensor:
        """θ ⊙ m, of the task being learned or of the one that is worn."""
        if self.worn is not None:
            return through_mask(self.theta, self.masks.of(self.worn))
        signed = self.rule.score == "abs" and self.rule.sign
        return _Masked.apply(self.theta, self.s, self.select(), self.free, signed)  # type: ignore[no-any-return, no-untyped-call]

    @torch.no_grad()
    def select(self) -> Selected:
        """M as it follows from the scores as they are now."""
        absolute = self.rule.score == "abs"
        if len(self.peers) == 1 and self.rule.threshold == "exact":
            count = count_of(self.rule.capacity, self.s.numel())
            return select_top(self.s, count, absolute=absolute, hint=self.hint)
        ranked = torch.cat([(peer.s.abs() if absolute else peer.s).flatten() for peer in self.peers])
        if self.rule.threshold == "official":
            masks = official_mask(ranked, self.rule.capacity)
        else:
            masks = top_mask(ranked, count_of(self.rule.capacity, len(ranked)))
        sizes = [peer.s.numel() for peer in self.peers]
        start = sum(sizes[: self.peers.index(self)])
        return Selected(kept=masks[start : start + self.s.numel()].view(self.s.shape).to(self.s.dtype))

    def chosen(self) -> Tensor:
        """M as it follows from the scores as they are now, True where a weight is kept."""
        return self.select().mask(self.s.detach())

    def open(self) -> None:
        """Note what earlier tasks use, and the values there."""
        self.last.forget()
        owned = self.masks.union()
        if owned is None:
            return
        bits = bits_of(self.theta.detach())
        ends = torch.iinfo(bits.dtype)
        self.free = torch.where(owned, 0, -1).to(bits.dtype)
        self.least, self.most = torch.where(owned, bits, ends.min), torch.where(owned, bits, ends.max)

    def note(self) -> None:
        """Before a step: its mask, the scores, where they are asked for."""
        if self.rule.stale:
            self.last["mask"] = self.chosen()
        if self.rule.rate != 1:
            self.before = self.s.detach().clone()

    def restore(self) -> None:
        """Undo whatever the optimiser did to weights of earlier tasks: momentum and decay included."""
        if self.least is not None and self.most is not None:
            bits_of(self.theta.detach()).clamp_(self.least, self.most)

    def holds(self) -> bool:
        """Whether what earlier tasks use has its value still, to the bit."""
        if self.least is None or self.most is None:
            return True
        bits = bits_of(self.theta.detach())
        return torch.equal(bits, bits.clamp(self.least, self.most))

    def rescale(self) -> None:
        """Make the step that the scores have made so many times as long."""
        if self.before is not None:
            s = self.s.detach()
            torch.lerp(self.before, s, self.rule.rate, out=s)
            self.before = None

    def close(self) -> None:
        """Keep the mask."""
        self.masks.add(self.last["mask"] if self.rule.stale else self.chosen())
        self.free = self.least = self.most = None
        self.last.forget()

    def influences(self, task: int) -> dict[str, Tensor]:
        """The mask, and the weights under it."""
        mask = self.masks.of(task)
        return {"mask": mask, "theta": through_mask(self.theta.detach(), mask)}


def bits_of(weights: Tensor) -> Tensor:
    """A view as whole numbers: equal and unequal are to the bit, and no number is rounded or flushed to zero."""
    return weights.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[weights.element_size()])


class _Masked(torch.autograd.Function):
    """θ ⊙ m; the gradient reaches θ where it is chosen and free, and goes straight through to s everywhere."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, s: Tensor, m: Selected, free: Tensor | None, signed: bool) -> Tensor:
        ctx.save_for_backward(theta, s)
        ctx.m, ctx.free, ctx.signed = m, free, signed
        return m.through(theta, s)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        theta, s = ctx.saved_tensors
        to_theta, to_s = ctx.m.through(g, s), g * theta
        if ctx.free is not None:
            bits_of(to_theta).bitwise_and_(ctx.free)
        if ctx.signed:  # at zero, where |s| has no derivative, as where it is negative
            _flipped(to_s, s, -1.0, False, grad_input=to_s)
        return to_theta, to_s, None, None, None


_flipped = torch.ops.aten.leaky_relu_backward.grad_input  # (x, s, -1): x where s > 0, else -x
