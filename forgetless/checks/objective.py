"""Checks of the loss: its terms, and what it touches."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data import Batch
from ..engine import capture, restore
from ..engine.selection import select, snapshots
from ..engine.terms import FORM_OF_TERMS, fault_of_form
from ..methods import Method
from ..models import Model
from ..randomness import ambient_state, generator, set_ambient_state
from .faults import ambient, ambient_kept, drawn_since, require
from .pictures import changes, picture, tensor_fact
from .toys import SEED, TASKS, Case, Look, Posed, Probe, samples

JITTER = (
    0.05  # of each weight's own root mean square: far enough from the teacher, near enough to be harmless
)
OUT = -1e4  # a score that wins nowhere
AWAY = 0.05  # length of the step by which a network leaves an old one
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def terms_of(at: Posed, batch: Batch) -> dict[str, Tensor]:
    """The terms of a Fit's loss, called as the engine calls it."""
    out: Any = at.method(at.fit.loss or at.method.loss, batch, at.task)
    terms = out[0] if isinstance(out, tuple) else out
    fault = fault_of_form(terms)
    require(not fault, f"The loss of the Fit {at.fit.name!r} gave {fault}. It gives {FORM_OF_TERMS}.")
    return terms  # type: ignore[no-any-return]


def look_at_each_fit(case: Case, look: Look) -> None:
    """Learn all tasks, and look at each Fit before it is solved; what the look changes is put back."""

    def before(at: Posed) -> None:
        state = capture(at.method)
        with ambient_kept():
            look(at)
        restore(at.method, state)

    method = case.fresh()
    for index in range(TASKS):
        case.learn(method, index, Probe(case.plan, before))


def check_every_term_moves_a_weight(case: Case) -> None:
    """Each term of the loss, alone, has a gradient on the weights being trained, once these have left the teacher."""

    def look(at: Posed) -> None:
        weights = select(at.method, at.fit)
        _jitter(weights)
        terms = [pair for batch in samples(at.fit) for pair in terms_of(at, batch).items()]
        for name, value in terms:
            where = f"The term {name!r} of the Fit {at.fit.name!r} in task {at.task.index + 1}"
            gradients = _gradients(value, weights)
            require(
                all(bool(gradient.isfinite().all()) for gradient in gradients),
                f"{where} has a gradient that is not finite.",
            )
            moves = any(bool(gradient.any()) for gradient in gradients)
            require(
                moves or (_has_weight_zero(at.method) and value.item() == 0),
                f"{where} moves no weight: its gradient is {'zero' if gradients else 'missing'}. "
                "Was something detached, computed under no_grad or wrapped into a new tensor on its way?",
            )

    look_at_each_fit(case, look)


def check_agreeing_costs_least(case: Case) -> None:
    """Where the network answers as an old one does, no term that compares the two falls as the network moves away."""

    def look(at: Posed) -> None:
        weights = select(at.method, at.fit)
        at.method.eval()
        batches = samples(at.fit)
        if _agrees(at.method, batches[0].x):
            for batch in batches:
                for name in _compared(at, batch):
                    _require_least(at, batch, name, weights)

    look_at_each_fit(case, look)


@torch.no_grad()
def _agrees(method: Method, x: Tensor) -> bool:
    """Whether the network answers as each old one does; labels that these do not know are put out of the running."""
    copies = snapshots(method)
    if not copies or not all(isinstance(copy.module, Model) for copy in copies):
        return False
    known = min(copy(x).shape[1] for copy in copies)
    for block in method.model.head.facing(range(known, method.model.head.size)):
        for name, weight in block.named_parameters():
            weight.fill_(OUT if name == "bias" else 0.0)
    scores = method.model(x)
    return all(torch.allclose(copy(x), scores[:, : copy(x).shape[1]], atol=1e-4) for copy in copies)


def _compared(at: Posed, batch: Batch) -> list[str]:
    """The terms that change with an old network."""
    values = terms_of(at, batch)
    kept = [(buffer, buffer.clone()) for copy in snapshots(at.method) for buffer in copy.buffers()]
    _jitter([buffer for buffer, _ in kept if buffer.is_floating_point()])
    moved = terms_of(at, batch)
    for buffer, value in kept:
        buffer.copy_(value)
    return [name for name in values if not torch.equal(values[name], moved[name])]


