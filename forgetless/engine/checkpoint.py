"""Checkpoints: whole, verified, two generations.

A generation is a folder that appears by one rename when all its files are on the disk. A manifest in it holds
the SHA-256 of each file and of itself, so one flipped bit anywhere, or a missing tail, is seen before anything
is used; the generation before it is then used instead. Tensors are safetensors, the rest is JSON: nothing is
unpickled.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import StorageError
from ..files import explained, sha256, sync_folder

FORMAT = 1
KEPT = 2  # generations


@dataclass(frozen=True)
class Checkpoint:
    """What a generation holds: tensors by name, and facts."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class Checkpoints:
    """The generations in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unsound: list[Path] = []  # seen damaged; removed once a new generation stands

    def generations(self) -> list[Path]:
        """Folders of generations, the newest first."""
        return sorted(self.folder.glob("g[0-9]*"), reverse=True)

    def write(self, checkpoint: Checkpoint) -> None:
        """Add a generation, then drop what is older than the one before it.

        Raises:
            StorageError: the disk is full or the place cannot be written; earlier generations are as they were.
        """
        content = pack(checkpoint)
        present = self.generations()
        number = int(present[0].name[1:]) + 1 if present else 1
        with explained(self.folder, "write a checkpoint into"):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
            try:
                for name, data in content.items():
                    _write_durably(temporary / name, data)
                sync_folder(temporary)
                os.rename(temporary, self.folder / f"g{number:08d}")
                sync_folder(self.folder)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            sound = [path for path in present if path not in self.unsound]
            for path in {*self.unsound, *sound[KEPT - 1 :], *self.folder.glob(".new-*")}:
                shutil.rmtree(path, ignore_errors=True)
            self.unsound = []

    def read(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest sound generation, None if there are none at all, and a sentence for each unsound one.

        Raises:
            StorageError: there are generations, and none of them is sound.
        """
        complaints = []
        for path in self.generations():
            try:
                found = unpack({name: (path / name).read_bytes() for name in FILES})
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
                complaints.append(f"The checkpoint {path} is damaged ({why}); it is not used.")
                self.unsound.append(path)
            else:
                return found, complaints
        if complaints:
            raise StorageError(
                f"No checkpoint in {self.folder} is sound, so the run cannot go on from one: "
                f"{' '.join(complaints)} `forgetless run` with its settings and --fresh starts it anew."
            )
        return None, complaints

    def clear(self) -> None:
        """Remove all generations."""
        shutil.rmtree(self.folder, ignore_errors=True)


FILES = ("manifest.json", "facts.json", "tensors.safetensors")


def pack(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The files of a generation, by name; the manifest is written last."""
    tensors, facts = checkpoint.tensors, checkpoint.facts
    # A file of tensors keeps neither their order nor how they lie in memory; a sum over them needs both.
    laid = [[name, None if t.stride() == _row_by_row(t) else t.stride()] for name, t in tensors.items()]
    rows = {name: t.contiguous() for name, t in tensors.items()}
    content = {
        "tensors.safetensors": save(rows),
        "facts.json": _json({"facts": facts, "laid": laid}),
    }
    listed = {name: {"bytes": len(data), "sha256": sha256(data)} for name, data in content.items()}
    return content | {"manifest.json": _manifest(listed)}


def unpack(content: Mapping[str, bytes]) -> Checkpoint:
    """The checkpoint in these files, its tensors in the order and with the strides that they had.

    Raises:
        ValueError: a file is not what the manifest says, or the manifest is not what it says of itself.
    """
    listed = json.loads(content["manifest.json"])["files"]
    if _manifest(listed) != content["manifest.json"]:
        raise ValueError("manifest.json does not agree with its own hash")
    for name, facts in listed.items():
        if len(content[name]) != facts["bytes"] or sha256(content[name]) != facts["sha256"]:
            raise ValueError(f"{name} does not agree with its hash")
    facts = json.loads(content["facts.json"])
    rows = load(content["tensors.safetensors"])
    return Checkpoint({name: _laid(rows[name], strides) for name, strides in facts["laid"]}, facts["facts"])


def _laid(rows: Tensor, strides: list[int] | None) -> Tensor:
    return rows if strides is None else torch.empty_strided(rows.shape, strides, dtype=rows.dtype).copy_(rows)


def _row_by_row(tensor: Tensor) -> tuple[int, ...]:
    """The strides that a file brings back. Where a side is 1 others may be contiguous too, and a kernel is chosen
    by them.
    """
    return torch.empty(tensor.shape, device="meta").stride()


def _manifest(files: Any) -> bytes:
    body = {"format": FORMAT, "files": files}
    return _json(body | {"sha256": sha256(_json(body))})


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
