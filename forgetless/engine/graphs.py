"""CUDA graphs: the updates of a Fit, captured once and then launched as a whole.

A small network's update is some hundred kernels of microseconds each, and a GPU waits for the program that launches
them one by one. What is captured is the update itself, from the batch to the weights; the batch is made outside.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import Batch
from ..errors import SettingsError

WARM = 3  # updates before one is captured: by then moments are made and kernels loaded

Update = Callable[[Batch], dict[str, Tensor]]


@dataclass(frozen=True)
class _Captured:
    graph: Any  # torch.cuda.CUDAGraph
    batch: Batch  # what it reads
    terms: dict[str, Tensor]  # what it tells, until it is launched again


class Graphs:
    """Does updates; those of a form that has come often enough by a graph. The bits are the same.

    A form is the shapes of a batch and the visit: of each there is a graph of its own.
    """

    def __init__(self, update: Update) -> None:
        self.update = update
        self.seen: Counter[Any] = Counter()
        self.captured: dict[Any, _Captured] = {}

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """One update; the terms of its loss, which hold until the next of the same form."""
        form = (batch.visit, *(part.shape for part in _tensors(batch)))
        if form not in self.captured:
            self.seen[form] += 1
            if self.seen[form] <= WARM:
                return self.update(batch)
            self.captured[form] = self._capture(batch)
        captured = self.captured[form]
        for place, part in zip(_tensors(captured.batch), _tensors(batch), strict=True):
            place.copy_(part)
        captured.graph.replay()
        return captured.terms

    def _capture(self, batch: Batch) -> _Captured:
        """Capture an update, which does not make it.

        Raises:
            SettingsError: it cannot be captured.
        """
        graph = torch.cuda.CUDAGraph()
        own = _cloned(batch)
        pool = next((one.graph.pool() for one in self.captured.values()), None)
        try:
            with _no_collection(), torch.cuda.graph(graph, pool=pool):
                terms = self.update(own)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise SettingsError(
                f"An update could not be captured as a CUDA graph: {str(error).splitlines()[0]}. Something in it waits "
                "for a value or copies one to the device, a list as an index for example. Leave `capturable` out where "
                "the method is named, or give --precision exact."
            ) from error
        return _Captured(graph, own, terms)

    def close(self) -> None:
        """Let go of the graphs and of their memory."""
        self.captured.clear()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Inside: no garbage is collected. If an older graph were, its memory would be freed, which breaks a capture."""
    gc.collect()
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _tensors(batch: Batch) -> list[Tensor]:
    own = [batch.x, batch.y, batch.index, batch.progress]
    return own if batch.replay is None else own + _tensors(batch.replay)


def _cloned(batch: Batch) -> Batch:
    x, y, index, progress = (part.clone() for part in _tensors(batch)[:4])
    return Batch(x, y, index, progress, None if batch.replay is None else _cloned(batch.replay), batch.visit)
