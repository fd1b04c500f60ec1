"""Where and how a run computes: device, precision, threads; each choice with its reason."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import SettingsError

# Kinds of networks for which bf16 was shown, by paired seeds over full schedules, to lose no accuracy against
# fp32. Convolutional nets are not: five pairs of ResNet-32 leave room for a loss of points, one of them lost five
# (benchmarks/results/parity-resnet32.json).
PARITY_SHOWN = frozenset({"mlp"})


@dataclass(frozen=True)
class Plan:
    """How a run computes, and why so."""

    device: torch.device
    precision: str  # fp32 or bf16
    reason: str  # why this precision
    threads: int
    deterministic: bool  # exact: only deterministic algorithms, denormal numbers kept

    @property
    def checks_every_step(self) -> bool:
        """On a CPU reading the loss costs nothing; on an accelerator it would make every step wait."""
        return self.device.type == "cpu"

    @property
    def captures(self) -> bool:
        """Whether updates are captured as CUDA graphs, where the method allows it."""
        return self.device.type == "cuda" and not self.deterministic

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Inside: forward passes in this precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            yield


def choose_plan(precision: str, threads: int, model: str) -> Plan:
    """The plan for a run, from what was asked for and what this machine is.

    Raises:
        SettingsError: more threads were asked for than the machine has.
    """
    cores = os.cpu_count() or 1
    if threads > cores:
        raise SettingsError(
            f"{threads} threads were asked for, but this machine has {cores} cores. "
            f"Give --threads {cores} or fewer; one run of other settings is not the same run."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen, reason = _precision(precision, device, model)
    return Plan(device, chosen, reason, threads, precision == "exact")


def _precision(asked: str, device: torch.device, model: str) -> tuple[str, str]:
    if asked == "exact":
        return "fp32", "exact was asked for: fp32, deterministic algorithms"
    if asked != "auto":
        return asked, f"{asked} was asked for"
    if not has_fast_bf16(device):
        return "fp32", "this processor has no matrix unit for bf16"
    if model not in PARITY_SHOWN:
        return "fp32", f"bf16 is not shown to lose no accuracy on {model}; --precision bf16 is faster"
    return "bf16", "the hardware is made for it, and it loses no accuracy on this kind of network"


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 products run on a unit made for them: AMX on a CPU, tensor cores on a GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and " amx_bf16" in cpuinfo.read_text(errors="ignore")


@contextmanager
def prepared_process(plan: Plan) -> Iterator[None]:
    """Inside: the whole process computes as the plan says. Afterwards it is as it was: it may be somebody's own."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    _set(plan.threads, plan.deterministic)
    # Late in training, moments and softmax gradients are full of denormal numbers, each a slow path of the
    # processor: flushing them saves a tenth to a quarter of a step. Threads inherit the flag when they start, so
    # it is set before the first parallel operation.
    torch.set_flush_denormal(not plan.deterministic)
    try:
        with repeatable():
            yield
    finally:
        torch.set_flush_denormal(False)
        _set(threads, deterministic)


@contextmanager
def repeatable() -> Iterator[None]:
    """Inside: an accelerator, if there is one, gives the same bits each time it is asked, and fp32 is fp32.

    Otherwise convolutions would be summed up in any order, each time another, and in a format of ten binary digits.
    """
    if not torch.cuda.is_available():
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first product is made
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.deterministic, convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32
    convolutions.deterministic, convolutions.benchmark = True, False
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        yield
    finally:
        convolutions.deterministic, convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32 = (
            before
        )


def _set(threads: int, deterministic: bool) -> None:
    torch.set_num_threads(threads)
    if deterministic != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(deterministic)  # imports torch's compiler: a second and more


def describe_machine(plan: Plan) -> dict[str, str | int | bool]:
    """What a result depends on beside its settings, for `environment.json`."""
    device = torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else _cpu_name()
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "device": plan.device.type,
        "device_name": device,
        "precision": plan.precision,
        "precision_reason": plan.reason,
        "threads": plan.threads,
        "deterministic": plan.deterministic,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="ignore").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
