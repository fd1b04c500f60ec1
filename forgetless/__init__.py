"""forgetless: teach a neural network new things without it forgetting the old ones."""

from .version import __version__

__all__ = ["__version__"]
