"""What decides a run's numbers: one frozen record, written beside every result, whose hash names the run. No torch."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .recipe import Precision, Recipe

Scenario = Literal["task", "class", "domain"]


@dataclass(frozen=True)
class Settings:
    """Every setting as resolved: nothing is left to a default that could change under a finished run."""

    method: str  # registered name
    stream: str  # name with its suffix, "split-cifar100/20", or a folder
    scenario: Scenario
    seed: int = 0
    hyper: dict[str, Any] = field(default_factory=dict)  # the method's own fields, all of them
    recipe: Recipe = field(default_factory=Recipe)
    model: str = "mlp"
    hidden: tuple[int, ...] | None = None  # widths of an mlp's hidden layers
    head_layers: int = 1  # linear layers that each growth of the head has of its own
    widen: int = 0  # nodes that an mlp's last three hidden layers gain with each task after the first
    tasks: int | None = None  # only the first so many tasks of the stream
    class_order: str = "natural"  # natural, seeded, 1993, icarl, or the labels separated by commas
    validation: float = 0.0  # share of the training data held out, per class
    limit: int | None = None  # at most this many training images per class
    later_limit: int | None = None  # and in tasks after the first
    mean: tuple[float, ...] | None = None  # None: the data set's own
    std: tuple[float, ...] | None = None
    padding: int = 0  # rows and columns of zeros added on each side of the stored images
    augment: bool = True  # crop and flip, where the stream's recipe has them
    size: int | None = None  # side in pixels to which a folder's images are brought
    precision: Precision = "auto"
    threads: int = 1
    method_file: str | None = None  # where a method of one's own was read from
    method_sha256: str | None = None  # and what was in it

    @property
    def key(self) -> str:
        """Eight hex digits that differ when anything here differs; where a method's file lies does not matter."""
        facts = asdict(self) | {"method_file": None}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def folder(self) -> str:
        """The run's folder name: readable first, unique last."""
        parts = self.stream.split("/")
        if self.stream.startswith("/"):  # of a folder its own name, and the suffix where it has one
            parts = parts[-2:] if re.fullmatch(r"\d+|B\d+-\d+", parts[-1]) else parts[-1:]
        stream = "-".join(parts)
        return f"{self.method}-{stream}-{self.scenario}-s{self.seed}-{self.key}"
