"""The methods: one idea, one file. A registered name is its file's name."""

from . import (
    cumulative,
    duplicate,
    ewc,
    finetune,
    frozen,
    icarl,
    joint,
    l2_anchor,
    lfd,
    lfl,
    lwf,
    lwf_mc,
    lwm,
    wsn,
)
from .base import METHODS, Fit, Method, Terms, method

__all__ = [
    "METHODS",
    "Fit",
    "Method",
    "Terms",
    "cumulative",
    "duplicate",
    "ewc",
    "finetune",
    "frozen",
    "icarl",
    "joint",
    "l2_anchor",
    "lfd",
    "lfl",
    "lwf",
    "lwf_mc",
    "lwm",
    "method",
    "wsn",
]
