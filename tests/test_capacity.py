"""The accounting of masks: the paper's figures, and ours against a naive count."""

import numpy as np
import pytest
import tiny
import torch
from reference_loop import learn
from torch import nn

from forgetless.capacity import LayerMasks, account, cap_paper
from forgetless.mask_code import GROUP, encode, payload_bits
from forgetless.methods import METHODS
from forgetless.models import Model
from forgetless.weights import Subnet

PACKNET = {  # Kang et al., tables 1 and 2: c, tasks, published CAP in percent
    "Permuted MNIST": (0.1, 10, 96.38),
    "5-Datasets": (0.2, 5, 82.86),
    "Omniglot": (0.02, 100, 399.2),
    "CIFAR-100 Split": (0.1, 10, 96.38),
    "Superclasses": (0.05, 20, 126.65),
    "Tiny ImageNet": (0.025, 40, 188.67),
}


@pytest.mark.parametrize("name", PACKNET)
def test_the_formula_gives_the_published_figures_of_packnet_without_compression(name):
    share, tasks, published = PACKNET[name]
    assert 100 * cap_paper(1 - (1 - share) ** tasks, tasks, alpha=0) == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize(("tasks", "published"), [(20, 113.74), (40, 127.49)])
def test_the_formula_gives_the_published_figures_of_scores_drawn_anew(tasks, published):
    """Table 3: all weights are used in the end."""
    assert 100 * cap_paper(1.0, tasks) == pytest.approx(published, abs=0.011)


@pytest.mark.parametrize(
    ("tasks", "published", "density"),
    [
        (10, 122.89, 91.6),
        (5, 104.27, 88.6),
        (100, 407.12, 94.6),
        (10, 129.0, 97.8),
        (20, 162.49, 100.0),
        (40, 214.52, 89.5),
    ],
)
def test_the_published_figures_of_supsup_leave_a_density_when_masks_are_not_compressed(
    tasks, published, density
):
    """So the paper compresses its own masks alone, and one accounting for all must not."""
    assert 100 * cap_paper(density / 100, tasks, alpha=0) == pytest.approx(published, abs=0.06)
    assert 100 * cap_paper(density / 100, tasks) < published - 5


def masks_of(layers, tasks, seed=0):
    draw = np.random.default_rng(seed)
    return [draw.random((tasks, size)) < 0.3 for size in layers]


def packed(masks):
    groups = [masks[start : start + GROUP] for start in range(0, len(masks), GROUP)]
    symbols = [sum(mask.astype(np.uint8) << bit for bit, mask in enumerate(group)) for group in groups]
    stored = sum(len(encode(s, len(group))) for s, group in zip(symbols, groups, strict=True))
    return LayerMasks(symbols, len(masks), stored)


@pytest.mark.parametrize("tasks", [1, 6, 7, 8, 15])
def test_figures_agree_with_a_naive_count(tasks):
    masks = masks_of((40, 300), tasks)
    figures = {}
    for count in range(1, tasks + 1):
        figures = account([packed(layer[:count]) for layer in masks], 100, figures)
    whole = np.concatenate(masks, 1)
    for t in range(tasks):
        assert figures["union_density"][t] == pytest.approx(whole[: t + 1].any(0).mean())
        for place, layer in enumerate(masks):
            assert figures["layer_density"][t, place] == pytest.approx(layer[: t + 1].any(0).mean())
            again = layer[t] & layer[:t].any(0)
            assert figures["reuse"][t, place] == pytest.approx(again.sum() / layer[t].sum())
        for u in range(tasks):
            expected = (whole[t] & whole[u]).sum() / whole[t].sum()
            assert figures["overlap"][t, u] == pytest.approx(expected)
    stored = sum(packed(layer).stored for layer in masks)
    used = whole.any(0).sum()
    assert figures["cap_measured"][-1] == pytest.approx((32 * used + 8 * stored) / (32 * 340))
    assert figures["cap_total"][-1] == pytest.approx((32 * used + 8 * stored + 800) / (32 * 340))
    assert figures["mask_container"][-1] == pytest.approx(8 * stored / (tasks * 340))
    stream = sum(payload_bits(symbols) for layer in masks for symbols in packed(layer).symbols)
    assert figures["mask_payload"][-1] == pytest.approx(stream / (tasks * 340))
    assert figures["mask_payload"][-1] < figures["mask_container"][-1]
    assert figures["cap_paper"][-1] == pytest.approx(used / 340 + 0.22 * tasks / 32)


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 10)

    def forward(self, x):
        return self.second(self.first(x).relu().flatten(1)).relu()


@pytest.fixture(scope="module")
def learned():
    torch.manual_seed(0)
    method = METHODS["wsn"](Model(Trunk(), 10), capacity=0.3)
    stream = tiny.stream("task", dtype=torch.float32)
    for index in range(3):
        learn(method, stream.task(index), optimizer=torch.optim.Adam, lr=0.01)
    return method


def test_measured_capacity_is_what_lies_on_disk(learned, tmp_path):
    size = 0
    for number, subnet in enumerate(part for part in learned.modules() if isinstance(part, Subnet)):
        used = subnet.theta.detach()[subnet.masks.union()]
        (tmp_path / f"{number}.weights").write_bytes(used.numpy().tobytes())
        (tmp_path / f"{number}.masks").write_bytes(
            b"".join(c.numpy().tobytes() for _, c in subnet.masks.items())
        )
        size += subnet.s.numel()
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert learned.measured["cap_measured"][-1].item() == pytest.approx(8 * on_disk / (32 * size))
    heads, scores = 3 * 2 * 10 * 4, 4 * size
    rest = 8 * (heads + scores) / (32 * size)
    assert (learned.measured["cap_total"] - learned.measured["cap_measured"])[-1].item() == pytest.approx(
        rest
    )


def test_what_is_measured_has_a_row_for_each_task(learned):
    shapes = {name: tuple(value.shape) for name, value in learned.measured.items()}
    assert shapes == {
        "cap_paper": (3,), "cap_measured": (3,), "cap_total": (3,), "union_density": (3,), "mask_payload": (3,),
        "mask_container": (3,),
        "layer_density": (3, 2), "reuse": (3, 2), "overlap": (3, 3),
    }  # fmt: skip
    density = learned.measured["union_density"]
    assert 0.29 < density[0] < 0.31
    assert density.diff().min() >= 0
    assert learned.measured["reuse"][0].tolist() == [0, 0]
    assert learned.measured["overlap"].diagonal().tolist() == [1, 1, 1]
