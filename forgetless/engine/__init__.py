"""The one training loop: it solves the `Fit`s that methods yield, and knows no method by name."""

from .attention import record_attention
from .checkpoint import Checkpoint, Checkpoints
from .evaluation import Answers, evaluate
from .loop import Engine, Moment, Progress, Step
from .plan import Plan, choose_plan, describe_machine, prepared_process, repeatable
from .saved import Account, Saved
from .selection import count_bytes
from .state import State, capture, hash_of_tensors, restore

__all__ = [
    "Account",
    "Answers",
    "Checkpoint",
    "Checkpoints",
    "Engine",
    "Moment",
    "Plan",
    "Progress",
    "Saved",
    "State",
    "Step",
    "capture",
    "choose_plan",
    "count_bytes",
    "describe_machine",
    "evaluate",
    "hash_of_tensors",
    "prepared_process",
    "record_attention",
    "repeatable",
    "restore",
]
