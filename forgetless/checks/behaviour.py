"""Checks of what a method does to its data, its network and its answers."""

import torch
from torch import Tensor, nn

from ..engine import Engine, Progress, capture, count_bytes, hash_of_tensors
from ..engine.evaluation import fault_of_scores
from ..engine.selection import select, snapshots
from ..methods import Fit, Method
from ..models import Snapshot
from ..settings.recipe import Recipe
from .faults import ambient, drawn_since, require
from .pictures import changes, networks, picture, tensor_fact
from .toys import SEED, TASKS, Case, Posed, Probe, ignore

EASY = Recipe(epochs=12, batch=8, lr=0.02)


def check_learns_every_task(case: Case) -> None:
    """A new object with the default hyper-parameters learns task after task."""
    method = case.learned(TASKS)
    for index, scores in enumerate(case.answers(method, TASKS)):
        seen = max(case.stream.layouts[TASKS - 1].seen) + 1
        fault = fault_of_scores(scores, len(case.stream.tests[index]), seen)
        require(not fault, f"`logits` gave {fault}")
        require(
            not bool(scores.isnan().any()),
            "`logits` gave a score that is not a number. Minus infinity is for labels that cannot be.",
        )


def check_learns_what_is_easy(case: Case) -> None:
    """One task of two patterns that any network can tell apart is learned: more than 90 % are right."""
    method, task = case.fresh(), case.task(0)
    Engine(EASY, SEED, case.plan).learn(method, task, Progress(capture(method)), ignore)
    scores, test = case.answers(method, 1)[0], case.stream.tests[0]
    own = torch.tensor(task.classes, device=scores.device)
    right = (own[scores[:, own].argmax(-1)] == test.y).float().mean().item()
    require(
        right > 0.9,
        f"After {EASY.epochs} epochs on two easy patterns {right:.0%} of the answers are right. "
        "Is every Fit yielded, and does the loss pull the right scores up?",
    )


def check_prediction_is_pure(case: Case) -> None:
    """`logits` gives the same answer twice, changes nothing, draws nothing and looks at each image by itself."""
    method = case.learned(2)
    method.eval()
    x, told = case.stream.tests[0].inputs(slice(None)), case.told(0)
    before, drawn = picture(method), ambient()
    with torch.no_grad():
        one, two = method.logits(x, told), method.logits(x, told)
        alone = method.logits(x[:1], told)
    require(torch.equal(one, two), "Two calls of `logits` on the same images gave different scores.")
    require(not drawn_since(drawn), f"`logits` draws random numbers ({', '.join(drawn_since(drawn))}).")
    changed = changes(before, picture(method))
    require(
        not changed, f"`logits` changes {', '.join(changed[:3])}. Answering must leave everything as it is."
    )
    require(
        torch.allclose(one[:1], alone, atol=1e-4),
        "An image is scored differently when other images are in the batch. Is something in training mode?",
    )


def check_data_are_left_alone(case: Case) -> None:
    """What a task holds is the same after it was learned as before."""
    method, stream = case.learned(1), case.stream
    task = stream.task(1, with_past=method.needs_past)
    tests = [tensor_fact(part) for test in stream.tests for part in (test.x, test.y)]
    before = [tensor_fact(part) for part in (task.train.x, task.train.y, task.rivals)]
    Engine(Recipe(epochs=1, batch=8), SEED, case.plan).learn(method, task, Progress(capture(method)), ignore)
    after = [tensor_fact(part) for part in (task.train.x, task.train.y, task.rivals)]
    for name, old, new in zip(("train.x", "train.y", "rivals"), before, after, strict=True):
        require(old == new, f"Learning changes `task.{name}`. Take a copy of what is to be changed.")
    now = [tensor_fact(part) for test in stream.tests for part in (test.x, test.y)]
    require(tests == now, "Learning changes test images, which then share memory with what the task holds.")


def check_what_is_frozen_rests(case: Case) -> None:
    """What a Fit does not train stays as it is to the bit, running statistics too, with momentum and decay on."""
    facts: dict[str, object] = {}

    def before(at: Posed) -> None:
        trained = {id(weight) for weight in select(at.method, at.fit)}
        facts.clear()
        facts.update(_facts_of(_resting(at.method.model, trained)))

    def after(at: Posed) -> None:
        now = _facts_of(at.method.model.state_dict(keep_vars=True))
        moved = [name for name, fact in facts.items() if now[name] != fact]
        require(
            not moved,
            f"The Fit {at.fit.name!r} does not train {', '.join(moved[:3])}, and yet this changes. Only `after_step` "
            "or `learn` can do that: leave alone what `only` leaves out.",
        )

    method = case.learned(1)
    for index in range(1, TASKS):
        case.learn(method, index, Probe(case.plan, before, after))


