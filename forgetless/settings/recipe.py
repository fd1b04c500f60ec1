"""How a network is trained on one task: the optimiser, its rate and schedule, and for how long. No torch."""

from dataclasses import dataclass
from typing import Literal

Optimizer = Literal["sgd", "adam", "adamw"]
Schedule = Literal["constant", "step", "cosine", "plateau"]
Keep = Literal["last", "best"]
Precision = Literal["auto", "fp32", "bf16", "exact"]


@dataclass(frozen=True)
class Recipe:
    """How one `Fit` is solved, unless the `Fit` overrules it. Epochs and steps are per task."""

    epochs: float = 4.0  # passes over the task's data; ignored where steps are given
    steps: int | None = None  # mini-batches per task, in place of epochs
    batch: int = 128  # examples per step
    lr: float = 1e-3  # learning rate at the start of each task
    optimizer: Optimizer = "adam"
    momentum: float = 0.0  # SGD's
    weight_decay: float = 0.0  # L2 in sgd and adam, decoupled in adamw
    # step: lowered at each of the milestones; cosine: to zero; plateau: lowered whenever the validation loss has not
    # become smaller for `patience` epochs, and stopped below `lr_floor`
    schedule: Schedule = "constant"
    milestones: tuple[float, ...] = (0.6, 0.85)  # of step, as shares of a task's training
    step_factor: float = 0.1  # what step multiplies the rate by at each
    patience: int = 6  # of plateau, in epochs
    lr_factor: float = 0.5  # what plateau multiplies the rate by
    lr_floor: float = 1e-6  # the rate below which plateau ends the training of a task
    keep: Keep = "last"  # the weights at the end of a task, or those of its smallest validation loss
