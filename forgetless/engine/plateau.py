"""What goes by the loss on held-out examples: lowering the rate, ending a Fit early, keeping its best weights.

Serra, Suris, Miron & Karatzoglou, "Overcoming catastrophic forgetting with hard attention to the task", ICML
2018, and those after them: after each epoch without a smaller validation loss, patience shrinks by one; when it
is used up, the rate is lowered and patience is whole again; below a floor of the rate, training ends.
"""

import math

import torch

from ..data import Batch, Task
from ..errors import SettingsError
from ..methods import Fit, Method
from ..settings.recipe import Recipe
from .plan import Plan
from .state import State, capture, restore

BATCH = 256  # held-out examples at a time


class Plateau:
    """The validation losses of one Fit, and what follows from them.

    Watched is the Fit on the task's own data, `main`, where its loss is the method's own; what comes before and after
    it, a warm-up say, has the recipe's rate throughout and keeps its last weights.
    """

    def __init__(self, recipe: Recipe, fit: Fit, task: Task, plan: Plan) -> None:
        own = fit.name == "main" and fit.loss is None and fit.schedule is None
        self.lowers = own and recipe.schedule == "plateau"
        self.keeps = own and recipe.keep == "best"
        self.recipe, self.plan = recipe, plan
        if (self.lowers or self.keeps) and task.validation is None:
            raise SettingsError("The plateau schedule and keep = best need examples that are held out.")
        self.smallest, self.waited, self.factor = math.inf, 0, 1.0
        self.best: State = {}

    @property
    def over(self) -> bool:
        """Whether the rate has sunk below its floor."""
        return self.lowers and self.recipe.lr * self.factor < self.recipe.lr_floor

    def look(self, method: Method, task: Task) -> None:
        """After an epoch: ask for the validation loss, and draw the consequences."""
        if not (self.lowers or self.keeps):
            return
        loss = validation_loss(method, task, self.plan)
        if loss < self.smallest:
            self.smallest, self.waited = loss, 0
            self.best = capture(method) if self.keeps else {}
            return
        self.waited += 1
        if self.lowers and self.waited >= self.recipe.patience:
            self.factor, self.waited = self.factor * self.recipe.lr_factor, 0

    def keep_best(self, method: Method) -> None:
        """At the end: go back to the weights of the smallest validation loss."""
        if self.best:
            restore(method, self.best)

    def state(self) -> State:
        """Enough to go on from here."""
        if not (self.lowers or self.keeps):
            return {}
        facts = torch.tensor([self.smallest, self.waited, self.factor], dtype=torch.float64)
        return {"facts": facts} | {f"best/{name}": value for name, value in self.best.items()}

    def go_to(self, state: State) -> None:
        """Go on from there."""
        if state:
            smallest, waited, self.factor = state["facts"].tolist()
            self.smallest, self.waited = smallest, int(waited)
            self.best = {
                name.removeprefix("best/"): value for name, value in state.items() if name != "facts"
            }


@torch.no_grad()
def validation_loss(method: Method, task: Task, plan: Plan) -> float:
    """The mean of a method's validation loss over the held-out examples, in evaluation mode."""
    data = task.validation
    assert data is not None
    modes = [(module, module.training) for module in method.modules()]
    method.eval()
    total = torch.zeros((), dtype=torch.float64, device=data.y.device)
    for start in range(0, len(data), BATCH):
        rows = torch.arange(start, min(start + BATCH, len(data)), device=data.y.device)
        batch = Batch(data.inputs(rows), data.y[rows], rows, torch.ones((), device=data.y.device))
        with plan.computing():
            total += method.validation_loss(batch, task).double() * len(rows)
    for module, mode in modes:
        module.training = mode
    return total.item() / len(data)
