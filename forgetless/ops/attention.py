"""Where a network looks when it scores a class: Grad-CAM maps, and how far two of them are from each other.

    Selvaraju et al., "Grad-CAM", ICCV 2017; Dhar et al., "Learning without Memorizing", CVPR 2019, eqs. 2 and 4-6

Maps of features are (B, D, H, W), one score for each image is (B,), a map Q is (B, H, W). All of it is computed in
full precision, outside autocast: small differences of maps, and gradients of gradients, do not survive half
precision. Scores that are to be differentiated must have been computed so as well: `forgetless.models.look` does.
"""

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import SettingsError

FAINT = 1e-6  # a Grad-CAM map whose norm is below this is dead: its direction is rounding
FLOOR = 1e-12  # what torch's `normalize` divides by at least


def full(values: Tensor) -> Tensor:
    """Values in single precision where they are in half; as they are in single or double."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def in_full(device: torch.device) -> AbstractContextManager[None]:
    """Inside: no autocast."""
    return torch.autocast(device.type, enabled=False)


def class_map(maps: Tensor, rows: Tensor, *, relu: bool = True, channel_sum: bool = True) -> Tensor:
    """Grad-CAM in closed form, of scores linear in the maps' mean over pixels. (B, D, H, W), (B, D) -> (B, H, W)

    `rows` are the weights of each image's class. The gradient of its score is w_k / (H W) at every pixel of A_k,
    so nothing needs differentiating twice: value and gradients are those of `gradient_map`. Without `channel_sum` the
    channels are kept: (B, D, H, W).
    """
    with in_full(maps.device):
        return _weigh(full(maps), full(rows) / maps[0, 0].numel(), relu, channel_sum)


def gradient_map(
    maps: Tensor, scores: Tensor, *, relu: bool = True, first_order: bool = False, channel_sum: bool = True
) -> Tensor:
    """Grad-CAM by differentiation, for any network above the maps. (B, D, H, W), (B,) -> (B, H, W)

    The map itself can be differentiated; with `first_order` only with the weights alpha taken as constants.

    Raises:
        SettingsError: the scores depend on each other's images through a batch normalisation in training mode:
            the gradient of their sum is then not that of each.
    """
    if mixes_images(scores, maps):
        raise SettingsError(
            "Grad-CAM was asked of maps with a batch normalisation above them in training mode, where an image's "
            "score depends on the whole batch. Look at the last maps, put what is above them into evaluation mode, "
            "or use a normalisation that takes each image by itself."
        )
    with in_full(maps.device):
        (gradient,) = torch.autograd.grad(scores.sum(), maps, create_graph=not first_order, retain_graph=True)
        return _weigh(maps, gradient.mean((2, 3)), relu, channel_sum)


def attention_distance(
    now: Tensor, old: Tensor, *, reduction: Literal["sum", "mean"] = "sum", keep_dead: bool = False
) -> tuple[Tensor, Tensor]:
    """L1 distance of maps of unit length, summed over pixels, and which are dead. (B, H, W) twice -> (B,), (B,) bool

    A ReLU can leave a map with nothing in it, on either side; it has no direction, and its image gets the distance
    zero unless `keep_dead`. At most the root of 2 H W for rectified maps, else twice the root of H W; `mean` divides by
    the entries of a map.

    Raises:
        SettingsError: the maps have one pixel, where any two are equal.
    """
    if now[0].numel() == 1:
        raise SettingsError(
            "Attention was to be compared on maps of 1 x 1 pixels, where any two maps are equal once they have "
            "unit length. Use a network whose last maps are larger, or larger images."
        )
    now, old = full(now).flatten(1), full(old).flatten(1)
    long, far = (torch.linalg.vector_norm(q, dim=1, keepdim=True) for q in (now, old))
    dead = (long < FAINT) | (far < FAINT)
    if keep_dead:
        long, far = long.clamp(min=FLOOR), far.clamp(min=FLOOR)
    else:  # nothing is divided by what is nearly zero, in the gradient neither
        long, far = (length.masked_fill(dead, 1.0) for length in (long, far))
    apart = (old / far - now / long).abs().sum(1)
    apart = apart if keep_dead else apart.masked_fill(dead[:, 0], 0.0)
    return apart / now.shape[1] if reduction == "mean" else apart, dead[:, 0]


def _weigh(maps: Tensor, alpha: Tensor, relu: bool, channel_sum: bool) -> Tensor:
    """The sum over k of alpha_k A_k, or each of them. (B, D, H, W), (B, D) -> (B, H, W) or (B, D, H, W)"""
    if not channel_sum:
        return F.relu(maps * alpha[:, :, None, None]) if relu else maps * alpha[:, :, None, None]
    pixels = maps.permute(0, 2, 3, 1).flatten(1, 2)  # (B, H W, D): no copy where maps lie channels-last
    q = torch.bmm(pixels, alpha[:, :, None]).view(len(maps), *maps.shape[2:])
    return F.relu(q) if relu else q


def mixes_images(scores: Tensor, maps: Tensor) -> bool:
    """Is there a batch normalisation that uses the batch's own statistics between the maps and the scores?"""
    todo: list[Any] = [scores.grad_fn]
    seen = {None, maps.grad_fn}
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if "BatchNorm" in node.name() and node._saved_training:
            return True
        todo += [parent for parent, _ in node.next_functions]
    return False