def _require_least(at: Posed, batch: Batch, name: str, weights: list[nn.Parameter]) -> None:
    """Go the way that lowers a term most, if there is one, and see that it does not fall."""
    value = terms_of(at, batch)[name]
    if not value.requires_grad:
        return
    found = torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)
    length = torch.stack([gradient.square().sum() for gradient in found]).sum().sqrt()
    kept = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, gradient in zip(weights, found, strict=True):
            weight.sub_(AWAY * gradient / length.clamp(min=1e-30))
    after = terms_of(at, batch)[name].item()
    with torch.no_grad():
        for weight, own in zip(weights, kept, strict=True):
            weight.copy_(own)
    require(
        after > value.item() - 1e-4 * (1 + abs(value.item())),
        f"The term {name!r} of the Fit {at.fit.name!r} in task {at.task.index + 1} compares the network with an old "
        f"one, but where both answer alike it still falls, from {value.item():.4g} to {after:.4g}, as the network "
        "moves away. Use a distance, least at equality; keep what is no comparison in a term of its own.",
    )


def _jitter(weights: Sequence[Tensor]) -> None:
    draw = generator(SEED, "jitter")
    with torch.no_grad():
        for weight in weights:
            size = weight.square().mean().sqrt().clamp(min=0.1)
            weight.add_(JITTER * size * torch.randn(weight.shape, generator=draw).to(weight))


def _gradients(value: Tensor, weights: list[nn.Parameter]) -> list[Tensor]:
    if not value.requires_grad:
        return []
    found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
    return [gradient for gradient in found if gradient is not None]


def _has_weight_zero(method: Method) -> bool:
    names = (name for name in type(method).__dataclass_fields__ if name != "model")
    return any(isinstance(getattr(method, name), float) and getattr(method, name) == 0 for name in names)


def check_loss_is_pure(case: Case) -> None:
    """`loss` called twice gives the same values, writes nothing, and draws nothing but the network's dropout."""

    def look(at: Posed) -> None:
        select(at.method, at.fit)
        for batch in samples(at.fit):
            _require_pure(at, batch, training=True)
        at.method.eval()
        for batch in samples(at.fit):
            _require_pure(at, batch, training=False)

    look_at_each_fit(case, look)


def _require_pure(at: Posed, batch: Batch, *, training: bool) -> None:
    where = f"The loss of the Fit {at.fit.name!r} in task {at.task.index + 1}"
    before, inputs = picture(at.method), _facts(batch, at)
    start = ambient()
    torch_state, values, ends = ambient_state(), [], []
    for _ in range(2):
        set_ambient_state(torch_state)
        terms = terms_of(at, batch)
        values.append({name: value.item() for name, value in terms.items()})
        ends.append(ambient_state())
    require(
        values[0] == values[1] and torch.equal(*ends),
        f"{where} gave {values[0]} and then, on the same batch with the same generator, {values[1]}. It must be a "
        "function of the batch and the weights.",
    )
    drawn = [name for name in drawn_since(start) if name != "torch" or not training]
    require(
        not drawn,
        f"{where} draws random numbers ({', '.join(drawn)}), so that dropout no longer draws what it draws for other "
        "methods, and a resumed run may differ. Draw in `learn`, above a yield, and store it.",
    )
    changed = changes(before, picture(at.method))
    if training:  # a network in training mode gathers statistics of its batches
        changed = [path for path in changed if not _gathers(path)]
    require(
        not changed,
        f"{where} changes {', '.join(changed[:3])}. Hand it to `after_step` as a second dictionary.",
    )
    require(inputs == _facts(batch, at), f"{where} changes the batch or the table of rivals.")


def _facts(batch: Batch, at: Posed) -> list[Any]:
    """What a loss is given."""
    parts = (*batch, *(batch.replay or ()), at.task.rivals)
    return [tensor_fact(part) for part in parts if isinstance(part, Tensor)]


def _gathers(path: str) -> bool:
    return path.startswith("model.") and path.rpartition(".")[2] in STATISTICS
