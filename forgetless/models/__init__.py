"""Networks: a backbone and a head that grows, how they are looked at and copied, and what tensors are kept in."""

from . import alexnet, lenet, lenet_wsn, mlp, resnet
from .attention import Look, in_closed_form, look, mapped, require_pixels, watched
from .containers import BufferDict, Snapshot
from .folding import folded
from .model import Head, Model
from .registry import BACKBONES, Backbone, ConvBackbone, backbone, build_model, linear_layers

__all__ = [
    "BACKBONES",
    "Backbone",
    "BufferDict",
    "ConvBackbone",
    "Head",
    "Look",
    "Model",
    "Snapshot",
    "alexnet",
    "backbone",
    "build_model",
    "folded",
    "in_closed_form",
    "lenet",
    "lenet_wsn",
    "linear_layers",
    "look",
    "mapped",
    "mlp",
    "require_pixels",
    "resnet",
    "watched",
]
