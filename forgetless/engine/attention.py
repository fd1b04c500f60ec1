"""After each task: where does the method look in images of the first? Maps of fixed test images, for pictures."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..attention import Attention, read_attention, write_attention
from ..data import Split, Stream
from ..errors import StorageError
from ..methods import Method
from ..models import ConvBackbone, watched
from ..ops import gradient_map, mixes_images
from .plan import Plan

IMAGES = 128
BATCH = 64


def record_attention(folder: Path, method: Method, stream: Stream, after: int, plan: Plan) -> None:
    """Add the maps after task `after` to the run's `attention.npz`, in one step; what lies there of later ones goes.

    The map is of the image's own class, of the method as it answers: a subnetwork's where that is what answers.
    Nothing is written where labels are shared by all tasks, where the network has no maps larger than a pixel, or
    where an image's scores cannot be differentiated by its own.
    """
    if stream.scenario == "domain" or not isinstance(method.model.backbone, ConvBackbone):
        return
    test = stream.tests[0]
    if test.x.dtype != torch.uint8:
        return
    begun = _before(folder) if after else _first(test, stream.class_names)
    if begun is None:
        return  # there is no first map to compare with
    images = test.select(_spread(test.y, IMAGES))
    found = _look(method, stream, images, after, plan)
    if found is not None:
        maps, answers = (part.cpu().numpy() for part in found)
        write_attention(folder, begun.and_after(after, maps, answers.astype(np.uint16)))


def _first(test: Split, names: tuple[str, ...]) -> Attention:
    """The images, with no maps yet."""
    chosen = test.select(_spread(test.y, IMAGES))
    return Attention(chosen.x.cpu().numpy(), chosen.y.cpu().numpy().astype(np.uint16), names, {}, {})


def _before(folder: Path) -> Attention | None:
    """What was written after earlier tasks; a damaged file is as none, for no result hangs on it."""
    try:
        return read_attention(folder)
    except StorageError:
        return None


def _spread(labels: Tensor, count: int) -> Tensor:
    """Rows of the first image of each class, then of the second of each, and so on; at most so many."""
    place = torch.zeros_like(labels)
    for label in range(int(labels.max()) + 1):
        own = labels == label
        place[own] = torch.arange(int(own.sum()), device=labels.device)
    return (place * (int(labels.max()) + 1) + labels).argsort()[:count]


def _look(
    method: Method, stream: Stream, chosen: Split, after: int, plan: Plan
) -> tuple[Tensor, Tensor] | None:
    """Maps of each image's own class, and the classes answered. (N, h, w), (N,)"""
    task = stream.task(0, plan.device)
    told = task if stream.scenario == "task" else None
    rivals = task.classes if told else stream.layouts[after].seen
    among = torch.tensor(rivals, device=plan.device)
    method.eval()
    maps, answers = [], []
    for x, y in chosen.to(plan.device).batches(BATCH):
        with watched(method.model) as seen, torch.enable_grad():
            scores = method.logits(x, told)
        if not seen or seen[-1][0, 0].numel() == 1 or not scores.requires_grad:
            return None
        own = scores.gather(1, y[:, None])[:, 0]
        if mixes_images(own, seen[-1]):  # as with the batch's own statistics in place of running ones
            return None
        maps.append(gradient_map(seen[-1], own, first_order=True).detach())
        answers.append(among[scores.detach()[:, among].argmax(1)])
    return torch.cat(maps), torch.cat(answers)
