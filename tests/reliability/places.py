"""Where a job puts things."""

from pathlib import Path

from benchmarks.trials import Job
from forgetless.settings.settings import Settings


def folder_of(job: Job) -> Path:
    """The run folder of a job."""
    assert isinstance(job.settings, Settings)
    return job.runs / job.settings.folder
