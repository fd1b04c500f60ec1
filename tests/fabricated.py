"""Files in the formats of published sets, made up."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from forgetless.data.published import PUBLISHED, File, Published


def batch_pickle(data: np.ndarray, label_key: bytes, labels: list[int]) -> bytes:
    """A batch as Python 2 wrote it, opcode by opcode: byte strings, protocol 2, numpy's old names."""
    out = io.BytesIO()
    out.write(b"\x80\x02}(")
    for key, value in ((b"batch_label", b"testing batch 1 of 1"),):
        out.write(b"U" + bytes([len(key)]) + key + b"U" + bytes([len(value)]) + value)
    out.write(
        b"U"
        + bytes([len(label_key)])
        + label_key
        + b"]("
        + b"".join(b"K" + bytes([y]) for y in labels)
        + b"e"
    )
    out.write(b"U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R")
    shape = b"".join(b"M" + n.to_bytes(2, "little") for n in data.shape)
    out.write(
        b"(K\x01"
        + shape
        + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    )
    raw = data.tobytes()
    out.write(b"T" + len(raw).to_bytes(4, "little") + raw + b"tbu.")
    return out.getvalue()


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def cifar10(root: Path) -> tuple[Published, np.ndarray]:
    """CIFAR-10's files with one image of each class, the table of their digests, and the pixels (60, 3072)."""
    draw = np.random.RandomState(1)
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    pixels, files = [], []
    for file in PUBLISHED["cifar10"].files:
        if file.name == "batches.meta":
            names = b"".join(b"U\x01" + bytes([letter]) for letter in b"abcdefghij")
            content = b"\x80\x02}(U\x0blabel_names](" + names + b"eu."
        else:
            pixels.append(draw.randint(0, 256, (10, 3072)).astype(np.uint8))
            content = batch_pickle(pixels[-1], b"labels", list(range(10)))
        (folder / file.name).write_bytes(content)
        files.append(File(file.name, len(content), hashlib.md5(content).hexdigest()))
    return replace(PUBLISHED["cifar10"], files=tuple(files)), np.concatenate(pixels)
