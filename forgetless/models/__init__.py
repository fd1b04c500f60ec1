"""Networks: a backbone and a head that grows, and what methods remember in."""

from . import lenet, mlp, resnet
from .containers import BufferDict, Snapshot
from .fisher import fisher_diagonal
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
    "backbone",
    "build_model",
    "fisher_diagonal",
    "folded",
    "lenet",
    "mlp",
    "resnet",
]
