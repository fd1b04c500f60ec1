"""What the source article's PermutedMNIST baseline does, step for step, timed in phases; nothing is made quicker.

As there: every image becomes float and is permuted by a list of places, one image after the other; all tasks'
data are made before the first is learned; examples are fetched one by one through a DataLoader with its defaults;
AdamW and the loop as torch makes them by default; a number is read from every batch of an evaluation.

Kinder than the article where that is possible: torchvision's reading of the files is replaced by ours, without
comparing digests; the copies of the data that the article saves are not written; the warning which torchvision
raises for each example's label (and the article suppresses) is not raised.
"""

import random
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from forgetless.clock import Clock
from forgetless.data.idx import read_idx

SEED = 2024
FILES = {True: "train", False: "t10k"}


class PermutedMNIST(Dataset[tuple[Tensor, Tensor]]):
    """One task's images, all made float and permuted when the set is made."""

    def __init__(self, root: Path, train: bool, order: list[int]) -> None:
        folder, stem = root / "MNIST" / "raw", FILES[train]
        images, labels = (
            read_idx((folder / f"{stem}-{kind}-ubyte").read_bytes(), kind)
            for kind in ("images-idx3", "labels-idx1")
        )
        self.data = torch.stack([image.float().view(-1)[order] / 255 for image in images])
        self.targets = labels.long()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.data[index].view(1, 28, 28), self.targets[index]


class MLP(nn.Module):
    """784-400-400-400-10."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(784, 400)
        self.second = nn.Linear(400, 400)
        self.third = nn.Linear(400, 400)
        self.last = nn.Linear(400, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second, self.third):
            x = F.relu(layer(x))
        return self.last(x)  # type: ignore[no-any-return]


def seed_worker(number: int) -> None:
    """Given to the DataLoader, which has no workers to call it."""
    random.seed(SEED + number)
    np.random.seed(SEED + number)


class Baseline:
    """Task after task, with nothing done against forgetting."""

    def __init__(self, root: Path, tasks: int, epochs: int, batch: int = 256) -> None:
        warnings.filterwarnings("ignore")  # pinned memory without an accelerator
        torch.set_num_threads(1)
        self.root, self.tasks, self.epochs, self.batch = root, tasks, epochs, batch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.clock = Clock()

    def run(self) -> dict[str, Any]:
        """Seconds of each phase, and the accuracies."""
        wall, cpu = time.perf_counter(), time.process_time()
        for seed in (random.seed, torch.manual_seed, np.random.seed):
            seed(SEED)
        self.model = MLP().to(self.device)
        with self.clock.during("data"):
            loaders = self.load()
        accuracy = []
        for index in range(self.tasks):
            with self.clock.during("train"):
                optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=1e-4)
                for _ in range(self.epochs):
                    self.train(loaders[index][0], optimizer)
            with self.clock.during("evaluate"):
                accuracy.append([self.evaluate(test) for _, test in loaders[: index + 1]])
        seconds = {key: value for key, value in self.clock.read().items() if key != "total"}
        taken = {"total": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        return seconds | taken | {"precision": "fp32", "accuracy": accuracy}

    def load(self) -> list[tuple[DataLoader[Any], DataLoader[Any]]]:
        """Training and test loaders of every task."""
        random.seed(SEED)
        loaders = []
        for _ in range(self.tasks):
            order = list(range(28 * 28))
            random.shuffle(order)
            sets = [PermutedMNIST(self.root, train, order) for train in (True, False)]
            settings: dict[str, Any] = {"worker_init_fn": seed_worker, "pin_memory": True}
            train, test = (
                DataLoader(made, batch_size=self.batch, shuffle=shuffle, **settings)
                for made, shuffle in zip(sets, (True, False), strict=True)
            )
            loaders.append((train, test))
        return loaders

    def place(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """A batch on the device, images in rows."""
        images = images.view(-1, 784).to(self.device, non_blocking=True)
        return images, labels.to(self.device, non_blocking=True)

    def train(self, loader: DataLoader[Any], optimizer: torch.optim.Optimizer) -> None:
        """One epoch."""
        self.model.train()
        criterion = nn.CrossEntropyLoss()
        for batch in loader:
            images, labels = self.place(*batch)
            optimizer.zero_grad()
            loss = criterion(self.model(images), labels)
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def evaluate(self, loader: DataLoader[Any]) -> float:
        """Share of right answers on one test."""
        self.model.eval()
        right = total = 0
        for batch in loader:
            images, labels = self.place(*batch)
            right += (self.model(images).argmax(1) == labels).sum().item()
            total += len(labels)
        return right / total
