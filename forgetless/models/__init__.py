"""Networks: a backbone and a head that grows, and what methods remember in."""

from . import lenet, mlp, resnet
from .containers import BufferDict, Snapshot
from .folding import folded
from .isolation import count_capacity, divide, parts_of_tasks, wearing
from .model import Head, Model
from .registry import BACKBONES, Backbone, ConvBackbone, backbone, build_model
from .subnets import Masks, OfTask, Rule, Subnet

__all__ = [
    "BACKBONES",
    "Backbone",
    "BufferDict",
    "ConvBackbone",
    "Head",
    "Masks",
    "Model",
    "OfTask",
    "Rule",
    "Snapshot",
    "Subnet",
    "backbone",
    "build_model",
    "count_capacity",
    "divide",
    "folded",
    "lenet",
    "mlp",
    "parts_of_tasks",
    "resnet",
    "wearing",
]
