"""Networks: a backbone and a head that grows, and what methods remember in."""

from . import alexnet, lenet, lenet_wsn, mlp, resnet
from .attention import Look, in_closed_form, look, mapped, require_pixels, watched
from .containers import BufferDict, Snapshot
from .folding import folded
from .isolation import count_capacity, divide, parts_of_tasks, wearing
from .masks import Masks
from .model import Head, Model
from .registry import BACKBONES, Backbone, ConvBackbone, backbone, build_model
from .subnets import OfTask, Rule, Subnet

__all__ = [
    "BACKBONES",
    "Backbone",
    "BufferDict",
    "ConvBackbone",
    "Head",
    "Look",
    "Masks",
    "Model",
    "OfTask",
    "Rule",
    "Snapshot",
    "Subnet",
    "alexnet",
    "backbone",
    "build_model",
    "count_capacity",
    "divide",
    "folded",
    "in_closed_form",
    "lenet",
    "lenet_wsn",
    "look",
    "mapped",
    "mlp",
    "parts_of_tasks",
    "require_pixels",
    "resnet",
    "watched",
    "wearing",
]
