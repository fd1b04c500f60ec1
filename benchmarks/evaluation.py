"""Evaluation through the engine against a DataLoader of PIL images: `python -m benchmarks.evaluation`."""

from typing import Any

import torch

from benchmarks import conventional, machine, timing
from benchmarks.against import tabulate
from benchmarks.timing import Variant
from benchmarks.workloads import WORKLOADS, Workload, plan
from forgetless.data import Stream
from forgetless.engine import evaluate
from forgetless.methods.registry import make_method

NETWORKS = ("mlp", "resnet32")
IMAGES = {"mlp": 10_000, "resnet32": 2_000, "resnet18": 256}


def measure(name: str, rounds: int, limits: machine.Limits) -> list[dict[str, Any]]:
    """A row for each variant of a network."""
    workload = WORKLOADS[name]
    stream = workload.stream(tests=IMAGES[name])
    variants = {"conventional": usual(workload, stream)}
    variants |= {precision: ours(workload, stream, precision) for precision in ("fp32", "bf16")}
    readings = timing.interleave(variants, rounds, f"evaluation of {name}")
    height, width, channels = workload.shape
    batch = torch.zeros(128, channels, height, width)
    rows = []
    for variant, figures in timing.summarize(readings, "conventional").items():
        precision = "bf16" if variant == "bf16" else "fp32"
        best = machine.inference_limit(limits, workload.network().eval(), batch, precision)
        rows.append(timing.row(name, variant, figures, 128 / best["seconds"]))
    return rows


def usual(workload: Workload, stream: Stream) -> Variant:
    """To tensor, normalise: one image after the other."""
    network = workload.network().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    normalize = conventional.Normalize(workload.pixels.mean, workload.pixels.std)
    test = stream.tests[0]

    def transform(picture: conventional.Picture) -> torch.Tensor:
        return normalize(conventional.to_tensor(picture))

    data = conventional.Pictures(test.x, test.y, transform)
    return lambda: timing.timed(lambda: conventional.accuracy(network, data, 128), len(test))


def ours(workload: Workload, stream: Stream, precision: str) -> Variant:
    """What a run does after a task."""
    method = make_method(workload.settings(), workload.network())  # type: ignore[arg-type]
    chosen = plan(precision)
    return lambda: timing.timed(lambda: evaluate(method, stream, 0, chosen), len(stream.tests[0]))


if __name__ == "__main__":
    tabulate("evaluation", __doc__, tuple(NETWORKS), measure)
