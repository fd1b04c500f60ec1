"""Same settings, same machine, same threads: same bits, whatever else happens in the process."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hindrances import reseeding
from places import folder_of

from benchmarks.trials import Job, Outcome, fingerprint, shaky_settings
from forgetless.settings.settings import Settings

Finish = Callable[[Job], Outcome]
Reference = Callable[[Settings], dict[str, Any]]


def test_the_same_settings_come_to_the_same_bits(
    lwf: Settings, job: Callable[..., Job], finish: Finish, reference: Reference
) -> None:
    work = job(lwf)
    assert finish(work).code == 0
    assert fingerprint(folder_of(work)) == reference(lwf)


def test_another_seed_comes_to_others(lwf: Settings, reference: Reference) -> None:
    assert reference(replace(lwf, seed=1))["weights"] != reference(lwf)["weights"]


def test_the_order_of_cells_changes_nothing(
    lwf: Settings, job: Callable[..., Job], finish: Finish, reference: Reference, tmp_path: Path
) -> None:
    cells = (lwf, shaky_settings("three_fits"))
    for name, order in (("forward", cells), ("backward", cells[::-1])):
        work = job(order, runs=tmp_path / name)
        assert finish(work).code == 0
        for cell in cells:
            assert fingerprint(work.runs / cell.folder) == reference(cell)


@pytest.mark.parametrize("name", ["three_fits", "wsn"])  # wsn draws scores when it is made
def test_a_library_that_seeds_every_generator_changes_nothing(
    name: str, job: Callable[..., Job], finish: Finish, reference: Reference
) -> None:
    settings = shaky_settings(name)
    work = job(settings, prepare=reseeding)
    assert finish(work).code == 0
    assert fingerprint(folder_of(work)) == reference(settings)
