"""How well a run remembers: named functions of the accuracy matrix and of the recorded predictions. No torch.

`accuracy[i, j]` is the share of task j's test images answered rightly after task i was learned, (T, T), NaN above
the diagonal. Every function is pure; where a metric has no value it raises `UndefinedMetric` with the reason,
and `summarize` writes that reason down in place of a number.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .errors import ForgetlessError
from .predictions import Labels, Matrix, Predictions


class UndefinedMetric(ForgetlessError):  # noqa: N818 - a reason, not a failure
    """A metric that these records cannot give; the text is the reason."""


@dataclass(frozen=True)
class Metric:
    """One row of `forgetless list metrics`."""

    name: str
    formula: str
    source: str
    better: Literal["higher", "lower"]
    function: Callable[..., float]


METRICS: dict[str, Metric] = {}


def _metric(
    formula: str, source: str, better: Literal["higher", "lower"] = "higher"
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Register a function; its parameters' names say which records it needs."""

    def register(function: Callable[..., float]) -> Callable[..., float]:
        name = function.__name__
        METRICS[name] = Metric(name, formula, source, better, function)
        return function

    return register


GEM = "Lopez-Paz & Ranzato 2017"
DIAZ = "Díaz-Rodríguez et al. 2018"


@_metric("(1/T) Σ_j R[T, j]", GEM)
def average_accuracy(accuracy: Matrix) -> float:
    """Mean over all tasks after the last one; each task counts the same.

    >>> average_accuracy(np.array([[0.9, np.nan], [0.5, 0.8]]))
    0.65
    """
    return float(np.mean(accuracy[-1]))


@_metric("Σ_j c_j R[T, j] / Σ_j c_j, c_j classes in task j", "class-incremental literature")
def class_weighted_accuracy(accuracy: Matrix, true: Sequence[Labels]) -> float:
    """Final accuracy where a task counts by its number of classes: it differs where a base task is larger.

    >>> tests = [np.array([0, 1, 2]), np.array([3])]
    >>> class_weighted_accuracy(np.array([[0.9, np.nan], [0.4, 0.8]]), tests)
    0.5
    """
    return float(np.average(accuracy[-1], weights=[len(np.unique(labels)) for labels in true]))


@_metric("Σ_j n_j R[T, j] / Σ_j n_j, n_j test images of task j", "Rebuffi et al. 2017 (iCaRL)")
def sample_weighted_accuracy(accuracy: Matrix, sizes: Sequence[int]) -> float:
    """Final accuracy over all test images together."""
    return float(accuracy_over_seen(accuracy, sizes)[-1])


def accuracy_over_seen(accuracy: Matrix, sizes: Sequence[int]) -> Matrix:
    """A_t: right answers over all test images of the tasks seen, after each task; (T, T) -> (T,).

    >>> accuracy_over_seen(np.array([[0.9, np.nan], [0.4, 0.8]]), [300, 100]).tolist()
    [0.9, 0.5]
    """
    rows = range(1, len(accuracy) + 1)
    return np.array([np.average(accuracy[t - 1, :t], weights=sizes[:t]) for t in rows])


@_metric("(1/T) Σ_t A_t, A_t over all test images of the tasks seen", "Rebuffi et al. 2017 (iCaRL)")
def average_incremental_accuracy(accuracy: Matrix, sizes: Sequence[int]) -> float:
    """Mean over the steps of the accuracy on all that had been seen, the first step included.

    >>> average_incremental_accuracy(np.array([[0.9, np.nan], [0.4, 0.8]]), [300, 100])
    0.7
    """
    return float(np.mean(accuracy_over_seen(accuracy, sizes)))


@_metric("(1/(T-1)) Σ_{t>1} A_t", "Castro et al. 2018 (EEIL)")
def average_incremental_accuracy_without_first(accuracy: Matrix, sizes: Sequence[int]) -> float:
    """The same without the first step, where nothing can have been forgotten."""
    _need_two_tasks(accuracy)
    return float(np.mean(accuracy_over_seen(accuracy, sizes)[1:]))


def forgetting_per_task(accuracy: Matrix) -> Matrix:
    """The best accuracy a task had before the last one, minus its final accuracy; (T, T) -> (T-1,).

    >>> forgetting_per_task(np.array([[0.75, np.nan], [0.25, 1.0]])).tolist()
    [0.5]
    """
    _need_two_tasks(accuracy)
    last = len(accuracy) - 1
    best = np.array([np.max(accuracy[j:last, j]) for j in range(last)])
    return best - accuracy[-1, :last]


@_metric("(1/(T-1)) Σ_{j<T} (max_{j≤l<T} R[l, j] - R[T, j])", "Chaudhry et al. 2018 (RWalk)", "lower")
def forgetting(accuracy: Matrix) -> float:
    """Mean drop from each old task's best to its final accuracy; negative if old tasks got better.

    >>> forgetting(np.array([[0.75, np.nan], [0.25, 1.0]]))
    0.5
    """
    return float(np.mean(forgetting_per_task(accuracy)))


@_metric("(1/(T-1)) Σ_{j<T} (R[T, j] - R[j, j])", GEM)
def backward_transfer(accuracy: Matrix) -> float:
    """Mean change of the old tasks since each was learned; negative is forgetting.

    >>> backward_transfer(np.array([[0.75, np.nan], [0.25, 1.0]]))
    -0.5
    """
    _need_two_tasks(accuracy)
    return float(np.mean((accuracy[-1] - np.diag(accuracy))[:-1]))


