"""CIFAR-10 and CIFAR-100 from their original files, and the balanced subset of CIFAR-10 in lossless mosaics."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from .pickles import read_pickle

SIDE = 32  # pixels


def read_batches(files: Mapping[str, bytes], names: Sequence[str], labels: str) -> tuple[Tensor, Tensor]:
    """Images (N, 32, 32, 3) and labels (N,) of some batch files, one after the other.

    Raises:
        DataError: a file is not a CIFAR batch.
    """
    parts = [take_images(read_pickle(files[name], name), labels, name) for name in names]
    return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])


def take_images(found: Mapping[str, Any], labels: str, name: str) -> tuple[Tensor, Tensor]:
    """Images (N, 32, 32, 3) and labels (N,) of a batch file that has been read.

    Raises:
        DataError: it is not a CIFAR batch.
    """
    data, listed = found.get("data"), found.get(labels)
    if (
        not isinstance(data, np.ndarray)
        or not isinstance(listed, list)
        or data.shape != (len(listed), 3 * SIDE**2)
    ):
        raise DataError(
            f"{name} is not a CIFAR batch: it needs '{labels}', and 'data' with 3,072 bytes for each."
        )
    images = np.ascontiguousarray(data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
    return torch.from_numpy(images), torch.tensor(listed, dtype=torch.int64)


def take_groups(found: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """The superclass of each class of CIFAR-100: every image has its class's.

    Raises:
        DataError: the two kinds of labels do not say it.
    """
    fine, coarse = found.get("fine_labels", []), found.get("coarse_labels", [])
    numbers = all(isinstance(kind, list) and all(type(y) is int for y in kind) for kind in (fine, coarse))
    pairs = sorted(set(zip(fine, coarse, strict=False))) if numbers and len(fine) == len(coarse) else []
    if [label for label, _ in pairs] != list(range(100)):
        raise DataError(
            f"{name} is not of CIFAR-100: its 'coarse_labels' do not give each class one superclass."
        )
    return tuple(group for _, group in pairs)


def read_names(content: bytes, key: str, name: str) -> tuple[str, ...]:
    """The names of the classes, from the set's own file."""
    return tuple(word.decode() for word in read_pickle(content, name)[key])


def read_mosaics(files: Mapping[str, bytes], split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 32, 32, 3) and labels (N,) of the subset: one picture per class, 25 tiles a row."""
    from PIL import Image

    images, labels = [], []
    for name in sorted(name for name in files if name.startswith(f"{split}/")):
        mosaic = np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB"))
        tiles = (
            mosaic.reshape(-1, SIDE, mosaic.shape[1] // SIDE, SIDE, 3)
            .swapaxes(1, 2)
            .reshape(-1, SIDE, SIDE, 3)
        )
        images.append(torch.from_numpy(tiles.copy()))
        labels.append(torch.full((len(tiles),), int(name.split("/")[1].split("_")[0])))
    return torch.cat(images), torch.cat(labels)
