"""The source article's own baseline, run again: `python -m benchmarks.baseline --data DIR --runs DIR [--jobs N]`.

Fine-tuning on its Permuted MNIST, three tasks of two epochs. It printed one run, so each figure has a tolerance.
"""

from typing import Any

from forgetless.estimates import estimate
from forgetless.settings.resolve import resolve

from . import results
from .cells import make, parser

PRINTED = ((96.78,), (85.19, 97.0), (52.66, 89.14, 97.27))  # per cent, on task j after task i
MEAN_OF_MEANS = 89.19
NEW, OLD, MEANS = (
    0.4,
    6.0,
    2.0,
)  # tolerances in points: on the diagonal, below it, of the mean of the rows' means


def main() -> None:
    """Run five seeds and compare each figure."""
    asked = parser(__doc__, "runs", 5, table=False).parse_args()
    cells = [
        resolve("finetune", "permuted-mnist-article/3", {"seed": seed}, jobs=max(2, asked.jobs))
        for seed in range(asked.seeds)
    ]
    runs = make(cells, asked)
    rows = [
        _row(
            f"on task {j + 1} after task {i + 1}",
            printed,
            [100 * run.accuracy[i, j] for run in runs],
            NEW if i == j else OLD,
        )
        for i, line in enumerate(PRINTED)
        for j, printed in enumerate(line)
    ]
    means = [
        sum(100 * run.accuracy[i, : i + 1].mean() for i in range(len(PRINTED))) / len(PRINTED) for run in runs
    ]
    rows.append(_row("mean of the rows' means", MEAN_OF_MEANS, means, MEANS))
    results.write("baseline", "benchmarks.baseline", {"rows": rows})


def _row(what: str, printed: float, values: list[float], tolerance: float) -> dict[str, Any]:
    ours = estimate(values)
    return {
        "accuracy": what,
        "printed %": printed,
        "ours %": round(ours.mean, 2),
        "std": None if ours.std is None else round(ours.std, 2),
        "n": ours.n,
        "tolerance": tolerance,
        "within": "yes" if abs(ours.mean - printed) <= tolerance else "no",
    }


if __name__ == "__main__":
    main()
