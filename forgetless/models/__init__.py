"""Networks: a backbone and a head that grows, and what methods remember in."""

from . import alexnet, lenet, lenet_wsn, mlp, resnet
from .attention import Look, in_closed_form, look, mapped, require_pixels, watched
from .containers import BufferDict, Snapshot
from .fisher import fisher_diagonal
from .folding import folded
from .isolation import count_capacity, divide, parts_of_tasks, wearing
from .masks import Masks
from .model import Head, Model
from .points import Point, loss_at, move_to, risks_at, weights_within
from .registry import BACKBONES, Backbone, ConvBackbone, backbone, build_model
from .segment import Segment
from .sphere import Sphere
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
    "Point",
    "Rule",
    "Segment",
    "Snapshot",
    "Sphere",
    "Subnet",
    "alexnet",
    "backbone",
    "build_model",
    "count_capacity",
    "divide",
    "fisher_diagonal",
    "folded",
    "in_closed_form",
    "lenet",
    "lenet_wsn",
    "look",
    "loss_at",
    "mapped",
    "mlp",
    "move_to",
    "parts_of_tasks",
    "require_pixels",
    "resnet",
    "risks_at",
    "watched",
    "wearing",
    "weights_within",
]
