"""scikit-learn's digits: 1,797 grey images of 8 x 8, in its package, so that nothing need be downloaded."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch

from ..errors import DataError
from .digest import digest_of
from .published import File
from .source import Source, hash_tensors

_FILE = File("digits.csv", 264712, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8")


def read_digits() -> Source:
    """The digits as `sklearn.datasets.load_digits` has them; every fourth image of each class is for testing.

    Values 0 to 16 become bytes by v -> (255 v + 8) // 16, that is v * 255 / 16 rounded: 0 stays 0, 16 becomes 255, and
    no two values become one.

    Raises:
        DataError: scikit-learn's file is missing or altered.
    """
    rows = torch.from_numpy(np.loadtxt(_content().decode().splitlines(), delimiter=",", dtype=np.int64))
    values, y = rows[:, :-1], rows[:, -1].clone()
    x = ((values * 255 + 8) // 16).to(torch.uint8).reshape(-1, 8, 8, 1)
    place = torch.zeros_like(y)  # of each image among those of its class
    for label in range(10):
        place[y == label] = torch.arange(int((y == label).sum()))
    test = place % 4 == 3
    parts = (x[~test], y[~test], x[test], y[test])
    return Source(*parts, class_names=tuple("0123456789"), fingerprint=hash_tensors(*parts))


def _content() -> bytes:
    """scikit-learn's file, read where it lies: importing scikit-learn takes longer than a run on its digits."""
    found = importlib.util.find_spec("sklearn")
    path = (
        Path(found.origin if found and found.origin else "sklearn").parent
        / "datasets"
        / "data"
        / "digits.csv.gz"
    )
    if not path.is_file():
        raise DataError(
            f"The digits of scikit-learn are missing: there is no {path}. Install scikit-learn anew."
        )
    content = gzip.decompress(path.read_bytes())
    if digest_of(content, _FILE.digest) != _FILE.digest:
        raise DataError(f"{path} is not the file that scikit-learn comes with. Install scikit-learn anew.")
    return content
