"""The whole contract between a continual-learning method and everything that runs it.

A method is the sequence of optimisation problems it poses (`learn`), what it remembers between them (`setup`),
and how it answers (`logits`). Batches, devices, precision, optimisers, schedules, seeds and logging are the
engine's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from torch import Tensor, nn

from ..data import Batch, Split, Task
from ..errors import SettingsError
from ..models import BufferDict, Model
from ..ops import cross_entropy
from ..settings.check import check
from ..settings.names import check_method_name
from ..settings.recipe import Optimizer, Schedule
from ..settings.schema import class_flags

Terms = dict[str, Tensor]
"""Named terms of a loss, each a scalar; the engine minimises their sum and logs each."""

Trainable = nn.Module | nn.Parameter


@dataclass(frozen=True)
class Fit:
    """One optimisation problem. What is left at None comes from the recipe or from the method itself."""

    data: Split
    loss: Callable[[Any, Task], Any] | None = None  # in place of the method's own; a bound method of it
    only: Trainable | list[nn.Module] | list[nn.Parameter] | list[Trainable] | None = (
        None  # what to train; the rest is frozen, in evaluation mode
    )
    name: str = "main"  # a word for logs and randomness; the Fit on the task's own data is `main`
    epochs: float | None = None
    lr: float | None = None
    # what the rate is multiplied by in these parts; a later one overrules an earlier one that holds it
    rates: Mapping[nn.Module, float] = field(default_factory=dict)
    optimizer: Optimizer | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    batch: int | None = None
    # a word of the recipe, or what the rate is multiplied by at a progress in [0, 1)
    schedule: Schedule | Callable[[float], float] | None = None
    augment: bool = True  # as the recipe says; False: the images as they are stored
    replay: Split | None = None  # examples from which a second batch is drawn, met as `batch.replay`
    replay_batch: int = 64
    # updates from each batch, one after the other, each on augmentation and dropout of its own; a loss is told which by
    # `batch.visit`. Epochs, steps, schedule, log and resume count batches, whatever the visits.
    visits: int = 1
    after_backward: Callable[..., None] | None = None  # in place of the method's own
    after_step: Callable[..., None] | None = None

    def __post_init__(self) -> None:
        """Refuse to replay from nothing, and to pass batches by."""
        if self.replay is not None and not len(self.replay):
            raise SettingsError(f"The Fit {self.name!r} replays from a memory that holds nothing.")
        if self.visits < 1:
            raise SettingsError(
                f"The Fit {self.name!r} was asked for {self.visits} visits of each batch; there must be 1 or more."
            )


METHODS: dict[str, type["Method"]] = {}
AnyMethod = TypeVar("AnyMethod", bound="Method")


@dataclass_transform(eq_default=False)
def method(name: str, *, capturable: bool = False) -> Callable[[type[AnyMethod]], type[AnyMethod]]:
    """Register a class under a name and make its annotated fields its hyper-parameters.

    Args:
        name: What users call it by.
        capturable: Every update of a Fit makes the same calls on the device, those of hooks included, so that a GPU
            may capture one as a CUDA graph and launch that instead. What counts steps in Python is not.

    Raises:
        SettingsError: it is no possible name.
    """
    check_method_name(name)

    def wrap(cls: type[AnyMethod]) -> type[AnyMethod]:
        made = dataclass(eq=False)(cls)
        made.name, made.capturable = name, capturable
        METHODS[name] = made
        return made

    return wrap


@dataclass(eq=False)
class Method(nn.Module):
    """A dataclass (its hyper-parameters) that is an nn.Module (its memory)."""

    model: Model

    name: ClassVar[str] = ""
    scenarios: ClassVar[tuple[str, ...]] = ("task", "class", "domain")  # where the method is defined
    needs_task: ClassVar[bool] = False  # must be told the task at test time
    needs_past: ClassVar[bool] = False  # learns each task from the data of all tasks so far
    isolates: ClassVar[tuple[str, ...]] = ()  # scenarios in which nothing that was learned can change
    capturable: ClassVar[bool] = False  # every update makes the same calls: see `method`

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make the module first, so that the dataclass's own `__init__` may assign modules."""
        self = super().__new__(cls)
        nn.Module.__init__(self)
        return self

    def __post_init__(self) -> None:
        flags = class_flags(type(self))
        given = {name: getattr(self, name) for name in flags}
        for name, value in check(given, flags, source="", of=self.name or type(self).__name__).items():
            setattr(self, name, value)
        self.measured = (
            BufferDict()
        )  # what the method measured of itself: small tensors, for pictures and tables
        self.setup()

    def setup(self) -> None:
        """Declare what is remembered between tasks: buffers, extra modules."""

    def learn(self, task: Task) -> Iterator[Fit]:
        """The algorithm: yield each optimisation problem; above a yield is before training, below it after."""
        self.model.grow(task.classes)
        yield Fit(task.train)

    def loss(self, batch: Batch, task: Task) -> Terms | tuple[Terms, dict[str, Tensor]]:
        """Named terms for one mini-batch; touches nothing. A second dictionary is handed to `after_step`."""
        return {"new": cross_entropy(self.model(batch.x), batch.y, task.rivals)}

    after_backward: ClassVar[Callable[..., None] | None] = None  # (batch, task): edit gradients
    after_step: ClassVar[Callable[..., None] | None] = None  # (batch, task, aux): edit weights or memory

    def logits(self, x: Tensor, task: Task | None = None) -> Tensor:
        """Scores at test time, (B, K, H, W) -> (B, C); the task is given only where the scenario reveals it."""
        return self.model(x)  # type: ignore[no-any-return]

    def validation_loss(self, batch: Batch, task: Task) -> Tensor:
        """What `keep = best` and the plateau schedule go by, on held-out examples, in evaluation mode. -> ()"""
        return cross_entropy(self.model(batch.x), batch.y, task.rivals)

    def require_known(self, task: Task) -> None:
        """See to it that the network scores the labels that occurred before this task, and no others.

        Raises:
            SettingsError: it does not, so that an old network's answers would be taken for those of other labels.
        """
        known = sum(map(len, task.old_groups))
        if known != self.model.head.size:
            raise SettingsError(
                f"{self.name} was given a network that scores {self.model.head.size} labels, but {known} had occurred "
                f"before task {task.index + 1}. The head must be grown by the method alone: begin with a model without "
                "head rows."
            )

    def influences(self, task: Task) -> dict[str, Tensor]:
        """Every tensor that can influence this task's scores, by name; of a method that isolates."""
        raise SettingsError(
            f"{self.name} does not isolate what it learned: later tasks change earlier answers."
        )

    def forward(self, objective: Callable[..., Any], batch: Batch, task: Task) -> Any:
        """One entry for a step, whatever the objective: what compiling and data parallelism wrap."""
        return objective(batch, task)
