"""EWC: its Fisher information against a loop over examples and labels, and its one spring against one for each task."""

import pytest
import tiny
import torch
from reference_loop import learn
from torch import nn

from forgetless.methods import METHODS
from forgetless.models import Model
from forgetless.models.mlp import MLP
from forgetless.weights import fisher_diagonal

EWC = METHODS["ewc"]
RECIPE = {"momentum": 0.9, "weight_decay": 0.01}


@pytest.fixture(autouse=True)
def seeded():
    """New head rows are drawn from torch's generator."""
    torch.manual_seed(1)


def dense(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Model(MLP(3 * 8 * 8, (7, 6)), 6).double()


class Odd(nn.Module):
    """A layer that is used twice, one without a bias, one whose weight belongs to two, one on pixels, and a scale."""

    def __init__(self):
        super().__init__()
        self.pixel, self.twice, self.bare = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 5, bias=False)
        self.tied, self.tied_too, self.norm = nn.Linear(5, 5), nn.Linear(5, 5), nn.LayerNorm(5)
        self.tied_too.weight = self.tied.weight
        self.scale, self.unused = nn.Parameter(torch.ones(5)), nn.Linear(2, 2)

    def forward(self, x):
        x = self.pixel(x.movedim(1, -1)).tanh().mean((1, 2))
        x = self.bare(self.twice(self.twice(x).tanh()).tanh())
        return self.norm(self.tied_too(self.tied(x).tanh())) * self.scale


def odd():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Model(Odd(), 5).double()


NETS = {"dense": dense, "conv": lambda: tiny.net(dropout=0.5), "odd": odd}


def learned(tasks, scenario="class", net=dense, **fields):
    stream, method = tiny.stream(scenario), EWC(net(), **fields)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, stream.task(index), **RECIPE)
    return method


def naive(model, task, answers):
    """The mean over examples of the squared gradients of log p(y | x), one example and one answer at a time."""
    weights = dict(model.named_parameters())
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for i in range(len(task.train)):
        scores = model(task.train.inputs(torch.tensor([i])))[0]
        label = int(task.train.y[i])
        rivals = [c for c in range(len(scores)) if task.rivals[label][c]]
        logs = scores[rivals].log_softmax(0)
        for c, log in zip(rivals, logs, strict=True):
            share = {
                "true": log.exp().item(),
                "empirical": float(c == label),
                "predicted": float(log == logs.max()),
            }[answers]
            parts = torch.autograd.grad(log, list(weights.values()), retain_graph=True, allow_unused=True)
            for name, part in zip(weights, parts, strict=True):
                total[name] += 0 if part is None else share * part.square()
    return {name: value / len(task.train) for name, value in total.items()}


def ours(model, task, answers, size=5):
    return fisher_diagonal(model, task.train.batches(size), task.rivals, answers)


def assert_equal(one, two):
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-10, atol=1e-15, msg=name)


@pytest.mark.parametrize("answers", ["true", "empirical", "predicted"])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_the_fisher_information_is_that_of_a_loop_over_examples_and_answers(scenario, net, answers):
    method, task = learned(2, scenario, NETS[net]), tiny.stream(scenario).task(1)
    model = method.model.eval().requires_grad_(True)
    assert_equal(ours(model, task, answers), naive(model, task, answers))


def test_no_weight_needs_to_be_trainable_and_none_gets_a_gradient():
    method, task = learned(1, net=NETS["conv"]), tiny.stream("class").task(0)
    model = method.model.eval().requires_grad_(False)
    model.zero_grad(set_to_none=True)
    frozen = ours(model, task, "true")
    assert_equal(frozen, ours(model.requires_grad_(True), task, "true"))
    assert not any(value.requires_grad for value in frozen.values())
    assert all(weight.grad is None for weight in model.parameters())


def test_what_is_held_at_a_time_does_not_matter(monkeypatch):
    model, task = learned(1, net=NETS["conv"]).model, tiny.stream("class").task(0)
    whole = ours(model, task, "true", size=100)
    monkeypatch.setattr("forgetless.weights.fisher._AT_ONCE", 1)
    assert_equal(ours(model, task, "true", size=3), whole)


