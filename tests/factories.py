"""Settings, sources and streams that are learned in a moment, made by the real code."""

from typing import Any

import torch

from forgetless.data import Pixels, Scenario, Stream
from forgetless.data.cut import Cut, compile_stream, hold_out, share_out, split_cuts
from forgetless.data.source import Source, hash_tensors
from forgetless.randomness import generator
from forgetless.settings.recipe import Recipe
from forgetless.settings.settings import Settings


def make_settings(method: str = "finetune", scenario: Scenario = "class", **changes: Any) -> Settings:
    """Settings of a run that takes a second: split-digits, a small network, one epoch."""
    plain: dict[str, Any] = {
        "stream": "split-digits", "recipe": Recipe(epochs=1, batch=32), "model": "mlp", "hidden": (16,),
    }  # fmt: skip
    return Settings(method=method, scenario=scenario, **(plain | changes))


def make_source(
    classes: int = 6, images: int = 24, tests: int = 8, channels: int = 1, side: int = 8, seed: int = 0
) -> Source:
    """Images that a small network can tell apart: each class a pattern of its own, with noise."""
    draw = generator(seed, "tiny source")
    pattern = torch.randint(0, 2, (classes, side, side, channels), generator=draw) * 140
    parts = []
    for count in (images, tests):
        y = torch.arange(classes).repeat(count)  # interleaved, as in real sets
        noise = torch.randint(0, 110, (len(y), side, side, channels), generator=draw)
        parts += [(pattern[y] + noise).to(torch.uint8), y]
    names = tuple(f"class {label}" for label in range(classes))
    return Source(*parts, class_names=names, fingerprint=hash_tensors(*parts))


def make_stream(
    scenario: Scenario = "class", tasks: int = 3, classes: int | None = None, *, validation: float = 0.0,
    pixels: Pixels | None = None, **source: Any,
) -> Stream:  # fmt: skip
    """A stream of tiny images, two classes per task unless told otherwise, compiled by the real code."""
    made = make_source(classes or 2 * tasks, **source)
    cuts: list[Cut] = split_cuts(
        range(len(made.class_names)), share_out(len(made.class_names), tasks), scenario
    )
    held = hold_out(made, None, validation)
    return compile_stream("tiny", 1, made, cuts, scenario, pixels or Pixels(), held)
