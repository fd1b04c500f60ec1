"""What a stream is run with unless told otherwise, under the flags' names. No torch."""

from dataclasses import asdict
from typing import Any

from .names import StreamName
from .recipe import Recipe

FOLDER_RECIPE = Recipe(
    epochs=20, batch=64, lr=0.02, optimizer="sgd", momentum=0.9, weight_decay=5e-4, schedule="cosine"
)


def stream_values(name: StreamName) -> dict[str, Any]:
    """The stream's own settings; a folder's images decide the rest when they have been looked at."""
    entry = name.entry
    if entry is None:
        return asdict(FOLDER_RECIPE) | {"scenario": "class", "seed": 0, "model": "resnet18"}
    return asdict(entry.recipe) | {
        "scenario": entry.scenarios[0],
        "seed": 0,
        "model": entry.model,
        "hidden": entry.hidden,
        "mean": entry.mean,
        "std": entry.std,
        "class_order": entry.class_order,
    }