def test_answers_that_are_drawn_give_the_true_one_in_the_long_run_and_labels_do_not():
    model, task = dense(), tiny.stream("class").task(0)
    torch.manual_seed(1)
    model.grow(task.classes)
    with torch.no_grad():
        model.head.blocks[0].weight *= 4  # of a network that is neither sure nor indifferent
    true, empirical = ours(model, task, "true"), ours(model, task, "empirical")
    drawn = [ours(model, task, "sampled", size=100) for _ in range(600)]

    def error(count):
        means = {name: torch.stack([one[name] for one in drawn[:count]]).mean(0) for name in true}
        return max(((means[name] - true[name]).norm() / true[name].norm()).item() for name in true)

    assert error(600) < 0.15 * error(2)
    away = [((empirical[name] - true[name]).norm() / true[name].norm()).item() for name in true]
    assert min(away) > 4 * error(600)


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_one_spring_is_the_sum_of_one_for_each_task(scenario):
    stream, method = tiny.stream(scenario), EWC(dense(), strength=30.0)
    springs = []
    for index in range(3):
        task = stream.task(index)
        learn(method, task, **RECIPE)
        springs.append((naive(method.model, task, "true"), tiny.bits(method.model)))
    task = stream.task(2)
    weights = dict(method.model.named_parameters())
    with torch.no_grad():
        for weight in weights.values():
            weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    value = method.loss(tiny.batch(task.train), task)["springs"]
    energy = sum(
        (fisher[name] * (weights[name] - anchor[name]).square()).sum()
        for fisher, anchor in springs
        for name in fisher
    )
    torch.testing.assert_close(value, 15 * energy, rtol=1e-10, atol=0)
    given, wanted = (
        torch.autograd.grad(one, list(weights.values()), allow_unused=True) for one in (value, 15 * energy)
    )
    for one, two in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-14)
    kept = sum(value.nbytes for value in method.importance.buffers())
    assert kept == sum(weight.nbytes for weight in weights.values()), "one for all tasks"


def test_online_keeps_the_last_anchor_and_the_share_of_the_old_fisher():
    stream, method = tiny.stream("class"), EWC(dense(), online=True, decay=0.25)
    total = {}
    for index in range(3):
        learn(method, stream.task(index), **RECIPE)
        new = naive(method.model, stream.task(index), "true")
        total = {name: value + 0.25 * total.get(name, 0) for name, value in new.items()}
    assert_equal(dict(method.importance.items()), total)
    assert tiny.same(dict(method.anchor.items()), tiny.bits(method.model))
    assert method.tension == 0


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_after_one_task_online_is_the_same(scenario):
    one, two = learned(2, scenario), learned(2, scenario, online=True, decay=0.5)
    assert tiny.same(tiny.bits(one.model), tiny.bits(two.model))
    later = [learned(3, scenario, **fields) for fields in ({}, {"online": True})]
    assert not tiny.same(*(tiny.bits(method.model) for method in later))


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_without_strength_it_is_finetune_to_the_bit(scenario):
    floor, stream = METHODS["finetune"](dense()), tiny.stream(scenario)
    torch.manual_seed(5)
    for index in range(3):
        learn(floor, stream.task(index), **RECIPE)
    assert tiny.same(tiny.bits(learned(3, scenario, strength=0.0).model), tiny.bits(floor.model))
    assert not tiny.same(tiny.bits(learned(3, scenario).model), tiny.bits(floor.model))


def test_what_mattered_is_held_harder():
    free, held = learned(1), learned(1)
    before, importance = dict(free.anchor.items()), dict(free.importance.items())
    moved = []
    for method, strength in ((free, 0.0), (held, 30.0)):
        method.strength = strength
        learn(method, tiny.stream("class").task(1), epochs=40, **RECIPE)
        moves = {n: (method.model.get_parameter(n) - last).square() for n, last in before.items()}
        felt = sum((importance[name] * move).sum().item() for name, move in moves.items())
        moved.append((sum(move.sum().item() for move in moves.values()), felt))
    (far, cost), (near, saved) = moved
    assert saved / cost < 0.2 < 0.4 < near / far


def test_it_may_look_at_some_of_the_examples_only():
    seen = []
    task = tiny.stream("class").task(0)

    def watch(model, batches, rivals, answers):
        batches = list(batches)
        seen.append(torch.cat([x for x, _ in batches]))
        return fisher_diagonal(model, batches, rivals, answers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forgetless.methods.ewc.fisher_diagonal", watch)
        for samples in (0, 5, 5, 100):
            torch.manual_seed(samples)
            learn(EWC(dense(), samples=samples), task)
    assert [len(x) for x in seen] == [12, 5, 5, 12]
    assert torch.equal(seen[1], seen[2]), "drawn from torch's generator, which the engine seeds"
    whole = task.train.inputs(slice(None))
    assert all(any(torch.equal(row, image) for image in whole) for row in seen[1])
    assert not torch.equal(seen[1], whole[:5])
