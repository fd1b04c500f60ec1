"""The settings that every method shares, each with its type and its meaning. None: the stream's own. No torch.

One description serves the flags of the command line, the keys of a file and the arguments of `forgetless.run`.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from ..errors import SettingsError
from ..kinds import NonNegative, Positive, PositiveInt
from .fields import MethodFacts
from .recipe import Keep, Optimizer, Precision, Schedule
from .settings import Scenario
from .types import is_readable

Seed = Annotated[int, Ge(0), Lt(2**63)]
Momentum = Annotated[float, Ge(0), Lt(1)]
Factor = Annotated[float, Gt(0), Lt(1)]
Share = Annotated[float, Ge(0), Lt(1)]
Border = Annotated[int, Ge(0), Le(64)]
Count = Annotated[int, Ge(0), Le(16_384)]
Side = Annotated[int, Ge(8), Le(1024)]
Threads = Annotated[int, Gt(0), Le(1024)]


RESERVED = frozenset(
    (
        *(
            "method",
            "methods",
            "stream",
            "on",
            "seeds",
            "preset",
            "config",
            "data",
            "runs",
            "jobs",
            "fresh",
            "json",
        ),
        *("quiet", "help", "method_file", "method_sha256", "name"),
    )
)
"""Names that mean something else wherever settings are given."""


@dataclass(frozen=True)
class Shared:
    """Flags of `run` and `compare`, in the order in which help lists them."""

    scenario: Annotated[Scenario | None, "what is revealed and asked: task, class or domain"] = None
    seed: Annotated[Seed | None, "where all randomness of the run comes from"] = None
    tasks: Annotated[PositiveInt | None, "learn only the first so many tasks of the stream"] = None
    class_order: Annotated[str | None, "natural, seeded, 1993, icarl, or the classes' numbers: 3,1,2,..."] = (
        None
    )
    model: Annotated[str | None, "the network; `forgetless list models`"] = None
    hidden: Annotated[tuple[PositiveInt, ...] | None, "widths of an mlp's hidden layers"] = None
    head_layers: Annotated[
        PositiveInt | None, "last linear layers that each task has of its own; 1: the head alone"
    ] = None
    widen: Annotated[
        Count | None, "nodes that an mlp's last three hidden layers gain with each later task"
    ] = None
    epochs: Annotated[Positive | None, "passes over the data of each task"] = None
    steps: Annotated[PositiveInt | None, "mini-batches for each task, in place of epochs"] = None
    batch: Annotated[PositiveInt | None, "examples in a mini-batch"] = None
    lr: Annotated[Positive | None, "learning rate at the start of each task"] = None
    optimizer: Annotated[Optimizer | None, "a fresh one for each task"] = None
    momentum: Annotated[Momentum | None, "of sgd"] = None
    weight_decay: Annotated[NonNegative | None, "L2 in sgd and adam, decoupled in adamw"] = None
    schedule: Annotated[
        Schedule | None,
        "step: lowered at the milestones; cosine: to zero; plateau: lowered when the validation loss rests",
    ] = None
    milestones: Annotated[
        tuple[Factor, ...] | None, "of step: after which shares of a task's training, 0.6,0.85"
    ] = None
    step_factor: Annotated[Factor | None, "of step: what the rate is multiplied by at each, 0.1"] = None
    patience: Annotated[PositiveInt | None, "of plateau: epochs without a smaller validation loss"] = None
    lr_factor: Annotated[Factor | None, "of plateau: what the rate is multiplied by then"] = None
    lr_floor: Annotated[NonNegative | None, "of plateau: a task ends once the rate is below"] = None
    keep: Annotated[Keep | None, "a task's last weights, or those of its smallest validation loss"] = None
    validation: Annotated[Share | None, "share of the training data held out, per class"] = None
    limit: Annotated[PositiveInt | None, "at most so many training images per class, for trying things"] = (
        None
    )
    later_limit: Annotated[PositiveInt | None, "the same for every task after the first"] = None
    augment: Annotated[bool | None, "random crop and flip, where the stream's recipe has them"] = None
    padding: Annotated[Border | None, "rows and columns of zeros added on each side of the images"] = None
    mean: Annotated[tuple[float, ...] | None, "subtracted from the pixels in [0, 1], one per channel"] = None
    std: Annotated[tuple[Positive, ...] | None, "what they are divided by then"] = None
    size: Annotated[Side | None, "side in pixels to which a folder's images are brought"] = None
    precision: Annotated[
        Precision | None, "exact: fp32 and deterministic; auto: what the hardware is made for"
    ] = None
    threads: Annotated[
        Threads | Literal["auto"] | None, "of the processor; the bits of a result depend on it"
    ] = None


class Flag(NamedTuple):
    """One setting as users meet it: a flag, a key, an argument."""

    name: str
    type: Any  # with None where it may be left open
    default: Any
    help: str
    metavar: str = ""  # how help names a value, where the type does not say it


def shared_flags() -> dict[str, Flag]:
    """The settings that all methods share, by name."""
    flags = {}
    for field in fields(Shared):
        kind, meaning = get_args(field.type)
        flags[field.name] = Flag(field.name, kind, None, meaning)
    return flags


def method_flags(facts: MethodFacts) -> dict[str, Flag]:
    """A method's own settings, by name.

    Raises:
        SettingsError: one has the name of a shared one, or a reserved one.
    """
    shared = {field.name for field in fields(Shared)} | RESERVED
    for field in facts.fields:
        if field.name in shared:
            raise SettingsError(
                f"{facts.path}: the setting {field.name!r} has the name of one that every method has. Rename it."
            )
    return {field.name: Flag(*field) for field in facts.fields}


def all_flags(facts: MethodFacts) -> dict[str, Flag]:
    """Every setting of one method: its own first, then the shared ones."""
    return method_flags(facts) | shared_flags()


def class_flags(cls: type[Any]) -> dict[str, Flag]:
    """The settings of a method's class as it is, for who makes an object of it; those of types that settings know."""
    try:
        types = get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):  # written inside a function, with names that only that function knows
        return {}
    return {
        field.name: Flag(field.name, types[field.name], field.default, "")
        for field in fields(cls)
        if field.name in types and is_readable(types[field.name])
    }
