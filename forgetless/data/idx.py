"""The IDX format of MNIST and its relatives: a header of big-endian numbers, then the bytes."""

import math

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError


def read_idx(content: bytes, name: str) -> Tensor:
    """The array of bytes in an IDX file; its shape is in the header.

    Raises:
        DataError: not IDX, not of bytes, or not as long as the header says.
    """
    if len(content) < 4 or content[:3] != b"\x00\x00\x08" or len(content) < 4 + 4 * content[3]:
        raise DataError(
            f"{name} is not an IDX file of unsigned bytes: its first bytes are {content[:4].hex() or 'none'}."
        )
    start = 4 + 4 * content[3]
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{name} says it holds {shape} bytes, but {len(content) - start:,} bytes follow its header."
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())
