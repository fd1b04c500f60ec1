"""The methods: one idea, one file. A registered name is its file's name."""

from . import cumulative, finetune, frozen, joint, l2_anchor, lfd, lwf, lwf_mc, lwm, wsn
from .base import METHODS, Fit, Method, Terms, method

__all__ = [
    "METHODS",
    "Fit",
    "Method",
    "Terms",
    "cumulative",
    "finetune",
    "frozen",
    "joint",
    "l2_anchor",
    "lfd",
    "lwf",
    "lwf_mc",
    "lwm",
    "method",
    "wsn",
]
