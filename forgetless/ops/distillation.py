"""How far a network's answers are from a teacher's, on the labels of one group: a scalar, the mean over the batch.

Both sides are given as logits, (B, C) each, or (B, G, C) for G softmaxes side by side, of which it is the mean. A
label that the teacher does not know has the logit minus infinity there, probability zero: `unknown` appends such
labels. The teacher's side is taken as it comes: detach it, or ask a frozen network.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def unknown(answers: Tensor, labels: int) -> Tensor:
    """A teacher's logits with so many labels appended that it gives probability zero. (B, C) -> (B, C + labels)"""
    return F.pad(answers, (0, labels), value=float("-inf"))


def distill(
    logits: Tensor,
    answers: Tensor,
    temperature: float = 2.0,
    *,
    form: Literal["ce", "kl"] = "ce",
    squared: bool = False,
) -> Tensor:
    """Knowledge distillation, Li & Hoiem eqs. 2-4: softmax at a temperature on both sides. (B, C), (B, C) -> ()

    `ce` is the cross-entropy, as in the paper; `kl` less the teacher's entropy: the same gradient, zero at
    equality. `squared` multiplies by the temperature squared, as Hinton et al. do; the paper does not.
    """
    targets = (answers / temperature).softmax(-1)
    value = -(targets * (logits / temperature).log_softmax(-1)).sum(-1).mean()
    if form == "kl":
        value = value - torch.special.entr(targets).sum(-1).mean()
    return value * temperature**2 if squared else value


def distill_l1(logits: Tensor, answers: Tensor) -> Tensor:
    """Sum of the absolute differences of the probabilities. (B, C), (B, C) -> ()"""
    return (logits.softmax(-1) - answers.softmax(-1)).abs().sum(-1).mean()


def distill_l2(logits: Tensor, answers: Tensor) -> Tensor:
    """Half the sum of the squared differences of the probabilities. (B, C), (B, C) -> ()"""
    return (logits.softmax(-1) - answers.softmax(-1)).square().sum(-1).mean() / 2


def distill_sigmoid(logits: Tensor, answers: Tensor, temperature: float = 1.0) -> Tensor:
    """Sum over the labels of the binary cross-entropies of their sigmoids. (B, C), (B, C) -> ()

    At T = 1 the old labels' part of iCaRL's loss; at T = 2 Li & Hoiem's distillation for images of many labels.
    """
    targets = (answers / temperature).sigmoid()
    return F.binary_cross_entropy_with_logits(logits / temperature, targets, reduction="none").sum(-1).mean()


def distill_one_sided(logits: Tensor, answers: Tensor) -> Tensor:
    """That half of `distill_sigmoid` which speaks of right labels, Dhar et al. eq. 1 as printed. (B, C), (B, C) -> ()

    No distillation: where both sides are equal its gradient is not zero but pulls all scores up, without bound.
    """
    return -(answers.sigmoid() * F.logsigmoid(logits)).sum(-1).mean()
