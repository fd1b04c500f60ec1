"""Kill runs with `kill -9` at random moments, start them again until they are done, and compare all that came of them.

    python -m benchmarks.kills --method all --times 20
    python -m benchmarks.kills --method lwf --stream split-mnist --data DATA

Each trial kills the run at up to three moments: one at a random time, one inside a checkpoint write, one at a random
step of the last `Fit` of a task. Then it is left to end, and everything is compared with a run that was left alone:
the accuracy matrix, every predicted label, the hash of the weights, the steps and their log.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from forgetless.engine import choose_plan, describe_machine

from .trials import AUGMENTED, METHODS, Child, Job, Outcome, Stall, fingerprint, shaky_settings

RESULTS = Path(__file__).parent / "results" / "kills.json"
CHECKPOINT_EVERY = 0.05  # seconds


@dataclass
class Trial:
    """One run, killed and restarted until it was done."""

    seed: int
    differs: list[str] = field(default_factory=list)  # what is not as in the reference
    kills: list[dict[str, Any]] = field(default_factory=list)  # where each hit
    inside: int = 0  # Fits that were gone on with from inside

    @property
    def identical(self) -> bool:
        """Whether nothing differs."""
        return not self.differs


class Round:
    """One method on one stream: a reference, then trials."""

    def __init__(self, job: Job) -> None:
        self.job = replace(job, checkpoint_every=CHECKPOINT_EVERY)
        self.work = job.runs

    def refer(self) -> None:
        """Run once without disturbance."""
        child = Child(replace(self.job, runs=self.work / "reference"))
        outcome = _done(child.join())
        self.duration = time.monotonic() - child.began
        self.counts = outcome.counts
        self.reference = fingerprint(self._folder("reference"))
        self.fits = [place for place in sorted(self.counts) if place.startswith("fit")]

    def _folder(self, name: str) -> Path:
        assert not isinstance(self.job.settings, tuple)
        return self.work / name / self.job.settings.folder

    def moments(self, draw: Random) -> list[Stall | float]:
        """When a trial kills: seconds, or a place."""
        writes, steps = self.counts.get("write", 1), self.counts[self.fits[-1]]
        moments: list[Stall | float] = [
            draw.uniform(0, self.duration),
            Stall("write", draw.randint(1, max(1, writes // 2))),
            Stall(self.fits[-1], draw.randint(1, max(1, steps // 2))),
        ]
        draw.shuffle(moments)
        return moments

    def trial(self, seed: int) -> Trial:
        """Kill, restart, and compare."""
        trial, name = Trial(seed), f"trial{seed}"
        draw = Random(f"{self.reference['weights']} {seed}")
        while not trial.kills:  # a run may end before any of its moments comes
            shutil.rmtree(self.work / name, ignore_errors=True)
            ended = False
            for moment in self.moments(draw):
                ended = ended or self._kill(trial, replace(self.job, runs=self.work / name), moment)
        if not ended:
            child = Child(replace(self.job, runs=self.work / name))
            _done(child.join())
            trial.inside += child.status.inside
        found = fingerprint(self._folder(name))
        trial.differs = [key for key in self.reference if found[key] != self.reference[key]]
        shutil.rmtree(self.work / name)
        return trial

    def _kill(self, trial: Trial, job: Job, moment: Stall | float) -> bool:
        """Start, kill at a moment, and note where it hit; whether the run ended before."""
        if isinstance(moment, Stall):
            child = Child(replace(job, stall=moment))
            child.until_stalled()
        else:
            child = Child(job)
            child.process.join(moment)
        if not child.alive:
            _done(child.join())
            trial.inside += child.status.inside
            return True
        child.kill()
        status = child.status
        trial.inside += status.inside
        kind = moment.place if isinstance(moment, Stall) else "time"
        trial.kills.append(
            {"aim": kind, "task": status.task, "fit": status.fit, "name": status.name, "step": status.step}
            | ({"write": status.place or "on the way"} if status.writing else {})
        )
        return False


def _done(outcome: Outcome) -> Outcome:
    if outcome.code:
        raise RuntimeError(f"a run ended with {outcome.code}: {outcome.error} {outcome.text}")
    return outcome


def summary(trials: list[Trial]) -> dict[str, Any]:
    """Counts over the trials of one round."""
    kills = [kill for trial in trials for kill in trial.kills]
    fits = Counter(f"{kill['fit'] + 1} ({kill['name']})" for kill in kills if kill["fit"] >= 0)
    return {
        "trials": len(trials),
        "identical": sum(trial.identical for trial in trials),
        "kills": len(kills),
        "kills_at_random_times": sum(kill["aim"] == "time" for kill in kills),
        "kills_inside_a_checkpoint_write": sum("write" in kill for kill in kills),
        "kills_by_fit": dict(sorted(fits.items())),
        "fits_resumed_inside": sum(trial.inside for trial in trials),
        "each": [asdict(trial) for trial in trials],
    }


def job_for(method: str, stream: str, limit: int | None, data: Path | None, work: Path) -> Job:
    """The run of one round: a small net with dropout and batch statistics, whatever the stream."""
    changes: dict[str, Any] = {} if limit is None else {"limit": limit}
    settings = shaky_settings(method, stream=stream, **changes)
    return Job(settings, work, work / "status", data)


def _facts() -> dict[str, Any]:
    """What the results hold for: the product's files as committed, whatever else was committed since."""
    git = ["git", "-C", str(Path(__file__).parent.parent), "rev-parse", "HEAD:forgetless"]
    tree = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {"tree_of_forgetless": tree, "python": sys.version.split()[0], "torch": torch.__version__} | {
        "device": str(describe_machine(choose_plan("fp32", 1, "mlp"))["device_name"])
    }


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def run_round(name: str, round_: Round, times: int, path: Path) -> bool:
    """Make the trials of a round that the results do not have yet; whether all are identical."""
    kept = _read(path)
    old = kept.get(name, {})
    facts, settings = _facts(), round_.job.settings
    assert not isinstance(settings, tuple)
    same = all(old.get(key) == value for key, value in facts.items())
    trials = [Trial(**each) for each in old.get("each", [])] if same else []
    if len(trials) < times:
        round_.refer()
    for seed in range(len(trials), times):
        trials.append(round_.trial(seed))
        last = trials[-1]
        print(
            f"{name}: trial {seed}, {len(last.kills)} kills, {last.differs or 'identical'}", file=sys.stderr
        )
        command = f"python -m benchmarks.kills --method {settings.method} --stream {settings.stream}"
        kept[name] = {
            "command": f"{command} --times {times}",
            **facts,
            "when": time.strftime("%Y-%m-%d"),
            **summary(trials),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=1) + "\n")
    return all(trial.identical for trial in trials)


def table(path: Path) -> str:
    """The results as text."""
    heads = ("round", "identical", "kills", "in a write", "resumed inside a Fit", "by Fit")
    rows = [heads]
    for name, found in _read(path).items():
        fits = ", ".join(f"{fit}: {count}" for fit, count in found["kills_by_fit"].items())
        writes, inside = found["kills_inside_a_checkpoint_write"], found["fits_resumed_inside"]
        equal = f"{found['identical']} of {found['trials']}"
        rows.append((name, equal, *map(str, (found["kills"], writes, inside)), fits))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__.split("\n")[0])
    parser.add_argument("--method", default="all", choices=("all", *METHODS))
    parser.add_argument("--times", type=int, default=20, help="trials for each method")
    parser.add_argument("--stream", default=AUGMENTED)
    parser.add_argument("--limit", type=int, help="training images per class")
    parser.add_argument("--data", type=Path, help="the data root")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    good = True
    for method in METHODS if options.method == "all" else (options.method,):
        with tempfile.TemporaryDirectory() as work:
            job = job_for(method, options.stream, options.limit, options.data, Path(work))
            good &= run_round(f"{method} on {options.stream}", Round(job), options.times, options.results)
    print(table(options.results))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
