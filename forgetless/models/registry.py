"""Backbones by name, and how a model is built of one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from ..errors import SettingsError
from ..networks import network_problem
from .model import Model

Shape = tuple[int, ...]


class Backbone(nn.Module, ABC):
    """A network from images to features. (B, K, H, W) -> (B, width)"""

    width: int  # of its features; of one that can be widened, those that it begins with
    linear: Sequence[str] = ()  # its last layers, where these are linear with nothing but a ReLU after each

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, width)"""

    def give_up(self, layers: int) -> tuple[int, ...]:
        """Let go of its last linear layers; the widths that they had, lowest first."""
        names = self.linear[len(self.linear) - layers :]
        given = [cast(nn.Linear, self.get_submodule(name)) for name in names]
        for name in names:
            parent, _, last = name.rpartition(".")
            setattr(self.get_submodule(parent), last, nn.Identity())
        self.width = given[0].in_features
        return tuple(layer.out_features for layer in given)


class ConvBackbone(Backbone):
    """A backbone in two parts, so that its last feature maps can be asked for: attention is read off them."""

    # `pool` is exactly the mean over the pixels: a score is then linear in the maps, its Grad-CAM has a closed form
    averages: ClassVar[bool] = False

    @abstractmethod
    def maps(self, x: Tensor) -> Tensor:
        """The last maps before they are pooled, rectified; a ResNet's after its last sum. -> (B, D, H', W')"""

    @abstractmethod
    def pool(self, maps: Tensor) -> Tensor:
        """All that comes after the maps. (B, D, H', W') -> (B, width)"""

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, width)"""
        return self.pool(self.maps(x))


def linear_layers(model: Model) -> list[nn.Module]:
    """The fully connected layers of a model's backbone, but for an mlp's first.

    Raises:
        SettingsError: it has none.
    """
    names = model.backbone.linear if isinstance(model.backbone, Backbone) else ()
    if not names:
        raise SettingsError(
            f"The fully connected layers below the head were asked for, but {type(model.backbone).__name__} has none. "
            "Use an mlp of several layers or a lenet, or the method frozen, which trains heads alone."
        )
    return [model.backbone.get_submodule(name) for name in names]


Builder = Callable[[Shape, Sequence[int] | None], Backbone]
AnyBuilder = TypeVar("AnyBuilder", bound=Builder)

BACKBONES: dict[str, Builder] = {}


def backbone(name: str) -> Callable[[AnyBuilder], AnyBuilder]:
    """Register what makes a backbone of an input's shape (K, H, W) and hidden widths (None: its own)."""

    def wrap(build: AnyBuilder) -> AnyBuilder:
        BACKBONES[name] = build
        return build

    return wrap


def build_model(
    name: str,
    input_shape: Shape,
    *,
    hidden: Sequence[int] | None = None,
    head_layers: int = 1,
    widen: int = 0,
) -> Model:
    """A new model with no head rows yet, its weights drawn from torch's global generator.

    Args:
        name: a registered backbone.
        input_shape: (K, H, W).
        hidden: widths of an mlp's hidden layers.
        head_layers: linear layers of each block of the head, which the backbone gives up but for the last of them.
        widen: nodes that an mlp's last three hidden layers gain with each block of the head after the first.

    Raises:
        SettingsError: there is no such network, or it cannot be had like this.
    """
    if name not in BACKBONES:
        close = get_close_matches(name, BACKBONES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise SettingsError(
            f"There is no model named {name!r}.{hint} There are: {', '.join(sorted(BACKBONES))}."
        )
    if problem := network_problem(name, hidden, head_layers, widen):
        raise SettingsError(problem)
    body = BACKBONES[name](tuple(input_shape), hidden)
    own = body.give_up(head_layers - 1) if head_layers > 1 else ()
    if widen:
        cast(Any, body).make_wide()
    return Model(body, body.width, own, widen).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def image_shape(name: str, shape: Shape, hidden: Sequence[int] | None, *, least: int) -> Shape:
    """The shape (K, H, W), if a convolutional network of this name can take it; a sentence if not."""
    if hidden is not None:
        raise SettingsError(
            f"The model {name!r} was asked for with hidden widths {tuple(hidden)}, but its widths are fixed. "
            "Leave --hidden away, or use the model 'mlp'."
        )
    if len(shape) != 3 or min(shape[1:]) < least:
        raise SettingsError(
            f"The model {name!r} was asked to take inputs of shape {shape}, but it needs images (channels, height, "
            f"width) of at least {least} x {least} pixels. Use larger images, or the model 'mlp'."
        )
    return shape
