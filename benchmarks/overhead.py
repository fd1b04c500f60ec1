"""What the engine adds to a step, in microseconds, and where a step's time goes: `python -m benchmarks.overhead`.

The same few tensor operations, once through the engine and once in the barest loop, on a network so small that
nothing else counts. With `--profile mlp` (or another workload): torch's profile of its step.
"""

import argparse
import statistics
from dataclasses import replace

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from benchmarks import results, timing
from benchmarks.timing import Reading
from benchmarks.workloads import WORKLOADS, Training, Workload, plan
from forgetless.engine.optimizers import make_optimizer

STEPS = 1000


def main() -> None:
    """Measure, print, write `results/overhead.json`; or print a profile."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=15)
    asked.add_argument(
        "--profile", choices=WORKLOADS, help="print where the time of this workload's step goes"
    )
    asked.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    asked.add_argument("--steps", type=int, default=20, help="in the profile")
    asked.add_argument("--name", default="overhead", help="of the result")
    options = asked.parse_args()
    if options.profile:
        print(profiled(Training(WORKLOADS[options.profile], options.precision), options.steps))
        return
    row = measure(options.rounds)
    note = f"CPU microseconds per step, medians of {options.rounds} interleaved rounds of {STEPS} steps."
    results.write(options.name, "benchmarks.overhead", {"note": note, "rows": [row]})
    print(row)


def measure(rounds: int) -> dict[str, float]:
    """CPU microseconds per step of the engine, of a bare loop, and their difference."""
    mlp = WORKLOADS["mlp"]
    tiny = replace(
        mlp, hidden=(8, 8, 8), shape=(4, 4, 1), recipe=replace(mlp.recipe, batch=8), images=10 * STEPS
    )
    training, bare = Training(tiny, "fp32"), Bare(tiny)
    variants = {"engine": lambda: training.steps(STEPS), "bare": lambda: bare.steps(STEPS)}
    readings = timing.interleave(variants, rounds, "overhead")
    each = {name: [1e6 * r.cpu / STEPS for r in found] for name, found in readings.items()}
    added = [engine - loop for engine, loop in zip(each["engine"], each["bare"], strict=True)]
    return {
        "engine": statistics.median(each["engine"]),
        "bare loop": statistics.median(each["bare"]),
        "added": statistics.median(added),
    }


class Bare:
    """The least that a step can be: gather, forward, loss, backward, fused optimiser."""

    def __init__(self, workload: Workload) -> None:
        plan("fp32")
        self.data, self.network = workload.stream().task(0).train, workload.network()
        self.recipe = workload.recipe
        self.optimizer = make_optimizer(self.recipe, list(self.network.parameters()), {})
        self.network.train()

    def steps(self, number: int) -> Reading:
        """So many steps."""
        order = torch.randperm(len(self.data))
        return timing.timed(lambda: self._steps(number, order), number * self.recipe.batch)

    def _steps(self, number: int, order: torch.Tensor) -> None:
        for step in range(number):
            rows = order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
            loss = F.cross_entropy(self.network(self.data.x[rows].float() / 255), self.data.y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.optimizer.zero_grad()
            loss.item()


def profiled(training: Training, steps: int) -> str:
    """The operations that take most of a step's time."""
    training.steps(2)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        training.steps(steps)
    return str(
        profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45)
    )


if __name__ == "__main__":
    main()
