"""The source article's PermutedMNIST baseline, as it was written, against `forgetless` on the same stream.

`python -m benchmarks.article --data DIR [--tasks 10 --epochs 2 --rounds 3]`. Each side runs in a process of its
own, one thread, one after the other, round after round; what importing costs is not counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import results

PHASES = ("data", "train", "evaluate", "checkpoint")
Figures = dict[str, Any]


def main() -> None:
    """Measure, print, write `results/article.json`; or, in a process started for it, one side."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, default=os.environ.get("FORGETLESS_DATA"), help="the data root")
    asked.add_argument("--tasks", type=int, default=10)
    asked.add_argument("--epochs", type=int, default=2)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--precision", default="auto", help="of forgetless; the article's code is fp32")
    asked.add_argument("--quick", action="store_true", help="one task, one epoch, one round: to try things")
    asked.add_argument("--name", default="article", help="of the result")
    asked.add_argument("--side", choices=("article", "forgetless"), help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.data is None:
        asked.error("give --data DIR or set FORGETLESS_DATA: the folder that holds MNIST/raw")
    if options.side:
        sides: dict[str, Callable[..., Figures]] = {"article": article, "forgetless": forgetless}
        print(json.dumps(sides[options.side](options)))
        return
    if options.quick:
        options.tasks = options.epochs = options.rounds = 1
    compare(options)


def compare(options: argparse.Namespace) -> None:
    """Both sides, interleaved; the median over the rounds of the ratio of their times."""
    rounds = []
    for number in range(options.rounds):
        rounds.append({side: start(side, options) for side in ("article", "forgetless")})
        wall, cpu = (ratio(rounds[-1], key) for key in ("total", "cpu"))
        print(
            f"round {number + 1}: {wall:.2f} times by wall, {cpu:.2f} by CPU time",
            file=sys.stderr,
            flush=True,
        )
    rows: list[Figures] = [
        {"side": side, "precision": rounds[0][side]["precision"]}
        | {key: middle(rounds, side, key) for key in (*PHASES, "total", "cpu")}
        | average(rounds, side)
        for side in ("article", "forgetless")
    ]
    for row, key in ((rows[1], "total"), (rows[1], "cpu")):
        row[f"ratio ({'wall' if key == 'total' else 'CPU'})"] = statistics.median(
            ratio(r, key) for r in rounds
        )
    about = f"{options.tasks} tasks, {options.epochs} epochs, {options.rounds} rounds; seconds, medians."
    note = f"{about} `total` of forgetless is the whole call of `run_settings`: folder, lock, log and results too."
    results.write(options.name, "benchmarks.article", {"note": note, "rows": rows, "rounds": rounds})
    print(json.dumps(rows, indent=1))


def start(side: str, options: argparse.Namespace) -> Figures:
    """One side in a fresh process with one thread."""
    command = [sys.executable, "-m", "benchmarks.article", "--side", side, "--data", str(options.data)]
    command += [
        "--tasks",
        str(options.tasks),
        "--epochs",
        str(options.epochs),
        "--precision",
        options.precision,
    ]
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, env=os.environ | one, stdout=subprocess.PIPE, text=True, check=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def ratio(one: dict[str, Figures], key: str) -> float:
    """How many times as long the article's side takes."""
    return float(one["article"][key] / one["forgetless"][key])


def middle(rounds: list[dict[str, Figures]], side: str, key: str) -> float | None:
    """The median of one figure of one side."""
    values = [one[side][key] for one in rounds if key in one[side]]
    return statistics.median(values) if values else None


def average(rounds: list[dict[str, Figures]], side: str) -> dict[str, float]:
    """The mean accuracy over the tasks at the end: that both sides learn the same."""
    return {"accuracy": statistics.mean(rounds[0][side]["accuracy"][-1])}


def article(options: argparse.Namespace) -> Figures:
    """The article's side."""
    from benchmarks.article_code import Baseline

    return Baseline(options.data, options.tasks, options.epochs).run()


def forgetless(options: argparse.Namespace) -> Figures:
    """Our side: a whole run, as the command line makes it."""
    from forgetless.run import run_settings
    from forgetless.settings.resolve import resolve

    given = {"epochs": float(options.epochs), "precision": options.precision, "scenario": "domain"}
    settings = resolve("finetune", f"permuted-mnist-article/{options.tasks}", given)
    with tempfile.TemporaryDirectory() as folder:
        cpu, wall = time.process_time(), time.perf_counter()
        run = run_settings(settings, data=options.data, runs=Path(folder))
        total, spent = time.perf_counter() - wall, time.process_time() - cpu
        precision = run.environment["precision"]
    figures: Figures = {key: run.seconds.get(key, 0.0) for key in PHASES} | {"total": total, "cpu": spent}
    rows = [row[: i + 1] for i, row in enumerate(run.accuracy.tolist())]
    return figures | {"precision": precision, "accuracy": rows}


if __name__ == "__main__":
    main()
