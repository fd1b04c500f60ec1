"""Metrics against hand-worked examples, brute force and other libraries; verdicts against scipy's Welch test."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from fake_runs import fake_answers
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from forgetless import attention, estimates, metrics, predictions
from forgetless.estimates import Published, estimate, verdict, welch_half_width
from forgetless.metrics import METRICS, UndefinedMetric, summarize
from forgetless.predictions import Predictions, accuracy_from_predictions

NAN = np.nan

# Worked by hand: BWT = (-0.5 - 0.2) / 2, F = ((0.9 - 0.4) + (0.8 - 0.6)) / 2, the best of task 1 being 0.9.
WORKED = np.array([[0.9, NAN, NAN], [0.5, 0.8, NAN], [0.4, 0.6, 0.7]])
RISEN = np.array([[0.5, NAN, NAN], [0.9, 0.8, NAN], [0.4, 0.6, 0.7]])  # task 1 was best after task 2


@st.composite
def matrices(draw, least=1):
    tasks = draw(st.integers(least, 6))
    cells = draw(st.lists(st.integers(0, 1000), min_size=tasks * tasks, max_size=tasks * tasks))
    accuracy = np.array(cells, dtype=float).reshape(tasks, tasks) / 1000
    accuracy[np.triu_indices(tasks, 1)] = NAN
    return accuracy


@st.composite
def answered(draw, least=1):
    """Tests with answers of every kind, over a few labels, tasks of unequal size."""
    tasks = draw(st.integers(least, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = rng.integers(1, 9, tasks)
    true = tuple((2 * j + rng.integers(0, 2, n)).astype(np.uint16) for j, n in enumerate(sizes))
    untold = {
        (i, j): rng.integers(0, 2 * i + 2, sizes[j]).astype(np.uint16)
        for i in range(tasks)
        for j in range(i + 1)
    }
    told = {
        (i, j): (2 * j + rng.integers(0, 2, sizes[j])).astype(np.uint16)
        for i in range(tasks)
        for j in range(i + 1)
    }
    return Predictions(true, told, untold)


def test_doctests_hold():
    for module in (metrics, estimates, predictions, attention):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed, module.__name__


def test_worked_examples():
    assert metrics.average_accuracy(WORKED) == pytest.approx((0.4 + 0.6 + 0.7) / 3)
    assert metrics.backward_transfer(WORKED) == pytest.approx(-0.35)
    assert metrics.forgetting(WORKED) == pytest.approx(0.35)
    assert metrics.forgetting(RISEN) == pytest.approx(0.35)
    assert metrics.backward_transfer(RISEN) == pytest.approx((-0.1 - 0.2) / 2)
    assert metrics.learning_accuracy(WORKED) == pytest.approx(0.8)
    assert metrics.minimum_accuracy(WORKED) == pytest.approx((0.4 + 0.6) / 2)
    assert metrics.remembering(WORKED) == pytest.approx(0.65)
    assert metrics.positive_backward_transfer(WORKED) == 0
    assert metrics.positive_backward_transfer(1 - WORKED) == pytest.approx(0.35)
    assert metrics.remembering(1 - WORKED) == 1


def test_unequal_tasks_weigh_as_the_formulas_say():
    accuracy = np.array([[0.9, NAN], [0.4, 0.8]])
    assert metrics.average_accuracy(accuracy) == pytest.approx(0.6)
    assert metrics.sample_weighted_accuracy(accuracy, [300, 100]) == pytest.approx(0.5)
    base = np.array([0, 1, 2, 3, 4], dtype=np.uint16)
    assert metrics.class_weighted_accuracy(accuracy, [base, np.array([5])]) == pytest.approx(
        (5 * 0.4 + 0.8) / 6
    )
    assert metrics.average_incremental_accuracy(accuracy, [300, 100]) == pytest.approx((0.9 + 0.5) / 2)
    assert metrics.average_incremental_accuracy_without_first(accuracy, [300, 100]) == pytest.approx(0.5)


@given(matrices(least=2))
@settings(max_examples=200, deadline=None)
def test_bounds_and_inequalities(accuracy):
    values, reasons = summarize(accuracy, None)
    for name in ("average_accuracy", "learning_accuracy", "minimum_accuracy", "remembering"):
        assert 0 <= values[name] <= 1
    assert -1 <= values["forgetting"] <= 1
    assert values["forgetting"] >= -values["backward_transfer"] - 1e-12
    assert values["minimum_accuracy"] <= np.mean(accuracy[-1, :-1]) + 1e-12
    assert values["positive_backward_transfer"] >= 0
    assert set(reasons) == {name for name, value in values.items() if value is None}


@given(matrices(least=2))
@settings(max_examples=200, deadline=None)
def test_agrees_with_brute_force(accuracy):
    last = len(accuracy) - 1
    drops = [max(accuracy[i][j] for i in range(j, last)) - accuracy[last][j] for j in range(last)]
    assert metrics.forgetting(accuracy) == pytest.approx(sum(drops) / last)
    changes = [accuracy[last][j] - accuracy[j][j] for j in range(last)]
    assert metrics.backward_transfer(accuracy) == pytest.approx(sum(changes) / last)
    lowest = [min(accuracy[i][j] for i in range(j + 1, last + 1)) for j in range(last)]
    assert metrics.minimum_accuracy(accuracy) == pytest.approx(sum(lowest) / last)


@given(matrices(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_final_accuracy_does_not_depend_on_the_order_of_tasks(accuracy, random):
    order = list(range(len(accuracy)))
    random.shuffle(order)
    sizes = np.arange(1, len(accuracy) + 1)
    shuffled = accuracy.copy()
    shuffled[-1] = accuracy[-1, order]
    assert metrics.average_accuracy(shuffled) == pytest.approx(metrics.average_accuracy(accuracy))
    assert metrics.sample_weighted_accuracy(shuffled, sizes[order]) == pytest.approx(
        metrics.sample_weighted_accuracy(accuracy, sizes)
    )


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
@settings(max_examples=50, deadline=None)
def test_nothing_is_forgotten_if_no_accuracy_changes(levels):
    accuracy = np.tril(np.tile(levels, (len(levels), 1))) + np.triu(np.full((len(levels),) * 2, NAN), 1)
    assert metrics.forgetting(accuracy) == 0
    assert metrics.backward_transfer(accuracy) == 0
    assert metrics.remembering(accuracy) == 1


@given(answered(), st.sampled_from(["task", "class"]))
@settings(max_examples=100, deadline=None)
def test_metrics_of_predictions_agree_with_counting_images(answers, scenario):
    scored = answers.scored(scenario)
    accuracy = accuracy_from_predictions(answers.true, scored)
    values, _ = summarize(accuracy, answers, scenario)
    tasks = len(answers.true)
    steps = []
    for i in range(tasks):
        right = sum(
            int(a == b) for j in range(i + 1) for a, b in zip(answers.true[j], scored[i, j], strict=True)
        )
        steps.append(right / sum(answers.sizes[: i + 1]))
    assert values["average_incremental_accuracy"] == pytest.approx(sum(steps) / tasks)
    assert values["sample_weighted_accuracy"] == pytest.approx(steps[-1])
    true = np.concatenate(answers.true)
    final = np.concatenate([scored[tasks - 1, j] for j in range(tasks)])
    recalls = recall_score(true, final, labels=np.unique(true), average=None)
    assert values["worst_class_recall"] == pytest.approx(recalls.min())
    kept = "task_aware_accuracy" if scenario == "task" else "task_agnostic_accuracy"
    assert values[kept] == pytest.approx(values["average_accuracy"])


@given(answered(least=2))
@settings(max_examples=50, deadline=None)
def test_old_predicted_as_new_counts_the_old_images_answered_with_a_new_label(answers):
    values, _ = summarize(accuracy_from_predictions(answers.true, answers.agnostic), answers)
    last = len(answers.true) - 1
    given_labels = [int(y) for j in range(last) for y in answers.agnostic[last, j]]
    new = {int(y) for y in answers.true[last]}
    assert values["old_predicted_as_new"] == pytest.approx(
        sum(y in new for y in given_labels) / len(given_labels)
    )


def test_an_undefined_metric_has_a_reason_and_no_number():
    values, reasons = summarize(np.array([[0.9]]), fake_answers(1, "class", 0.5, 0))
    assert values["average_accuracy"] == 0.9
    for name in ("forgetting", "backward_transfer", "minimum_accuracy", "old_predicted_as_new"):
        assert values[name] is None
        assert reasons[name] == "one task only"
    with pytest.raises(UndefinedMetric, match="one task only"):
        metrics.forgetting(np.array([[0.9]]))


def test_what_is_not_recorded_is_named():
    values, reasons = summarize(WORKED, None)
    assert values["average_accuracy"] is not None
    assert values["average_incremental_accuracy"] is None
    assert "sizes" in reasons["average_incremental_accuracy"]
    holed = WORKED.copy()
    holed[1, 0] = NAN
    values, reasons = summarize(holed, None)
    assert set(values.values()) == {None}
    assert "accuracy matrix" in reasons["average_accuracy"]
    assert set(summarize(np.zeros((0, 0)), None)[0].values()) == {None}


def test_a_scenario_without_old_and_new_classes_has_no_recency_bias():
    answers = fake_answers(3, "domain", 0.5, 0)
    values, reasons = summarize(accuracy_from_predictions(answers.true, answers.agnostic), answers, "domain")
    assert values["old_predicted_as_new"] is None
    assert reasons["old_predicted_as_new"] == "the last task has no classes of its own"
    assert values["task_aware_accuracy"] is None
    assert values["worst_class_recall"] is not None


def test_every_metric_says_what_it_is():
    for name, metric in METRICS.items():
        assert metric.name == name == metric.function.__name__
        assert metric.formula
        assert metric.source
        assert metric.function.__doc__
        assert metric.better in ("higher", "lower")


def test_a_part_of_a_run_is_measured_as_what_it_is():
    answers = fake_answers(4, "class", 0.5, 0)
    part = {place: labels for place, labels in answers.agnostic.items() if place[0] < 2}
    accuracy = accuracy_from_predictions(answers.true, part)
    assert accuracy.shape == (2, 2)
    values, _ = summarize(accuracy, Predictions(answers.true, {}, part))
    assert values["average_accuracy"] == pytest.approx(accuracy[-1].mean())
    assert values["average_incremental_accuracy"] is not None


def test_estimate_agrees_with_scipy():
    values = [0.61, 0.64, 0.58, 0.66]
    found = estimate(values)
    low, high = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
    assert (found.mean, found.n) == (pytest.approx(np.mean(values)), 4)
    assert found.std == pytest.approx(np.std(values, ddof=1))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_one_seed_has_no_spread():
    found = estimate([0.5])
    assert (found.mean, found.n, found.std, found.low, found.high) == (0.5, 1, None, None, None)
    assert not found.leaves_out_zero


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6, unique=True))
@settings(max_examples=100, deadline=None)
def test_a_difference_is_found_where_the_paired_test_finds_one(differences):
    p = scipy.stats.ttest_1samp(differences, 0.0).pvalue
    if abs(p - 0.05) > 1e-9:
        assert estimate(differences).leaves_out_zero == (p < 0.05)


@given(
    st.lists(st.floats(0.3, 0.7), min_size=2, max_size=8, unique=True),
    st.floats(0.3, 0.7),
    st.integers(2, 20),
)
@settings(max_examples=100, deadline=None)
def test_half_width_is_where_welch_s_test_turns(values, mean, n):
    ours, published = estimate(values), Published(mean, n, 0.03)
    p = scipy.stats.ttest_ind_from_stats(ours.mean, ours.std, ours.n, mean, 0.03, n, equal_var=False).pvalue
    half = welch_half_width(ours, published)
    distance = abs(ours.mean - mean)
    if abs(distance - half) > 1e-9:
        assert (distance > half) == (p < 0.05)


@pytest.mark.parametrize(
    ("ours", "published", "expected"),
    [
        ([0.50, 0.50], Published(0.509, 10, 0.001), "match"),  # within one point
        ([0.50, 0.50], Published(0.51, 10, 0.0), "match"),  # one point exactly
        ([0.48, 0.52], Published(0.60, 3, 0.05), "match"),  # far, but so are the seeds
        ([0.50, 0.501], Published(0.525, 10, 0.001), "close"),
        ([0.50, 0.50], Published(0.53, 10, 0.0), "close"),  # three points exactly
        ([0.60, 0.601], Published(0.55, 10, 0.001), "above"),
        ([0.50, 0.501], Published(0.55, 10, 0.001), "below"),
        ([0.50, 0.50], Published(0.532, 10, 0.0), "below"),  # past three points
        ([0.50, 0.50], Published(0.468, 10, 0.0), "above"),
        ([0.50, 0.501], Published(0.50), "unverifiable"),
        ([0.50, 0.501], Published(0.50, sem=0.01), "unverifiable"),
        ([0.50], Published(0.509, 10, 0.05), "match"),  # one seed of ours: the point alone decides
        ([0.50], Published(0.52, 10, 0.05), "close"),
        ([0.50, 0.51], Published(0.52, n=5), "close"),  # n alone is enough to be held to the points
    ],
)
def test_verdict_rule(ours, published, expected):
    assert verdict(estimate(ours), published) == expected


def test_a_standard_error_is_turned_into_a_deviation():
    assert Published(0.9960, 20, sem=0.0003).deviation == pytest.approx(0.0003 * 20**0.5)
    assert Published(0.9960, 20, std=0.01, sem=0.0003).deviation == 0.01


def test_needs_no_torch():
    heavy = "{'torch', 'scipy'} & set(sys.modules)"
    code = f"import sys, forgetless.metrics, forgetless.estimates; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_averages_of_a_published_curve_with_its_first_step_and_without():
    """LwF-MC on CIFAR-100 in steps of ten classes, read off iCaRL's figure 2: over all seen classes after each step."""
    curve = np.array([85.5, 68.8, 55.3, 46.6, 40.6, 36.7, 31.7, 28.9, 26.1, 24.7]) / 100
    accuracy = np.where(
        np.tri(10, dtype=bool), curve[:, None], NAN
    )  # as if each task had the mean's accuracy
    assert round(100 * metrics.average_incremental_accuracy(accuracy, [1000] * 10), 2) == 44.49
    assert round(100 * metrics.average_incremental_accuracy_without_first(accuracy, [1000] * 10), 2) == 39.93
