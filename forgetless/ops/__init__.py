"""Pure functions of tensors that methods share."""

from .losses import cross_entropy, restrict

__all__ = ["cross_entropy", "restrict"]
