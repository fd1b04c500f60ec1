"""The contract, executable: what every method and every stream must keep. Run it on a class of your own.

from forgetless.checks import check_method
check_method(Mine)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

import torch

from ..data import Scenario, Stream
from ..errors import ForgetlessError
from ..methods import Method
from ..methods.registry import find_method
from . import behaviour, computing, declared, isolation, objective, persistence, streams
from .faults import ContractError, Finding, examine, name_of, summary_of
from .toys import NETWORKS, Case

__all__ = [
    "Case",
    "ContractError",
    "Finding",
    "accelerators",
    "cases_of",
    "check_method",
    "check_stream",
    "examine",
    "examine_method",
    "examine_stream",
    "method_checks",
    "name_of",
    "stream_checks",
    "summary_of",
]

NOTHING: Mapping[str, Any] = MappingProxyType({})
FIRST = behaviour.check_learns_every_task  # where this fails, nothing else can be looked at


def method_checks() -> tuple[Callable[[Case], None], ...]:
    """All checks of methods, in the order in which they are run; one of them where there is an accelerator only."""
    return (
        declared.check_defaults_are_plain,
        declared.check_says_what_it_is,
        declared.check_is_final,
        FIRST,
        objective.check_every_term_moves_a_weight,
        objective.check_agreeing_costs_least,
        objective.check_loss_is_pure,
        computing.check_nothing_waits,
        behaviour.check_prediction_is_pure,
        behaviour.check_data_are_left_alone,
        behaviour.check_what_is_frozen_rests,
        behaviour.check_old_networks_rest,
        behaviour.check_old_answers_survive_growth,
        behaviour.check_same_seed_same_bits,
        *((computing.check_captured_is_the_same,) if accelerators() else ()),
        behaviour.check_learns_what_is_easy,
        computing.check_finite_in_bf16,
        behaviour.check_bytes_are_counted,
        isolation.check_isolation_holds,
        isolation.check_influences_are_complete,
        isolation.check_masks_are_searched_for,
        persistence.check_saved_and_loaded_goes_on,
        persistence.check_stopped_and_resumed_goes_on,
        persistence.check_copies_are_independent,
    )


def stream_checks() -> tuple[Callable[[Stream], None], ...]:
    """All checks of streams."""
    return streams.CHECKS


def cases_of(made: type[Method], hyper: Mapping[str, Any] = NOTHING) -> list[Case]:
    """A method in each of its scenarios on each network that it does not refuse, on each kind of device there is.

    Raises:
        ContractError: it can be made on none.
    """
    cases, refusals = [], []
    for scenario in made.scenarios:
        for network in NETWORKS:
            case = Case(made, dict(hyper), cast(Scenario, scenario), network)
            try:
                case.fresh()
            except ForgetlessError as error:
                refusals.append(str(error))
            else:
                cases += [case, *(replace(case, device=device) for device in accelerators())]
    if not cases:
        raise ContractError(f"{made.__name__} cannot be made: {' '.join(dict.fromkeys(refusals))}")
    return cases


def accelerators() -> list[str]:
    """The kinds of devices, beside the CPU, that a run may find here."""
    return ["cuda"] if torch.cuda.is_available() else []


def examine_method(made: type[Method] | str, hyper: Mapping[str, Any] = NOTHING) -> Iterator[Finding[Case]]:
    """What comes of each check, in each scenario and on each network, one after the other."""
    cls = find_method(made) if isinstance(made, str) else made
    for case in cases_of(cls, hyper):
        for check in method_checks():
            finding = examine(check, case)
            yield finding
            if check is FIRST and finding.complaint:
                break


def check_method(made: type[Method] | str, **hyper: Any) -> None:
    """Does a method keep the contract, with these hyper-parameters?

    Raises:
        ContractError: it does not; the text has a sentence for each check that failed.
    """
    cls = find_method(made) if isinstance(made, str) else made
    _raise(f"The method {cls.name or cls.__name__}", examine_method(cls, hyper))


def examine_stream(stream: Stream, again: Stream | None = None) -> Iterator[Finding[Stream]]:
    """What comes of each check; `again` is the same stream built once more."""
    for check in stream_checks():
        yield examine(check, stream)
    if again is not None:
        yield examine(lambda first: streams.check_built_twice_is_the_same(first, again), stream)


def check_stream(stream: Stream, again: Stream | None = None) -> None:
    """Does a stream keep the contract? Give a second build of it to see that it is the same.

    Raises:
        ContractError: it does not; the text has a sentence for each check that failed.
    """
    _raise(f"The stream {stream.name}", examine_stream(stream, again))


def _raise(subject: str, findings: Iterable[Finding[Any]]) -> None:
    """Say all that is wrong, each thing once with where it was seen."""
    said: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.complaint:
            said.setdefault((finding.name, finding.complaint), []).append(str(finding.subject))
    if said:
        lines = [f"- {name} ({'; '.join(places)}): {text}" for (name, text), places in said.items()]
        raise ContractError(f"{subject} does not keep the contract:\n" + "\n".join(lines))
