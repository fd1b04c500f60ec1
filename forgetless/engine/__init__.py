"""The one training loop: it solves the `Fit`s that methods yield, and knows no method by name."""

from .evaluation import Predictions, evaluate
from .loop import Engine, Progress
from .plan import Plan, choose_plan

__all__ = ["Engine", "Plan", "Predictions", "Progress", "choose_plan", "evaluate"]
