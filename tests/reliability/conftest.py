"""What the reliability tests share: runs in child processes, and what an undisturbed run comes to."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trials import Child, Job, Outcome, fingerprint, shaky_settings
from forgetless.settings.settings import Settings


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """`job(settings, **changes)` is a job in this test's own folder."""

    def make(settings: Settings | tuple[Settings, ...], **changes: Any) -> Job:
        plain = Job(settings, tmp_path / "runs", tmp_path / "status")
        return replace(plain, **changes)

    return make


@pytest.fixture
def start() -> Iterator[Callable[[Job], Child]]:
    """`start(job)` begins it in a process that does not outlive the test."""
    children: list[Child] = []

    def begin(job: Job) -> Child:
        children.append(Child(job))
        return children[-1]

    yield begin
    for child in children:
        if child.alive:
            child.kill()


@pytest.fixture
def finish(start: Callable[[Job], Child]) -> Callable[[Job], Outcome]:
    """`finish(job)` runs it to its end."""
    return lambda job: start(job).join()


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """`reference(settings)` is what a run comes to that nothing disturbs."""
    known: dict[str, dict[str, Any]] = {}

    def of(settings: Settings) -> dict[str, Any]:
        if settings.folder not in known:
            folder = tmp_path_factory.mktemp("reference")
            outcome = Child(Job(settings, folder, folder / "status", checkpoint_every=1e9)).join()
            assert outcome.code == 0, outcome.text
            known[settings.folder] = fingerprint(folder / settings.folder)
        return known[settings.folder]

    return of


@pytest.fixture
def lwf() -> Settings:
    """LwF with a warm-up, on a net with dropout and batch statistics: two Fits a task."""
    return shaky_settings("lwf")
