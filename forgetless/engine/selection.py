"""What a Fit trains, and what a method keeps."""

from torch import nn

from ..errors import SettingsError
from ..memory import Memory
from ..methods import Fit, Method
from ..models import Model, Snapshot
from ..weights import Masks


def select(method: Method, fit: Fit) -> list[nn.Parameter]:
    """Make trainable what the Fit names, freeze the rest, and return the trainable weights.

    What is frozen is in evaluation mode as well, so that running statistics and dropout rest with the weights.

    Raises:
        SettingsError: the Fit trains nothing.
    """
    method.requires_grad_(False).eval()
    named = [method] if fit.only is None else fit.only
    if isinstance(named, nn.Module | nn.Parameter):
        named = [named]
    frozen = {id(weight) for copy in snapshots(method) for weight in copy.parameters()}
    chosen: dict[int, nn.Parameter] = {}
    for item in named:
        weights = [item] if isinstance(item, nn.Parameter) else item.train().parameters()
        chosen |= {id(weight): weight for weight in weights if id(weight) not in frozen}
    if not chosen:
        raise SettingsError(
            f"The Fit {fit.name!r} of {type(method).__name__} names nothing that can be trained."
        )
    for copy in snapshots(method):
        copy.eval()  # also where the Fit names a part of one
    for weight in chosen.values():
        weight.requires_grad_(True)
    return list(chosen.values())


def snapshots(method: nn.Module) -> list[Snapshot]:
    """The frozen copies that a method holds."""
    return [module for module in method.modules() if isinstance(module, Snapshot)]


def count_bytes(method: Method, past: int) -> dict[str, int]:
    """Bytes of what a method keeps, by kind, counted by walking it; `past` is what its old data take."""
    masks = sum(_nbytes(module) for module in method.model.modules() if isinstance(module, Masks))
    own = _nbytes(method.model) - masks
    old = sum(_nbytes(network) for network in _old_networks(method))
    exemplars = sum(_nbytes(module) for module in method.modules() if isinstance(module, Memory))
    measured = _nbytes(method.measured)  # is looked at, never learned from
    return {
        "weights": own,
        "old_models": old,
        "exemplars": exemplars + (past if method.needs_past else 0),
        "statistics": _nbytes(method) - own - masks - old - exemplars - measured,
        "masks": masks,
    }


def _old_networks(method: Method) -> list[nn.Module]:
    """The networks that a method holds beside its own, each once, whatever they lie in."""
    own = set(method.model.modules())
    found = [part for part in method.modules() if isinstance(part, Snapshot | Model) and part not in own]
    within = {part for network in found for part in network.modules() if part is not network}
    return [network for network in found if network not in within]


def _nbytes(module: nn.Module) -> int:
    tensors = {id(t): t for t in (*module.parameters(), *module.buffers())}
    return sum(t.nbytes for t in tensors.values())