@_metric("max(BWT, 0)", DIAZ)
def positive_backward_transfer(accuracy: Matrix) -> float:
    """How much the old tasks gained from the later ones; 0 if they lost."""
    return max(backward_transfer(accuracy), 0.0)


@_metric("1 - |min(BWT, 0)|", DIAZ)
def remembering(accuracy: Matrix) -> float:
    """One, less what the old tasks lost."""
    return 1.0 - abs(min(backward_transfer(accuracy), 0.0))


@_metric("(1/T) Σ_j R[j, j]", "Riemer et al. 2019")
def learning_accuracy(accuracy: Matrix) -> float:
    """Mean accuracy on each task just after it was learned: how well new things are taken in."""
    return float(np.mean(np.diag(accuracy)))


@_metric("(1/(T-1)) Σ_{j<T} min_{l>j} R[l, j], at the ends of tasks", "De Lange et al. 2023, coarser")
def minimum_accuracy(accuracy: Matrix) -> float:
    """Mean over the old tasks of the worst accuracy each ever fell to at the end of a later task.

    The paper's min-ACC looks after every iteration, and is never above this.

    >>> minimum_accuracy(np.array([[0.75, np.nan], [0.25, 1.0]]))
    0.25
    """
    _need_two_tasks(accuracy)
    return float(np.mean([np.min(accuracy[j + 1 :, j]) for j in range(len(accuracy) - 1)]))


@_metric("(1/T) Σ_j R[T, j], the task given at test", "Masana et al. 2022 (TAw)")
def task_aware_accuracy(true: Sequence[Labels], aware: Sequence[Labels]) -> float:
    """Final average accuracy if the task is revealed at test time."""
    return float(np.mean([np.mean(y == told) for y, told in zip(true, aware, strict=True)]))


@_metric("(1/T) Σ_j R[T, j], the task not given at test", "Masana et al. 2022 (TAg)")
def task_agnostic_accuracy(true: Sequence[Labels], agnostic: Sequence[Labels]) -> float:
    """Final average accuracy if the task is not revealed at test time."""
    return float(np.mean([np.mean(y == untold) for y, untold in zip(true, agnostic, strict=True)]))


@_metric("min_c (right answers among the test images of class c)", "fairness of the final model")
def worst_class_recall(true: Sequence[Labels], predicted: Sequence[Labels]) -> float:
    """The recall of the class that the final model knows worst."""
    labels, right = np.concatenate(true), np.concatenate(true) == np.concatenate(predicted)
    return float(min(np.mean(right[labels == c]) for c in np.unique(labels)))


@_metric(
    "share of the old classes' test images answered with a class of the last task", "recency bias", "lower"
)
def old_predicted_as_new(true: Sequence[Labels], agnostic: Sequence[Labels]) -> float:
    """Recency bias of the final model, when it is not told the task.

    >>> old_predicted_as_new([np.array([0, 1]), np.array([2, 3])], [np.array([2, 1]), np.array([2, 3])])
    0.5
    """
    if len(true) < 2:
        raise UndefinedMetric("one task only")
    if np.intersect1d(np.concatenate(true[:-1]), true[-1]).size:
        raise UndefinedMetric("the last task has no classes of its own")
    return float(np.mean(np.isin(np.concatenate(agnostic[:-1]), np.unique(true[-1]))))


def summarize(
    accuracy: Matrix, predictions: Predictions | None = None, scenario: str = "class"
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Every metric of a run's learned part: values, None where there is none, and the reasons for these."""
    records = _records(accuracy, predictions, scenario)
    metrics: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, metric in METRICS.items():
        try:
            needs = inspect.signature(metric.function).parameters
            missing = [_MISSING[need] for need in needs if need not in records]
            if missing:
                raise UndefinedMetric(missing[0])
            metrics[name] = metric.function(**{need: records[need] for need in needs})
        except UndefinedMetric as reason:
            metrics[name], reasons[name] = None, str(reason)
    return metrics, reasons


_MISSING = {
    "accuracy": "no complete accuracy matrix",
    "sizes": "the sizes of the tests are not recorded",
    "true": "no predictions are recorded",
    "predicted": "no predictions are recorded",
    "aware": "no predictions that are told the task",
    "agnostic": "no predictions that are not told the task",
}


def _records(accuracy: Matrix, predictions: Predictions | None, scenario: str) -> dict[str, object]:
    """What the metrics may ask for, by name; what is not there is left out."""
    tasks = len(accuracy)
    records: dict[str, object] = {}
    if tasks and not np.isnan(accuracy[np.tril_indices(tasks)]).any():
        records["accuracy"] = accuracy
    if predictions is None or not tasks:
        return records
    records |= {"sizes": predictions.sizes[:tasks], "true": predictions.true[:tasks]}
    scored = predictions.scored(scenario)
    for name, answers in (
        ("aware", predictions.aware),
        ("agnostic", predictions.agnostic),
        ("predicted", scored),
    ):
        if all((tasks - 1, j) in answers for j in range(tasks)):
            records[name] = [answers[tasks - 1, j] for j in range(tasks)]
    return records


def _need_two_tasks(accuracy: Matrix) -> None:
    if len(accuracy) < 2:
        raise UndefinedMetric("one task only")
