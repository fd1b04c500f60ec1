"""Checks of a method that says that what it learned cannot change."""

import torch
from torch import Tensor

from ..engine import capture, restore
from ..methods import Method
from .faults import require
from .toys import TASKS, Case


def check_isolation_holds(case: Case) -> None:
    """Where a method isolates, old answers and all that can influence them stay as they are, to the bit."""
    if case.scenario not in case.make.isolates:
        return
    before = case.learned(1)
    answers, tensors = case.answers(before, 1)[0], _influences(case, before)
    after = case.learned(TASKS)
    changed = [
        name for name, value in _influences(case, after).items() if not _same(tensors.get(name), value)
    ]
    require(
        not changed,
        f"{', '.join(changed[:3])} can influence the first task and changed while later tasks were learned.",
    )
    now = case.answers(after, 1)[0][:, : answers.shape[1]]
    require(torch.equal(now, answers), "Scores on the first task changed while later tasks were learned.")


def check_influences_are_complete(case: Case) -> None:
    """Where a method isolates, no stored tensor can change a task's scores without showing in `influences`."""
    if case.scenario not in case.make.isolates:
        return
    method, scored = case.learned(2), list(case.stream.layouts[0].classes)
    state = capture(method)
    answers, tensors = case.answers(method, 1)[0][:, scored], _influences(case, method)
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        restore(method, state | {name: value + 1})
        moved = not torch.equal(case.answers(method, 1)[0][:, scored], answers)
        shows = any(not _same(tensors.get(key), now) for key, now in _influences(case, method).items())
        require(
            shows or not moved,
            f"{name} changes the scores of the first task, and `influences` does not show it: a certificate would "
            "hold although something was forgotten.",
        )


def check_masks_are_searched_for(case: Case) -> None:
    """Where answers hang on masks, a later task's are not all the first's: scores of their own have moved."""
    if case.scenario not in case.make.isolates:
        return
    method = case.learned(TASKS)
    tasks = [method.influences(case.task(index)) for index in range(TASKS)]
    masks = [{name: value for name, value in found.items() if value.dtype == torch.bool} for found in tasks]
    if all(bool(mask.all()) for mask in masks[0].values()):
        return  # none, or all of every weight: there is nothing to search for
    require(
        any(not _same(masks[0].get(name), mask) for found in masks[1:] for name, mask in found.items()),
        f"All {TASKS} tasks have the same masks. What ranks the weights must be scores of their own, trained beside "
        "them: the size of a weight that no task has chosen never changes, so that it is never chosen.",
    )


def _influences(case: Case, method: Method) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in method.influences(case.task(0)).items()}


def _same(one: Tensor | None, two: Tensor) -> bool:
    return one is not None and torch.equal(one, two)
