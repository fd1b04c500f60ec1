"""Inference copies with batch normalisation folded into the convolutions: the same answers in fewer passes."""

from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .resnet import ConvNorm

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def folded(module: AnyModule) -> AnyModule:
    """A copy in evaluation mode that answers as the module does in it, but for rounding; for inference alone.

    In evaluation mode a batch normalisation is a factor and an offset for each channel, which the convolution
    before it can take over: w / sigma in place of w, and a bias.
    """
    copy = deepcopy(module).eval().requires_grad_(False)
    for parent in list(copy.modules()):
        for name, part in list(parent.named_children()):
            if (
                isinstance(part, ConvNorm) and type(part.conv) is nn.Conv2d
            ):  # not one whose weights are computed
                setattr(parent, name, fuse_conv_bn_eval(part.conv, part.norm).requires_grad_(False))
    return copy
