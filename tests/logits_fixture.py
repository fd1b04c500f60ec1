"""A fixed table of logits, and LwF and LwF-MC in the midst of their third task on it."""

import pytest
import torch
from torch import nn

from forgetless.data import Batch, Split, Stream, compile_layouts
from forgetless.methods import METHODS
from forgetless.models import Model

I3, J7, J4 = torch.arange(1, 4)[:, None], torch.arange(1, 8), torch.arange(1, 5)
Z = 2 * torch.sin(0.7 * I3.double() + 1.3 * J7.double())
V = 2 * torch.cos(0.5 * I3.double() + 0.9 * J4.double())
Y = torch.tensor([4, 6, 5])


class Answers(nn.Module):
    """An old network that answers the fixture's V, whatever it is asked."""

    def forward(self, x):
        return V


def fixture(scenario):
    """Two tasks of two labels and one of three; the images are the logits."""
    data = Split(Z, Y)
    layouts = compile_layouts(scenario, [(0, 1), (2, 3), (4, 5, 6)])
    return Stream("fixture", 1, scenario, "none", tuple("abcdefg"), layouts, (lambda: data,) * 3, (data,))


def begun(name, scenario, **fields):
    """The method in the midst of the third task, its network passing the images on as logits."""
    stream = fixture(scenario)
    method = METHODS[name](Model(nn.Identity(), 7).double(), **fields)
    for task in stream.tasks:
        next(method.learn(task))
    for block, group in zip(method.model.head.blocks, method.model.head.groups, strict=True):
        block.weight.data = torch.eye(max(7, group[-1] + 1), 7)[list(group)].double()
    method.old = Answers() if method.old is not None else None
    return method, task


def loss(name, scenario, **fields):
    """The terms in the third task, and the gradient of each with respect to the fixture's Z."""
    method, task = begun(name, scenario, **fields)
    return terms_of(method, task)


def terms_of(method, task, visit=0):
    """The terms of one visit, and their gradients with respect to Z."""
    x = Z.clone().requires_grad_()
    terms = method.loss(Batch(x, Y, torch.arange(3), torch.zeros(()), visit=visit), task)
    gradients = {key: torch.autograd.grad(value, x, retain_graph=True)[0] for key, value in terms.items()}
    return {key: value.item() for key, value in terms.items()}, gradients


def golden(value, expected):
    assert value == pytest.approx(expected, abs=1e-9, rel=0)
