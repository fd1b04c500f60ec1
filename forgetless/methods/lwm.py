"""Learning without Memorizing.

    Dhar, Singh, Peng, Wu, Chellappa, "Learning without Memorizing", CVPR 2019. arXiv:1811.08051

LwF asks the new network (the student, M_t) for the old one's answers (the teacher's, M_{t-1}); LwM also asks it to
look at the same pixels for them. Where a network looks when it scores class c is its Grad-CAM map Q: the last maps
A_k, each weighted by how much it moves that score, summed, rectified (section 3.2, eq. 2).

    start with   M_{t-1} frozen; M_t a copy of it, with new head rows
    learn        train M_t, on new images alone, on L_C + β L_D + γ L_AD                                  (eq. 3)
                 b     the base class that M_t scores highest, one for each image, the same for both networks  (4.1)
                 L_AD  Σ_j | Q_{t-1,j} / ‖Q_{t-1}‖₂ - Q_{t,j} / ‖Q_t‖₂ |,  the maps of b, pixels j         (eqs. 4-6)

L_C is the cross-entropy over the new classes, L_D a distillation of all base classes. As printed (eq. 1) L_D keeps
half of a binary cross-entropy and pushes all base scores up for ever; the default is the whole, which iCaRL's code
computes and which the paper says it uses. Base classes are all old labels; where these have several heads, L_D is
summed over them, and b is the best of all heads.

The paper gives neither β nor γ nor the optimiser. γ weighs a sum over pixels, at most the root of 2 H W where Q is
rectified: tell the maps' size with it. An image with a dead map, all of it rectified away, has no attention and counts
as zero.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor

from ..data import Batch, Task
from ..kinds import NonNegative, Positive
from ..models import Look, Model, Snapshot, folded, in_closed_form, look, require_pixels
from ..ops import (
    among,
    attention_distance,
    binary_cross_entropy,
    cross_entropy,
    distill,
    distill_one_sided,
    distill_sigmoid,
    side_by_side,
)
from .base import Fit, Method, Terms, method

Distance = Callable[[Tensor, Tensor], Tensor]


@method("lwm", capturable=True)
class LwM(Method):
    """Answer new images on the old labels as the old network does, and look where it looks."""

    scenarios = ("task", "class")

    beta: NonNegative = 1.0  # β, of the answers (eq. 3; no value is published)
    gamma: NonNegative = 1.0  # γ, of the attention (eq. 3; no value is published)
    # form of L_D: the whole binary cross-entropy; as printed (eq. 1); a softmax at `temperature`, as others have it
    ld: Literal["bce", "printed", "softmax"] = "bce"
    ld_reduction: Literal["sum", "mean"] = "sum"  # of L_D over the labels of a group
    temperature: Positive = 2.0  # T of ld=softmax, which is not the paper's
    base_class: Literal["student", "teacher"] = "student"  # whose best base class b is (section 4.1: M_t's)
    relu: bool = True  # rectify Q (eq. 2)
    channel_sum: bool = True  # Q sums over the channels (eq. 2); False: it keeps them, as some code does
    # what L_AD is differentiated through: full: all of Q; first_order: A alone; detached: nothing, a common fault
    attention: Literal["full", "first_order", "detached"] = "full"
    # how Q is computed: closed: from head rows; autograd: second-order; auto: closed where the network allows it
    cam: Literal["auto", "closed", "autograd"] = "auto"
    map_reduction: Literal["sum", "mean"] = "sum"  # of L_AD over the pixels (eq. 6: sum)
    dead_map: Literal["mask", "keep"] = "mask"  # where a map is dead: distance zero, or as it comes
    # labels in L_C; new: this task's (section 5.3); seen: all that they compete with at test time; auto: new
    scope: Literal["auto", "new", "seen"] = "auto"
    lc: Literal["ce", "bce"] = "ce"  # L_C: softmax (section 5.1), or a sigmoid for each label, as iCaRL's

    def setup(self) -> None:
        """Nothing that is learned from outlives a task: the old network is the one that the task begins with."""
        self.old: Snapshot | None = None
        self.register_buffer("looked", torch.zeros(2))  # in this task: shares of dead maps, steps
        self.closed = bool(self.gamma) and in_closed_form(self.model, self.cam)

    def learn(self, task: Task) -> Iterator[Fit]:
        """Keep the old network, grow, train."""
        if self.gamma:
            require_pixels(self.model, task.train.inputs(slice(0, 1)))
        self.require_known(task)
        self.old = Snapshot(folded(self.model)) if task.old_groups and (self.beta or self.gamma) else None
        self.groups = side_by_side(task.old_groups, task.rivals.device)
        seen = self.scope == "seen"
        self.rivals = task.rivals if seen else among(task.rivals, task.classes)
        self.first = (task.competing if seen else task.classes)[0]  # of the labels in L_C
        self.model.grow(task.classes)
        self.get_buffer("looked").zero_()
        yield Fit(task.train)
        if self.gamma:  # the share of dead maps in each task, 0 in the first, where no maps are compared
            dead, steps = self.get_buffer("looked")[:1], self.get_buffer("looked")[1:]
            shares = [self.measured["dead_maps"]] if "dead_maps" in self.measured else []
            self.measured["dead_maps"] = torch.cat([*shares, dead / steps.clamp(min=1)])

    def loss(self, batch: Batch, task: Task) -> tuple[Terms, dict[str, Tensor]]:
        """L_C + β L_D + γ L_AD; and the share of images with a dead map."""
        if self.old is None:
            return {"new": self.classify(self.model(batch.x), batch.y)}, {}
        if not self.gamma:
            z, v = self.model(batch.x), self.old(batch.x)
            return {"new": self.classify(z, batch.y), "old": self.beta * self.answer(z, v)}, {}
        now, before = look(self.model, batch.x), look(cast(Model, self.old.module), batch.x)
        terms = {"new": self.classify(now.scores, batch.y)}
        if self.beta:
            terms["old"] = self.beta * self.answer(now.scores, before.scores.detach())
        apart, dead = self.attend(now, before)
        return terms | {"attention": self.gamma * apart.mean()}, {"dead": dead.float().mean()}

    def classify(self, z: Tensor, y: Tensor) -> Tensor:
        """L_C. (B, C), (B,) -> ()"""
        return cross_entropy(z, y, self.rivals) if self.lc == "ce" else binary_cross_entropy(z, y, self.first)

    def answer(self, z: Tensor, v: Tensor) -> Tensor:
        """L_D, of the student's and the teacher's scores. (B, C), (B, N) -> ()"""
        softmax: Distance = partial(distill, temperature=self.temperature)
        forms: dict[str, Distance] = {"bce": distill_sigmoid, "printed": distill_one_sided}
        form = forms.get(self.ld, softmax)
        parts = [g.softmaxes * form(g.now(z), g.old(v)) for g in self.groups]
        if self.ld_reduction == "mean":
            parts = [part / g.now(z).shape[-1] for part, g in zip(parts, self.groups, strict=True)]
        return torch.stack(parts).sum()

    def attend(self, now: Look, before: Look) -> tuple[Tensor, Tensor]:
        """L_AD of each image, from what student and teacher see of it, and whether a map is dead. -> (B,), (B,)"""
        z, v = now.scores, before.scores
        b = (z[:, : v.shape[1]] if self.base_class == "student" else v).argmax(1)
        form = {"closed": self.closed, "relu": self.relu, "channel_sum": self.channel_sum}
        q_old = before.at(b, first_order=True, **form).detach()
        q_now = now.at(b, first_order=self.attention != "full", **form)
        if self.attention == "detached":
            q_now = q_now.detach()
        keep = self.dead_map == "keep"
        return attention_distance(q_now, q_old, reduction=self.map_reduction, keep_dead=keep)

    def after_step(self, batch: Batch, task: Task, aux: dict[str, Tensor]) -> None:
        """Note how many images had a dead map."""
        if "dead" in aux:
            self.get_buffer("looked").add_(torch.stack([aux["dead"], torch.ones_like(aux["dead"])]))
