"""Interleaved timing, A-B-C, A-B-C, ...; ratios within a round, so that what disturbs it disturbs all."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Reading(NamedTuple):
    """What one variant took in one round."""

    wall: float  # seconds
    cpu: float  # seconds of this process, all its threads: what others' load disturbs least
    samples: int


Variant = Callable[[], Reading]


def timed(work: Callable[[], object], samples: int) -> Reading:
    """What some work takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Reading(time.perf_counter() - wall, time.process_time() - cpu, samples)


def interleave(variants: Mapping[str, Variant], rounds: int, title: str) -> dict[str, list[Reading]]:
    """Every variant once in each round; one unread round before."""
    for variant in variants.values():
        variant()
    readings: dict[str, list[Reading]] = {name: [] for name in variants}
    for number in range(rounds):
        for name, variant in variants.items():
            readings[name].append(variant())
        print(f"{title}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return readings


def summarize(readings: Mapping[str, list[Reading]], base: str) -> dict[str, dict[str, Any]]:
    """Samples per second of each variant, and how many times as fast as `base` it is: medians over the rounds."""
    return {name: _summary(own, readings[base]) for name, own in readings.items()}


def _summary(own: list[Reading], base: list[Reading]) -> dict[str, Any]:
    wall = [
        theirs.wall / theirs.samples / (mine.wall / mine.samples)
        for mine, theirs in zip(own, base, strict=True)
    ]
    cpu = [
        theirs.cpu / theirs.samples / (mine.cpu / mine.samples)
        for mine, theirs in zip(own, base, strict=True)
    ]
    return {
        "samples_per_second": statistics.median(r.samples / r.wall for r in own),
        "samples_per_cpu_second": statistics.median(r.samples / r.cpu for r in own),
        "best_samples_per_second": max(r.samples / r.wall for r in own),
        "ratio": statistics.median(wall),
        "ratio_cpu": statistics.median(cpu),
        "ratio_cpu_range": [min(cpu), max(cpu)],
    }


def row(network: str, variant: str, figures: dict[str, Any], limit: float) -> dict[str, Any]:
    """One line of a table; `limit` is what the machine could do, in samples per second."""
    return {
        "network": network,
        "variant": variant,
        "samples/s": figures["samples_per_second"],
        "samples/CPU s": figures["samples_per_cpu_second"],
        "ratio": figures["ratio"],
        "ratio (CPU)": figures["ratio_cpu"],
        "range": " to ".join(f"{value:.2f}" for value in figures["ratio_cpu_range"]),
        "limit, samples/s": limit,
        "of limit": figures["samples_per_cpu_second"] / limit,
    }
