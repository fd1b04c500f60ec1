"""Networks: a backbone and a head that grows, and what methods remember in."""

from . import alexnet, lenet, lenet_wsn, mlp, resnet
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
    "Model",
    "Snapshot",
    "alexnet",
    "backbone",
    "build_model",
    "folded",
    "lenet",
    "lenet_wsn",
    "mlp",
    "resnet",
]
