"""Networks: a backbone and a head that grows, and what methods remember in."""

from . import lenet, mlp, resnet
from .attention import Look, in_closed_form, look, mapped, require_pixels
from .containers import BufferDict, Snapshot
from .folding import folded
from .model import Head, Model
from .registry import BACKBONES, Backbone, ConvBackbone, backbone, build_model

__all__ = [
    "BACKBONES",
    "Backbone",
    "BufferDict",
    "ConvBackbone",
    "Head",
    "Look",
    "Model",
    "Snapshot",
    "backbone",
    "build_model",
    "folded",
    "in_closed_form",
    "lenet",
    "look",
    "mapped",
    "mlp",
    "require_pixels",
    "resnet",
]
