"""The usual training and evaluation loops: DataLoader without workers, transforms image by image, fp32, `.item()`.

The transforms do to each image what torchvision's do (crop with a border, flip, to tensor, normalise; on PIL
images), so that the comparison needs no torchvision.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

Picture = Image.Image
Transform = Callable[[Picture], Tensor]
Examples = Dataset[tuple[Tensor, Tensor | int]]


def to_tensor(picture: Picture) -> Tensor:
    """(K, H, W) float in [0, 1]."""
    values = torch.from_numpy(np.array(picture, np.uint8, copy=True))
    values = values.view(picture.size[1], picture.size[0], len(picture.getbands()))
    return values.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


class Normalize:
    """Per channel; the constants are made for each image, as they are in torchvision."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = mean, std

    def __call__(self, image: Tensor) -> Tensor:
        mean, std = (torch.as_tensor(values, dtype=image.dtype) for values in (self.mean, self.std))
        if (std == 0).any():
            raise ValueError("std is zero")
        return image.clone().sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


def random_crop(picture: Picture, padding: int) -> Picture:
    """A window of the picture's own size at a random place within a border of zeros."""
    width, height = picture.size
    padded = ImageOps.expand(picture, border=padding, fill=0)
    top, left = (int(torch.randint(0, 2 * padding + 1, size=(1,)).item()) for _ in range(2))
    return padded.crop((left, top, left + width, top + height))


def random_flip(picture: Picture) -> Picture:
    """Mirrored with probability one half."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if torch.rand(1) < 0.5 else picture


class Pictures(Dataset[tuple[Tensor, Tensor | int]]):
    """Bytes (N, H, W, K) handed out as transformed PIL images."""

    def __init__(self, x: Tensor, y: Tensor, transform: Transform) -> None:
        self.x, self.y, self.transform = x.squeeze(-1).numpy(), y.tolist(), transform

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor | int]:
        return self.transform(Image.fromarray(self.x[index])), self.y[index]


class Rows(Dataset[tuple[Tensor, Tensor | int]]):
    """Images that were made float once, before training, handed out one by one: kinder than `Pictures`."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x.flatten(1).float() / 255, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor | int]:
        return self.x[index], self.y[index]


class Loop:
    """Endless training steps, one at a time."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: Examples,
        batch: int,
    ) -> None:
        self.model = model.to(memory_format=torch.contiguous_format).train()  # type: ignore[call-overload]
        self.optimizer = optimizer
        self.batches = self._endless(DataLoader(data, batch_size=batch, shuffle=True, drop_last=True))

    @staticmethod
    def _endless(loader: DataLoader[Any]) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    def steps(self, number: int) -> float:
        """So many steps; the sum of their losses."""
        total = 0.0
        for _ in range(number):
            x, y = next(self.batches)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += loss.item()
        return total


def accuracy(model: nn.Module, data: Examples, batch: int) -> float:
    """Share of right answers, counted batch by batch."""
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in DataLoader(data, batch_size=batch, shuffle=False):
            right += (model(x).argmax(1) == y).sum().item()
    return right / len(data)  # type: ignore[arg-type]
