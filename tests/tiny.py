"""Streams and networks so small that a test can train them: a few images of 8 x 8 pixels in three tasks."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from forgetless.data import Batch, Split, Stream, compile_layouts
from forgetless.models import ConvBackbone, Model
from forgetless.models.resnet import ConvNorm

SCENARIOS = ("task", "class", "domain")


def split(labels, per_class=6, *, shift=0.0, dtype=torch.float64):
    """Images (N, 3, 8, 8): a pattern for each label, with noise. The same arguments give the same images."""
    draw = torch.Generator().manual_seed(7)
    patterns = torch.randn(max(16, max(labels) + 1), 3, 8, 8, generator=draw, dtype=dtype)
    y = torch.tensor(labels).repeat(per_class)
    return Split(patterns[y] + 0.5 * torch.randn(len(y), 3, 8, 8, generator=draw, dtype=dtype) + shift, y)


def stream(scenario, sizes=(2, 2, 2), *, dtype=torch.float64, per_class=6):
    """Tasks of so many classes each; in the domain scenario all have the first task's, on shifted images."""
    ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    classes = [tuple(range(a, b)) for a, b in pairwise(ends)]
    if scenario == "domain":
        classes = [classes[0]] * len(sizes)
    parts = [
        split(c, per_class, shift=0.3 * i * (scenario == "domain"), dtype=dtype)
        for i, c in enumerate(classes)
    ]
    makers = tuple(lambda part=part: part for part in parts)
    names = tuple(map(str, range(ends[-1])))
    layouts = compile_layouts(scenario, classes)
    return Stream("tiny", 1, scenario, "none", names, layouts, makers, tuple(parts))


def batch(data, rows=slice(None)):
    """These rows as a loss sees them, not augmented."""
    index = torch.arange(len(data))[rows]
    return Batch(data.inputs(index), data.y[index], index, torch.zeros(()))


class TinyNet(ConvBackbone):
    """3 -> 4 -> 5 channels and the mean over the pixels; batch normalisation and dropout on request."""

    averages = True
    width = 5

    def __init__(self, *, norm=True, dropout=0.0):
        super().__init__()
        self.first = ConvNorm(3, 4) if norm else nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 5, 3, padding=1)
        self.dropout = nn.Dropout(dropout)

    def maps(self, x):
        return F.relu(self.second(self.dropout(F.relu(self.first(x)))))

    def pool(self, maps):
        return maps.mean((2, 3))


def net(seed=0, *, dtype=torch.float64, **options):
    """A tiny model without head rows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Model(TinyNet(**options), 5).to(dtype)


def bits(module):
    """A copy of every tensor of a module's state, to compare later."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(before, after):
    """Whether two such copies agree to the last bit, in names too."""
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
