"""A tensor of weights with scores beside it, and the subnetworks of tasks that follow from them."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from ..mask_code import GROUP, TASKS_AT, decode, encode
from ..ops import Selected, count_of, official_mask, select_top, through_mask, top_mask
from .containers import BufferDict


class OfTask(nn.Module):
    """A part of a network that differs from task to task."""

    def __init__(self) -> None:
        super().__init__()
        self.worn: int | None = None  # whose is in use; None: the one being learned

    @abstractmethod
    def open(self) -> None:
        """Begin the next task."""

    def restore(self) -> None:
        """Undo whatever the optimiser did to what earlier tasks use."""

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


class Masks(BufferDict):
    """Masks of one tensor, one for each task, kept and saved in the paper's code (`forgetless.mask_code`).

    Beside the containers the symbols themselves are at hand, which are not part of the state.
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.shape, self.tasks = like.shape, 0
        self.layout = torch.channels_last if like.dim() == 4 else torch.contiguous_format
        self.symbols: list[Tensor] = []  # bit b of the g-th: the mask of task 7 g + b

    def add(self, mask: Tensor) -> None:
        """Append the next task's mask."""
        number, bit = divmod(self.tasks, GROUP)
        symbols = mask.to(torch.uint8) << bit
        if bit:
            symbols |= self.symbols.pop()
        self.symbols.append(symbols.contiguous(memory_format=self.layout))
        self.tasks += 1
        container = encode(symbols.cpu().flatten().numpy(), bit + 1)
        self[str(number)] = torch.from_numpy(container).to(mask.device)

    def of(self, task: int) -> Tensor:
        """A task's mask."""
        number, bit = divmod(task, GROUP)
        return (self.symbols[number] & (1 << bit)).bool()

    def union(self) -> Tensor | None:
        """What any task keeps; None before the first."""
        union = None
        for symbols in self.symbols:
            union = symbols.bool() if union is None else union | symbols.bool()
        return union

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.symbols = [fn(symbols) for symbols in self.symbols]
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        before = dict(self.items())
        super()._load_from_state_dict(state, prefix, *rest)
        known = dict(zip(before, self.symbols, strict=True))
        self.symbols, self.tasks = [], 0
        for name, container in self.items():
            same = name in before and torch.equal(before[name], container)
            self.symbols.append(known[name] if same else self._decoded(container))
            self.tasks += int(container[TASKS_AT])

    def _decoded(self, container: Tensor) -> Tensor:
        symbols = torch.from_numpy(decode(container.cpu().numpy())[0]).view(self.shape)
        return symbols.to(container.device).contiguous(memory_format=self.layout)


class Subnet(OfTask):
    """Weights θ with scores s; a layer that calls it is given θ ⊙ m."""

    def __init__(self, theta: nn.Parameter, fan_in: int, rule: Rule) -> None:
        super().__init__()
        self.rule, self.fan_in = rule, fan_in
        self.theta = theta
        self.s = nn.Parameter(torch.empty_like(theta))
        self.masks = Masks(theta)
        self.free: Tensor | None = None  # 1 - M, in bits: what no earlier task uses
        # between which bits θ may lie: at its value where an earlier task uses it, anywhere elsewhere
        self.least: Tensor | None = None
        self.most: Tensor | None = None
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
            return select_top(self.s, count_of(self.rule.capacity, self.s.numel()), absolute=absolute)
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
        owned = self.masks.union()
        if owned is None:
            return
        bits = bits_of(self.theta.detach())
        ends = torch.iinfo(bits.dtype)
        self.free = torch.where(owned, 0, -1).to(bits.dtype)
        self.least, self.most = torch.where(owned, bits, ends.min), torch.where(owned, bits, ends.max)

    def restore(self) -> None:
        """Undo whatever the optimiser did to weights of earlier tasks: momentum and decay included."""
        if self.least is not None and self.most is not None:
            bits_of(self.theta.detach()).clamp_(self.least, self.most)

    def close(self) -> None:
        """Keep the mask."""
        self.masks.add(self.chosen())
        self.free = self.least = self.most = None

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
