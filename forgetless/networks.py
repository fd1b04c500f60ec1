"""Which networks can be had in which forms. No torch."""

from collections.abc import Sequence

_LINEAR = {"lenet": 2, "lenet-wsn": 2}  # fully connected layers below the head, of those that have plain ones
HIDDEN = (400, 400)  # widths of an mlp, unless told otherwise


def network_problem(model: str, hidden: Sequence[int] | None, head_layers: int, widen: int) -> str:
    """Why a network cannot be had with so many layers of each task's own, or widened; empty where it can."""
    spare = len(HIDDEN if hidden is None else hidden) - 1 if model == "mlp" else _LINEAR.get(model, 0)
    if head_layers < 1:
        return f"head_layers: a task has at least 1 layer of its own, its head, not {head_layers}."
    if head_layers - 1 > spare:
        return (
            f"head_layers: {model} can give its tasks {spare + 1} layer{'s' * (spare > 0)} of their own, the head "
            f"among them, not {head_layers}."
            + (" Give it more --hidden layers; the lowest is always shared." if model == "mlp" else "")
        )
    if widen < 0:
        return f"widen: a network gains 0 nodes or more with a task, not {widen}."
    if widen and model != "mlp":
        return f"widen: only an mlp can be widened; the model is {model}. Add --model mlp, or leave it out."
    return ""
