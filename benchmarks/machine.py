"""What this machine can do on one thread: rates of matrix products and of memory, and what a step needs of them."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
PRODUCTS = ((2048, 2048, 2048), (1024, 1024, 1024), (256, 784, 400), (128, 576, 1024))
SIZES = (1 << 18, 1 << 20, 1 << 23, 1 << 25, 1 << 28)  # bytes of a copied tensor
PASSES_CONVOLUTION = (
    14  # over each convolution's output, all that can be fused being fused: forward and backward
)
PASSES_LINEAR = 6
PASSES_OPTIMIZER = {
    "adamw": 7,
    "adam": 7,
    "sgd": 5,
}  # over the weights: reads and writes of w, g and the moments


@dataclass(frozen=True)
class Limits:
    """Measured rates of one thread."""

    flops: dict[str, float]  # by precision, FLOP/s: the best matrix product found
    bandwidth: dict[int, float]  # by size of the tensor, bytes/s read or written

    def seconds_for_bytes(self, tensor: int, passes: float) -> float:
        """Time for so many passes over a tensor of this many bytes."""
        size = next((size for size in SIZES if size >= tensor), SIZES[-1])
        return passes * tensor / self.bandwidth[size]


def probe() -> Limits:
    """Measure; a few seconds."""
    flops = {name: max(_product(dtype, *shape) for shape in PRODUCTS) for name, dtype in DTYPES.items()}
    return Limits(flops, {size: _copy(size) for size in SIZES})


def _product(dtype: torch.dtype, rows: int, inner: int, columns: int) -> float:
    a, b = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
    work = 2 * rows * inner * columns
    return work / _shortest(lambda: a @ b.t(), max(3, int(2e9 / work)))


def _copy(size: int) -> float:
    source, target = torch.ones(size // 4), torch.empty(size // 4)
    return 2 * size / _shortest(lambda: target.copy_(source), max(5, (1 << 27) // size))


def _shortest(work: Callable[[], object], times: int) -> float:
    """The second decile of the times that some work takes: the machine's limit, not what others make of it."""
    taken = []
    for _ in range(times + 2):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.quantiles(taken[2:], n=10)[1]


@torch.no_grad()
def count(model: nn.Module, batch: Tensor) -> list[tuple[int, int, bool]]:
    """(FLOPs forward, numbers in the output, convolution or not) of each product that a model makes, in order."""
    found: list[tuple[int, int, bool]] = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        weight = module.get_parameter("weight")
        found.append((2 * output.numel() * weight[0].numel(), output.numel(), weight.dim() == 4))

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, kinds)]
    model(batch)
    for hook in hooks:
        hook.remove()
    return found


def training_limit(
    limits: Limits, model: nn.Module, batch: Tensor, precision: str, optimizer: str
) -> dict[str, float]:
    """Least seconds for a training step: products at the best rate, plus memory traffic."""
    products = count(model, batch)
    flops = 3 * sum(work for work, *_ in products) - products[0][0]  # no gradient for the images
    memory = _traffic(limits, products, precision, 1.0)
    weights = 4 * sum(p.numel() for p in model.parameters())
    memory += limits.seconds_for_bytes(weights, PASSES_OPTIMIZER[optimizer])
    return _limit(limits, flops, memory, precision)


def inference_limit(limits: Limits, model: nn.Module, batch: Tensor, precision: str) -> dict[str, float]:
    """Least seconds for a forward pass: each output written once and read once."""
    products = count(model, batch)
    return _limit(
        limits, sum(work for work, *_ in products), _traffic(limits, products, precision, 1 / 7), precision
    )


def _traffic(limits: Limits, products: list[tuple[int, int, bool]], precision: str, share: float) -> float:
    width = DTYPES[precision].itemsize
    return sum(
        limits.seconds_for_bytes(width * size, share * (PASSES_CONVOLUTION if convolution else PASSES_LINEAR))
        for _, size, convolution in products
    )


def _limit(limits: Limits, flops: int, memory: float, precision: str) -> dict[str, float]:
    compute = flops / limits.flops[precision]
    return {"gflop": flops / 1e9, "compute": compute, "memory": memory, "seconds": compute + memory}
