"""One run as text and as plain data."""

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..record import Run

_SHOWN = {
    "average_accuracy": "average accuracy",
    "average_incremental_accuracy": "average incremental accuracy",
    "forgetting": "forgetting",
    "backward_transfer": "backward transfer",
}


def plain_run(run: "Run") -> dict[str, Any]:
    """What `--json` gives of a run: its result, and where it lies."""
    return {"path": str(run.path)} | run.result


def describe_run(run: "Run") -> str:
    """The accuracy matrix and the metrics of one run, for people."""
    title = f"{run.method} on {run.stream}, {run.scenario} scenario, seed {run.seed}"
    lines = [title, "", *_matrix(run), ""]
    for name, words in _SHOWN.items():
        value = run.metrics.get(name)
        if value is not None:
            lines.append(f"{words:<30}{100 * value:6.2f} %")
        elif name in run.reasons:
            lines.append(f"{words:<30}   --    {run.reasons[name]}")
    kept = {kind: size for kind, size in run.bytes.items() if size}
    lines.append(f"{'memory':<30}{', '.join(f'{kind} {_size(size)}' for kind, size in kept.items())}")
    lines.append(f"{'time':<30}{run.seconds.get('total', 0.0):6.1f} s, {run.steps:,} steps")
    return "\n".join([*lines, f"{'run folder':<30}{run.path}"])


def _matrix(run: "Run") -> list[str]:
    """The accuracy on each task after each task; by the last rows and columns alone where there are very many."""
    accuracy, most = run.accuracy, 10
    tasks = len(accuracy)
    shown = range(tasks) if tasks <= most else range(tasks - most, tasks)
    lines = ["accuracy in % on task" + "".join(f"{j + 1:>7}" for j in shown)]
    for i in shown:
        cells = ("" if math.isnan(accuracy[i, j]) else f"{100 * accuracy[i, j]:.2f}" for j in shown)
        lines.append(f"{f'after task {i + 1}':<21}" + "".join(f"{cell:>7}" for cell in cells).rstrip())
    return lines if tasks <= most else [*lines, f"(the last {most} of {tasks} tasks; result.json has all)"]


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def json_text(value: Any) -> str:
    """Plain data as JSON that people can read too."""
    return json.dumps(value, indent=1, allow_nan=False, default=list)
