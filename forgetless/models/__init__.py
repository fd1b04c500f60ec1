"""Networks: a backbone and a head that grows, and what methods remember in."""

from .containers import BufferDict, Snapshot
from .model import Head, Model

__all__ = ["BufferDict", "Head", "Model", "Snapshot"]
