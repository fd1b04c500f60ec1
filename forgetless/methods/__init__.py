"""The methods: one idea, one file. A registered name is its file's name."""

from . import finetune, joint, lwf
from .base import METHODS, Fit, Method, Terms, method

__all__ = ["METHODS", "Fit", "Method", "Terms", "finetune", "joint", "lwf", "method"]