def _resting(model: nn.Module, trained: set[int]) -> dict[str, Tensor]:
    """Weights that are not trained, and the buffers of modules in evaluation mode."""
    resting: dict[str, Tensor] = {name: w for name, w in model.named_parameters() if id(w) not in trained}
    modules, stored = dict(model.named_modules()), model.state_dict(keep_vars=True)
    for name, buffer in model.named_buffers():
        if name in stored and not modules[name.rpartition(".")[0]].training:
            resting[name] = buffer
    return resting


def _facts_of(state: dict[str, Tensor]) -> dict[str, object]:
    """What the bytes of each tensor are."""
    return {name: tensor_fact(value.detach())[:3] for name, value in state.items()}


def check_old_networks_rest(case: Case) -> None:
    """A network made while learning, such as a teacher, is in evaluation mode, is not trained and does not change."""
    declared = set(networks(case.fresh()))
    pictures: dict[str, object] = {}

    def before(at: Posed) -> None:
        select(at.method, at.fit)
        registered = {id(module) for module in at.method.modules()}
        pictures.clear()
        for path, module in _made_since(at.method, declared).items():
            _require_rest(path, module, at.fit, hidden=id(module) not in registered)
            pictures[path] = picture(module)

    def after(at: Posed) -> None:
        for path, module in _made_since(at.method, declared).items():
            require(
                pictures.get(path) == picture(module),
                f"The network {path!r}, made in `learn`, changes during the Fit {at.fit.name!r}. Keep it as a "
                "Snapshot, and do not write to it.",
            )

    method = case.learned(1)
    for index in range(1, TASKS):
        case.learn(method, index, Probe(case.plan, before, after))


def _made_since(method: Method, declared: set[str]) -> dict[str, nn.Module]:
    """Networks that a method holds, hidden ones too, beside its own and those declared in `setup`."""
    own = {id(module) for module in (method, *method.model.modules())}
    return {p: m for p, m in networks(method).items() if p not in declared and id(m) not in own}


def _require_rest(path: str, module: nn.Module, fit: Fit, *, hidden: bool) -> None:
    """Complain of a network that is not at rest."""
    cure = "Keep it as `Snapshot(self.model)`, an attribute of the method."
    require(
        not module.training,
        f"The network {path!r}, made in `learn`, is in training mode during the Fit {fit.name!r}: its dropout and "
        f"batch statistics are at work. {cure}",
    )
    training = any(weight.requires_grad for weight in module.parameters())
    require(
        not training, f"The network {path!r}, made in `learn`, is trained by the Fit {fit.name!r}. {cure}"
    )
    require(
        not hidden,
        f"The network {path!r} lies in a plain container, where it is not moved, counted or put to rest. {cure}",
    )


def check_old_answers_survive_growth(case: Case) -> None:
    """Head rows for new labels change no bit of the scores of old ones."""
    method = case.learned(1)
    method.eval()
    x, old = case.stream.tests[0].inputs(slice(None)), case.stream.layouts[0].seen
    with torch.no_grad():
        before = method.model(x)[:, list(old)]
        method.model.grow(range(2 * TASKS))
        after = method.model(x)[:, list(old)]
    require(torch.equal(before, after), "Growing the head changes the scores of labels known before.")


def check_same_seed_same_bits(case: Case) -> None:
    """Two runs give the same bits, whatever ambient randomness there was before."""
    results = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        method = case.fresh()
        for index in range(2):
            case.learn(method, index)
        results.append(hash_of_tensors(capture(method)))
    require(
        results[0] == results[1],
        "Two runs with the same seed gave different weights. Something draws from a generator that the engine "
        "does not seed, or depends on the order of a set.",
    )


def check_bytes_are_counted(case: Case) -> None:
    """The bytes by kind add up to what the state and the frozen copies hold, but for what was measured."""
    method, task = case.learned(2), case.task(1)
    counted = count_bytes(method, task.train.nbytes)
    measured = {id(value) for _, value in method.measured.items()}  # is looked at, never learned from
    stored = method.state_dict(keep_vars=True).values()
    held = {id(value): value for value in stored if id(value) not in measured}
    held |= {id(value): value for copy in snapshots(method) for value in _tensors(copy)}
    real = sum(value.nbytes for value in held.values()) + (task.train.nbytes if method.needs_past else 0)
    require(
        sum(counted.values()) == real,
        f"{sum(counted.values())} bytes are counted ({counted}), but {real} are held. Is a buffer registered with "
        "persistent=False, or a network kept where it is not saved?",
    )


def _tensors(module: Snapshot) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
