"""Checks of how a method computes: without waiting for an accelerator, captured by it, in half precision."""

from dataclasses import replace

from ..engine import Engine, capture, hash_of_tensors
from .faults import require
from .reads import HostReads
from .toys import RECIPE, SEED, TASKS, Case, Posed, Probe, accelerated


def check_nothing_waits(case: Case) -> None:
    """No step reads a value back from the accelerator: not in `loss`, not in a hook."""
    method, reads = case.learned(1), HostReads()

    def before(_: Posed) -> None:
        reads.places.clear()

    def after(at: Posed) -> None:
        own = [place for place in reads.places if "terms.py" not in place]
        require(
            not own,
            f"In the Fit {at.fit.name!r} a value is read at each step, and an accelerator must be waited for: "
            f"{own[0] if own else ''}. Keep it a tensor: torch.where in place of `if`, a mask in place of a choice.",
        )

    for index in range(1, TASKS):
        with reads:
            case.learn(method, index, Probe(accelerated(case.plan), before, after))


def check_captured_is_the_same(case: Case) -> None:
    """Where updates may be captured as CUDA graphs, learning ends with the same bits as where each is made anew."""
    if not (case.plan.captures and case.make.capturable):
        return
    method, anew = case.learned(TASKS), case.fresh()
    plain = Engine(RECIPE, SEED, replace(case.plan, deterministic=True))
    for index in range(TASKS):
        case.learn(anew, index, plain)
    require(
        hash_of_tensors(capture(method)) == hash_of_tensors(capture(anew)),
        "Updates captured as CUDA graphs end with other weights than updates made one by one. What does not make the "
        "same calls at every update is not `capturable`.",
    )


def check_finite_in_bf16(case: Case) -> None:
    """Two tasks learned under bf16 autocast give finite weights and answers."""
    method = case.fresh()
    plan = replace(case.plan, precision="bf16")
    for index in range(2):
        case.learn(method, index, Probe(plan, lambda _: None))
    for name, value in method.state_dict().items():
        require(bool(value.isfinite().all()), f"Under bf16 {name} is no longer finite.")
    with plan.computing():
        scores = case.answers(method, 2)
    require(not any(bool(s.isnan().any()) for s in scores), "Under bf16 a score is not a number.")
