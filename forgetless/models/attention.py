"""Asking a model for its last feature maps together with the scores that it reads off them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from ..errors import SettingsError
from ..ops import class_map, full, gradient_map, in_full
from .containers import Snapshot
from .model import Model
from .registry import ConvBackbone


class Look(NamedTuple):
    """What one pass over a batch gives: maps (B, D, H, W), scores (B, C), and the head's rows (C, D)."""

    maps: Tensor
    scores: Tensor
    rows: Tensor

    def at(
        self,
        classes: Tensor,
        *,
        closed: bool,
        relu: bool = True,
        first_order: bool = False,
        channel_sum: bool = True,
    ) -> Tensor:
        """Grad-CAM of one class for each image: in closed form, or by differentiation.

        (B,) -> (B, H, W), or (B, D, H, W) without the sum over channels
        """
        if closed:
            rows = self.rows.detach() if first_order else self.rows
            return class_map(self.maps, rows[classes], relu=relu, channel_sum=channel_sum)
        scores = self.scores.gather(1, classes[:, None])[:, 0]
        return gradient_map(self.maps, scores, relu=relu, first_order=first_order, channel_sum=channel_sum)


def mapped(model: Model) -> ConvBackbone:
    """A model's backbone, if its last maps can be asked for.

    Raises:
        SettingsError: it has none.
    """
    if isinstance(model.backbone, ConvBackbone):
        return model.backbone
    raise SettingsError(
        f"Attention was to be read off the last feature maps, but {type(model.backbone).__name__} has none. Use a "
        "convolutional network (--model resnet32, resnet18, lenet), or a method that needs no maps: lwf."
    )


def in_closed_form(model: Model, asked: Literal["auto", "closed", "autograd"]) -> bool:
    """Whether Grad-CAM is to be computed in closed form: as asked, or where it is valid.

    Raises:
        SettingsError: the model has no maps, or the closed form was asked for and is not valid.
    """
    linear = mapped(model).averages and not model.head.hidden
    if asked == "closed" and not linear:
        raise SettingsError(
            "Attention maps in closed form were asked for (cam=closed), but the scores of "
            f"{type(model.backbone).__name__} are not linear in the average of its last maps. Use cam=autograd, or a "
            "network in which they are: resnet18, resnet32."
        )
    return linear and asked != "autograd"


def require_pixels(model: Model, x: Tensor) -> None:
    """See that the last maps of such images have more than one pixel: with one, any two maps are equal.

    Raises:
        SettingsError: they have not.
    """
    maps = cast(ConvBackbone, Snapshot(mapped(model)).module).maps(x)
    if maps[0, 0].numel() == 1:
        raise SettingsError(
            f"Attention was to be read off the last feature maps, but those of {type(model.backbone).__name__} are "
            f"1 x 1 pixels on images of {x.shape[2]} x {x.shape[3]}. Use larger images, a network that shrinks them "
            "less (--model resnet32), or a method that needs no maps: lwf."
        )


def look(model: Model, x: Tensor) -> Look:
    """Maps and scores of one pass, in full precision from the maps on. (B, K, H, W) -> Look

    Where nothing requires a gradient, as in a Snapshot, the maps do: Grad-CAM can be had of them all the same.
    """
    backbone = mapped(model)
    maps = backbone.maps(x)
    with in_full(x.device):
        maps = full(maps)
        if not maps.requires_grad:
            maps = maps.detach().requires_grad_()
        scores = model.head(backbone.pool(maps))
    rows = torch.cat([cast(nn.Linear, block).weight for block in model.head.blocks])
    return Look(maps, scores, rows)


@contextmanager
def watched(model: Model) -> Iterator[list[Tensor]]:
    """Inside: the last maps of each pass, in full precision, are kept; scores can be differentiated by them alone."""
    backbone, seen = mapped(model), list[Tensor]()
    own = backbone.maps

    def maps(x: Tensor) -> Tensor:
        seen.append(full(own(x)).detach().requires_grad_())
        return seen[-1]

    backbone.maps = maps  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del backbone.maps
