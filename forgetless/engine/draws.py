"""Which examples a step learns from: derived from seed, task, Fit and epoch alone."""

import math

import torch
from torch import Tensor

from ..data import Batch, Split
from ..methods import Fit
from ..randomness import derive, generator, set_ambient_state


class Draws:
    """The batches of a Fit: an order for each epoch, derived from seed, task, Fit and epoch alone."""

    def __init__(self, seed: int, task: int, fit: Fit, size: int, per_epoch: int) -> None:
        self.seed, self.task, self.fit, self.size, self.per_epoch = seed, task, fit, size, per_epoch
        self.epoch = -1

    def _start(self, epoch: int) -> None:
        about = (self.task, self.fit.name, epoch)
        order = torch.randperm(len(self.fit.data), generator=generator(self.seed, "order", *about))
        self.order = order.to(self.fit.data.y.device)
        self.augment = generator(self.seed, "augment", *about)
        torch.manual_seed(derive(self.seed, "dropout", *about))
        if self.fit.replay is not None:
            self.replayed = self._replayed(len(self.fit.replay), generator(self.seed, "replay", *about))
        self.epoch = epoch

    def _replayed(self, size: int, draw: torch.Generator) -> Tensor:
        """Rows to replay at each step of an epoch: pass after pass over the memory, each in an order of its own."""
        wanted = min(self.fit.replay_batch, size)
        passes = math.ceil(self.per_epoch / (size // wanted))
        orders = [torch.randperm(size, generator=draw)[: size // wanted * wanted] for _ in range(passes)]
        return torch.cat(orders).view(-1, wanted).to(self.order.device)

    def go_to(self, step: int, augment: Tensor, ambient: Tensor) -> None:
        """Go on after so many steps, with the generators as they were."""
        self._start((step - 1) // self.per_epoch)
        self.augment.set_state(augment)
        set_ambient_state(ambient)

    def state(self) -> Tensor:
        """Where the augmentation's generator is."""
        return self.augment.get_state()

    def batch(self, step: int, steps: int, visit: int = 0) -> Batch:
        """The examples of one step out of `steps`: at each of its visits the same, augmented anew."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self._start(epoch)
        progress = torch.full((), step / steps, device=self.fit.data.y.device)
        rows = self.order[place * self.size : (place + 1) * self.size]
        batch = self._of(self.fit.data, rows, progress, visit)
        if self.fit.replay is None:
            return batch
        return batch._replace(replay=self._of(self.fit.replay, self.replayed[place], progress, visit))

    def _of(self, data: Split, rows: Tensor, progress: Tensor, visit: int) -> Batch:
        inputs = data.inputs(rows, self.augment if self.fit.augment else None)
        return Batch(inputs, data.y.index_select(0, rows), rows, progress, visit=visit)
