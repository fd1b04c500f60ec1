"""Checks of what survives: saving, stopping, copying."""

from copy import deepcopy

import torch

from ..engine import Account, Progress, Saved, Step, capture, hash_of_tensors, restore
from ..engine.checkpoint import pack, unpack
from ..methods import Method
from .faults import ContractError, require
from .toys import Case, ignore

OTHER_SEED = 1  # of the object that a state is loaded into: nothing may remain of how it was made


class _StopError(ContractError):
    """Raised by a watcher to stop the engine."""


def through_a_file(progress: Progress, task: int) -> Progress:
    """What is read back after a progress was written into a checkpoint's files."""
    saved = Saved(task, progress, Account(), {}, {}, "")
    return Saved.from_checkpoint(unpack(pack(saved.to_checkpoint()))).progress


def check_saved_and_loaded_goes_on(case: Case) -> None:
    """A state loaded into a new object gives the same answers and the same further learning, to the bit."""
    method, loaded = case.learned(2), case.fresh(OTHER_SEED)
    restore(loaded, through_a_file(Progress(capture(method)), 2).start)
    for one, two in zip(case.answers(method, 2), case.answers(loaded, 2), strict=True):
        require(
            torch.equal(one, two),
            "A new object with the saved state answers otherwise. Declare in `setup`, as a buffer or a module, "
            "whatever `logits` needs.",
        )
    case.learn(method, 2)
    case.learn(loaded, 2)
    require(
        _same(method, loaded),
        "After saving and loading the next task is learned otherwise. Declare in `setup`, as a buffer or a module, "
        "whatever must outlive a task; what `learn` makes for its own use is made anew in each task.",
    )


def check_stopped_and_resumed_goes_on(case: Case) -> None:
    """Stopped after any step of any Fit and gone on with in a new object, learning ends with the same bits."""
    method, steps = case.learned(1), list[Step]()
    start = capture(method)
    case.engine().learn(method, case.task(1), Progress(start), steps.append)
    for stop in _stops(steps):
        stopped = _stop_after(case, Progress(dict(start)), stop)
        resumed = case.fresh(OTHER_SEED)
        case.engine().learn(resumed, case.task(1), through_a_file(stopped, 1), ignore)
        step = steps[stop]
        require(
            _same(method, resumed),
            f"Stopped after step {step.step} of {step.steps} of the Fit {step.fit!r} and resumed, learning ends "
            "otherwise. Code between two yields may depend on the saved state and on torch's generator only.",
        )


def _stops(steps: list[Step]) -> list[int]:
    """Of each Fit: after the first step, around the middle, at the end of the first epochs, after the last."""
    chosen: set[int] = set()
    for place, step in enumerate(steps):
        ends_epoch = step.epoch < 2 and place + 1 < len(steps) and steps[place + 1].epoch != step.epoch
        if step.step in (1, step.steps // 2 + 1, step.steps) or ends_epoch:
            chosen.add(place)
    return sorted(chosen)


def _stop_after(case: Case, progress: Progress, stop: int) -> Progress:
    """What is saved when learning is stopped after so many steps."""
    made = 0

    def watch(step: Step) -> None:
        nonlocal made
        if made == stop:
            progress.now = step.moment()
            raise _StopError("stopped")
        made += 1

    try:
        case.engine().learn(case.fresh(OTHER_SEED), case.task(1), progress, watch)
    except _StopError:
        return progress
    raise ContractError("Learned again from the same state, the task took fewer steps than before.")


def check_copies_are_independent(case: Case) -> None:
    """A deep copy answers alike, and what it learns does not reach the original."""
    method = case.learned(1)
    copied, before = deepcopy(method), hash_of_tensors(capture(method))
    answers = case.answers(method, 1)[0]
    require(torch.equal(answers, case.answers(copied, 1)[0]), "A deep copy answers otherwise.")
    case.learn(copied, 1)
    require(
        hash_of_tensors(capture(method)) == before and torch.equal(answers, case.answers(method, 1)[0]),
        "What a deep copy learns changes the original: the two share a tensor.",
    )
    case.learn(method, 1)
    require(_same(method, copied), "A deep copy learns otherwise than the original.")


def _same(one: Method, two: Method) -> bool:
    return hash_of_tensors(capture(one)) == hash_of_tensors(capture(two))
