"""Cumulative training: after each task, goes on from the last weights on the data of all tasks so far.

    learn      from the weights that the task before ended with, train on the data of all tasks so far

A baseline: what `joint` does in as many steps from the beginning; here nothing is unlearned in between, so the
early tasks are trained on more often than the late ones.
"""

from .base import Method, method


@method("cumulative", capturable=True)
class Cumulative(Method):
    """Goes on from the last weights on all data so far, after each task."""

    needs_past = True
