"""The images of a folder as a data set."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from .scan import Picture, Scan, scan_folder
from .source import Source, hash_tensors

TEST_SHARE = 0.2  # of each class, where the folder has nothing set aside for testing


def source_from_folder(path: Path, size: int | None = None) -> Source:
    """The images of a folder as a data set. Of a folder without test images, a fifth of each class is held out:
    the files whose digests come first, so that names do not matter and copies stay together.

    Raises:
        DataError: anything in the folder that would spoil a training, with the first few named.
    """
    scan = scan_folder(path, size, keep=True)
    if scan.errors:
        shown = "\n".join(f"  {problem.text}" for problem in scan.errors[:5])
        more = f"\n  and {len(scan.errors) - 5} more" if len(scan.errors) > 5 else ""
        raise DataError(
            f"{path} cannot be learned from as it is:\n{shown}{more}\n"
            f"`forgetless inspect {path}` shows everything. Mend or remove these, then try again."
        )
    images = scan.images if scan.separate_test else tuple(_set_aside(scan))
    train, test = (
        _tensors(scan, [image for image in images if image.part == part]) for part in ("train", "test")
    )
    return Source(*train, *test, class_names=scan.classes, fingerprint=hash_tensors(*train, *test))


def _tensors(scan: Scan, images: list[Picture]) -> tuple[Tensor, Tensor]:
    """Pixels (N, side, side, 1 or 3) and labels (N,), the places of the classes in the scan."""
    pixels = np.stack([image.pixels for image in images if image.pixels is not None])
    return torch.from_numpy(pixels), torch.tensor([scan.classes.index(image.label) for image in images])


def _set_aside(scan: Scan) -> Iterator[Picture]:
    """All images, a fifth of the distinct ones of each class marked for testing."""
    for label in scan.classes:
        mine = [image for image in scan.images if image.label == label]
        digests = sorted({image.digest for image in mine})
        tests = set(digests[: max(1, round(TEST_SHARE * len(digests)))])
        yield from (replace(image, part="test" if image.digest in tests else "train") for image in mine)
