"""What a stream is run with unless told otherwise, under the flags' names. No torch."""

from dataclasses import asdict
from typing import Any

from .catalog import StreamEntry


def stream_values(entry: StreamEntry) -> dict[str, Any]:
    """The stream's own settings; None where the images themselves decide."""
    return asdict(entry.recipe) | {
        "scenario": entry.scenarios[0],
        "seed": 0,
        "model": entry.model,
        "hidden": entry.hidden,
        "mean": entry.mean or None,
        "std": entry.std or None,
        "class_order": entry.class_order,
        "validation": entry.validation,
    }
