"""Networks: a backbone and a head that grows, and what methods remember in."""

from . import lenet, mlp, resnet
from .containers import BufferDict, Snapshot
from .folding import folded
from .model import Head, Model
from .points import Point, loss_at, move_to, risks_at, weights_within
from .registry import BACKBONES, Backbone, ConvBackbone, backbone, build_model
from .segment import Segment
from .sphere import Sphere

__all__ = [
    "BACKBONES",
    "Backbone",
    "BufferDict",
    "ConvBackbone",
    "Head",
    "Model",
    "Point",
    "Segment",
    "Snapshot",
    "Sphere",
    "backbone",
    "build_model",
    "folded",
    "lenet",
    "loss_at",
    "mlp",
    "move_to",
    "resnet",
    "risks_at",
    "weights_within",
]
