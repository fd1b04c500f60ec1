"""What an engine does with a method, as plainly as it can be written: the oracle for the real one."""

import torch
from torch import nn

from forgetless.data import Batch


def learn(method, task, **recipe):
    """Solve each problem that the method poses for a task."""
    for number, fit in enumerate(method.learn(task)):
        solve(method, fit, task, number, **recipe)
    method.eval()


def solve(
    method, fit, task, number=0, *, optimizer=torch.optim.SGD, lr=0.05, epochs=2, size=6, seed=0, **options
):
    """Train what `only` names on one problem's data; all else is frozen, in evaluation mode."""
    weights = select(method, fit.only)
    opt = optimizer(weights, lr=fit.lr or lr, **options)
    total = epochs if fit.epochs is None else fit.epochs
    for epoch in range(int(total)):
        order = torch.randperm(
            len(fit.data), generator=torch.Generator().manual_seed(seed + 100 * number + epoch)
        )
        for rows in order.split(size):
            progress = torch.tensor(epoch / total)
            for visit in range(fit.visits):
                batch = Batch(fit.data.inputs(rows), fit.data.y[rows], rows, progress, visit=visit)
                step(method, fit, task, batch, opt)
    method.requires_grad_(True)


def select(method, only):
    """The parameters to train, with everything else switched off."""
    chosen = [method] if only is None else only if isinstance(only, list | tuple) else [only]
    method.requires_grad_(False).eval()
    for part in chosen:
        part.requires_grad_(True)
        if isinstance(part, nn.Module):
            part.train()
    return [weight for weight in method.parameters() if weight.requires_grad]


def step(method, fit, task, batch, opt):
    """One step; hooks see the gradients, and the weights after it."""
    result = (fit.loss or method.loss)(batch, task)
    terms, aux = result if isinstance(result, tuple) else (result, {})
    opt.zero_grad()
    sum(terms.values()).backward()
    after_backward = fit.after_backward or method.after_backward
    if after_backward:
        after_backward(batch, task)
    opt.step()
    after_step = fit.after_step or method.after_step
    if after_step:
        with torch.no_grad():
            after_step(batch, task, aux)
