"""WSN: the reference tests of the method, on tiny networks and synthetic images. No training quality is involved."""

from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace

import pytest
import tiny
import torch
from reference_loop import learn, select, step
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from forgetless.checks.toys import PLAN
from forgetless.data import Batch
from forgetless.engine import Engine, Progress, capture, restore
from forgetless.errors import SettingsError, StorageError
from forgetless.mask_code import decode
from forgetless.methods import METHODS
from forgetless.models import Model
from forgetless.ops import Selected, selection, top_mask
from forgetless.settings.recipe import Recipe
from forgetless.weights import Rule, Subnet, parts_of_tasks
from forgetless.weights import subnets as subnets_module
from forgetless.weights.masks import Masks

WSN = METHODS["wsn"]
STREAM = tiny.stream("task", dtype=torch.float32)
OPTIMIZERS = {
    "adam": lambda weights: torch.optim.Adam(weights, 0.01),
    "adamw": lambda weights: torch.optim.AdamW(weights, 0.01, weight_decay=0.1),
    "sgd": lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9, weight_decay=0.1, nesterov=True),
}


class Trunk(nn.Module):
    """A convolution and a linear layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Linear(4 * 64, 10)

    def forward(self, x):
        return self.second(self.first(x).relu().flatten(1)).relu()


def wsn(seed=0, *, norm=False, **fields):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = tiny.net(seed, dtype=torch.float32) if norm else Model(Trunk(), 10)
        return WSN(model, **fields)


def learned(tasks, method=None, **fields):
    """A method that has learned the first tasks."""
    method = method or wsn(**fields)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, STREAM.task(index), optimizer=torch.optim.Adam, lr=0.01)
    return method


def subnets(method):
    return [part for part in method.model.modules() if isinstance(part, Subnet)]


def owned_weights(method):
    """What earlier tasks own, as bits, of every layer."""
    return [subnet.theta.detach()[subnet.masks.union()].clone() for subnet in subnets(method)]


def steps_of(method, index, make, *, count=3, precision=torch.float32, clip=None, warm=0):
    """Solve a task's problem by hand, and look after each step: what earlier tasks own, then and now."""
    task = STREAM.task(index)
    plan = method.learn(task)
    opt = make(select(method, next(plan).only))
    before = owned_weights(method)
    if warm:  # state from elsewhere in the optimiser's moments
        for weight in opt.param_groups[0]["params"]:
            weight.grad = torch.ones_like(weight)
        copies = [weight.detach().clone() for weight in opt.param_groups[0]["params"]]
        opt.step()
        with torch.no_grad():
            for weight, copied in zip(opt.param_groups[0]["params"], copies, strict=True):
                weight.copy_(copied)
    for number in range(count):
        batch = tiny.batch(task.train, slice(4 * number, 4 * number + 8))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            terms = method.loss(batch, task)
        opt.zero_grad()
        sum(terms.values()).backward()
        if clip:
            nn.utils.clip_grad_norm_(opt.param_groups[0]["params"], clip)
        opt.step()
        method.after_step(batch, task, {})
        yield before, owned_weights(method)
    plan.close()


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize(
    "how",
    [{}, {"precision": torch.bfloat16}, {"clip": 0.1}, {"warm": 1}],
    ids=["fp32", "bf16", "clip", "carried"],
)
def test_weights_that_earlier_tasks_own_keep_every_bit(make, how):
    method = learned(2)
    free = [subnet.theta.detach()[~subnet.masks.union()].clone() for subnet in subnets(method)]
    for before, now in steps_of(method, 2, OPTIMIZERS[make], **how):
        assert all(map(torch.equal, before, now))
    moved = [subnet.theta.detach()[~subnet.masks.union()] for subnet in subnets(method)]
    assert not all(map(torch.equal, free, moved)), "free weights must learn"


def test_without_restoring_decay_moves_owned_weights_so_little_that_only_bits_tell():
    def make(weights):
        return torch.optim.AdamW(weights, 1e-3, weight_decay=1e-4)

    for before, now in steps_of(learned(1, restore=False), 1, make, count=1):
        assert not any(map(torch.equal, before, now))
        assert all(map(torch.allclose, before, now))
    for before, now in steps_of(learned(1), 1, make, count=1):
        assert all(map(torch.equal, before, now))


def test_owned_weights_have_no_gradient_which_is_enough_for_a_fresh_optimiser_without_decay():
    method = learned(1, restore=False)
    owned = [subnet.masks.union() for subnet in subnets(method)]
    for before, now in steps_of(method, 1, OPTIMIZERS["adam"]):
        assert all(map(torch.equal, before, now))
        for subnet, used in zip(subnets(method), owned, strict=True):
            assert not subnet.theta.grad[used].any()
            assert subnet.s.grad[used].any()


def test_masks_are_those_of_the_weights_that_are_kept():
    """The best epoch is the first here; the mask must be its own, not that of the last."""
    stream = tiny.stream("task", dtype=torch.float32)
    task = replace(stream.task(0), validation=stream.trains[0]())
    method, losses = wsn(), iter((1.0, 2.0, 3.0))
    method.validation_loss = lambda batch, task: torch.tensor(next(losses))
    masks, recipe = [], Recipe(epochs=3, batch=6, lr=0.05, keep="best")

    def watch(step):
        masks.append([subnet.chosen() for subnet in subnets(method)])

    Engine(recipe, 0, PLAN).learn(method, task, Progress(capture(method)), watch)
    kept = [subnet.masks.of(0) for subnet in subnets(method)]
    assert all(map(torch.equal, kept, masks[len(masks) // 3 - 1]))
    assert not all(map(torch.equal, kept, masks[-1]))
    assert all(torch.equal(subnet.chosen(), mask) for subnet, mask in zip(subnets(method), kept, strict=True))


def test_as_on_an_accelerator_it_learns_the_same_to_the_bit(monkeypatch):
    """There masks stand in for thresholds, so that nothing is read back."""

    def unread(s, count, *, absolute=False, hint=None):
        mask = selection._top_unread(s.abs() if absolute else s, count)
        return Selected(kept=mask.to(s.dtype))

    here = tiny.bits(learned(3))
    monkeypatch.setattr(subnets_module, "select_top", unread)
    assert tiny.same(here, tiny.bits(learned(3)))


@pytest.mark.parametrize(
    "fields",
    [{}, {"norm": True}, {"bias": "masked"}, {"bias": "per_task"}, {"norm": True, "bn": "batch_stats"}],
    ids=str,
)
def test_old_scores_keep_every_bit(fields):
    method = wsn(**fields)
    answers = []
    for index in range(3):
        learned_one(method, index)
        for old, kept in enumerate(answers):
            task = STREAM.task(old)
            with torch.no_grad():
                now = method.logits(STREAM.tests[old].x, task)[:, list(task.classes)]
            assert torch.equal(now, kept)
        task = STREAM.task(index)
        with torch.no_grad():
            answers.append(method.logits(STREAM.tests[index].x, task)[:, list(task.classes)])


def learned_one(method, index):
    with torch.random.fork_rng():
        torch.manual_seed(index)
        learn(method, STREAM.task(index), optimizer=torch.optim.AdamW, lr=0.01, weight_decay=0.1)


@pytest.mark.parametrize("capacity", [0.03, 0.1, 0.3, 0.5, 1.0])
def test_a_mask_keeps_exactly_its_share_of_the_largest_scores(capacity):
    for shape in ((6, 3, 3, 3), (40, 32), (1, 1)):
        s = torch.randn(shape)
        subnet = subnet_of(torch.randn(shape), s, capacity=capacity)
        mask = subnet.chosen()
        assert mask.sum() == max(1, round(capacity * s.numel()))
        if not mask.all():
            assert s.abs()[mask].min() >= s.abs()[~mask].max()
        with torch.no_grad():
            subnet.s.neg_()
        assert torch.equal(mask, subnet.chosen())


def subnet_of(theta, s, **rule):
    subnet = Subnet(nn.Parameter(theta), 1, Rule(**rule))
    with torch.no_grad():
        subnet.s.copy_(s)
    return subnet


def test_the_official_threshold_keeps_one_more_and_every_tie():
    for n, capacity, count in ((540, 0.03, 17), (3072, 0.1, 308), (78400, 0.03, 2353), (78400, 0.5, 39200)):
        s = torch.randperm(n).float() + 1
        assert subnet_of(s, s, capacity=capacity, threshold="official").chosen().sum() == count
        assert count == n - round((1 - capacity) * (n - 1))
        assert subnet_of(s, s, capacity=capacity).chosen().sum() == round(capacity * n)
    equal = torch.full((4, 5), 0.3)
    assert subnet_of(equal, equal, threshold="official").chosen().all()
    mask = subnet_of(equal, equal).chosen()
    assert mask.flatten().tolist() == [True] * 10 + [False] * 10, "ties go to the lowest row-major index"


def test_gradients_are_those_of_the_straight_through_formula():
    theta, s = (
        torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]]),
        torch.tensor([[0.9, -0.8, 0.1], [-0.2, 0.7, 0.3]]),
    )
    x, g = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, -1.0]])
    wide, m = g.T @ x, torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    for rule, sign in (
        ({}, s.sign()),
        ({"sign": False}, torch.ones_like(s)),
        ({"score": "raw"}, torch.ones_like(s)),
    ):
        subnet = subnet_of(theta.clone(), s, **rule)
        kept = m if not rule.get("score") else (s >= s.flatten().sort().values[-3]).float()
        out = F.linear(x, subnet())
        assert torch.equal(out, F.linear(x, theta * kept))
        out.backward(g)
        assert torch.equal(subnet.theta.grad, wide * kept)
        assert torch.equal(subnet.s.grad, sign * wide * theta)
        assert subnet.s.grad[kept == 0].all(), "scores of weights that are not chosen learn too"


def test_with_all_weights_kept_it_is_the_plain_network():
    torch.manual_seed(1)
    plain = Trunk()
    plain.first.bias = plain.second.bias = None
    model = Model(deepcopy(plain), 10)
    method = WSN(model, capacity=1.0)
    x = STREAM.tests[0].x
    assert torch.equal(method.model.backbone(x), plain(x))


def test_a_task_begins_on_the_weights_of_the_last_and_first_moves_scores_and_head_alone():
    method = learned(1)
    theta = [subnet.theta.detach().clone() for subnet in subnets(method)]
    scores = [subnet.s.detach().clone() for subnet in subnets(method)]
    assert all(torch.equal(subnet.chosen(), subnet.masks.of(0)) for subnet in subnets(method))
    plan = method.learn(STREAM.task(1))
    fit = next(plan)
    head = method.model.head.blocks[1].weight.detach().clone()
    step(
        method,
        fit,
        STREAM.task(1),
        tiny.batch(STREAM.task(1).train),
        torch.optim.Adam(select(method, fit.only)),
    )
    assert all(torch.equal(subnet.theta, old) for subnet, old in zip(subnets(method), theta, strict=True))
    assert not any(torch.equal(subnet.s, old) for subnet, old in zip(subnets(method), scores, strict=True))
    assert not torch.equal(method.model.head.blocks[1].weight, head)


def test_what_is_owned_grows_by_each_mask_and_a_mask_is_the_top_of_the_scores():
    method, capacity = wsn(capacity=0.3), 0.3
    unions = [torch.zeros_like(subnet.s, dtype=torch.bool) for subnet in subnets(method)]
    for index in range(3):
        learned_one(method, index)
        for place, subnet in enumerate(subnets(method)):
            mask = subnet.masks.of(index)
            assert torch.equal(mask, top_mask(subnet.s.abs(), round(0.3 * mask.numel())))
            assert torch.equal(subnet.masks.union(), unions[place] | mask)
            unions[place] = subnet.masks.union()
            share = unions[place].float().mean().item()
            assert capacity - 0.01 <= share <= min(1, (index + 1) * capacity) + 0.01


def test_the_trunk_and_the_heads_have_no_biases_unless_asked_for():
    names = [name for name, _ in learned(1).model.named_parameters()]
    assert not any("bias" in name for name in names)
    names = [name for name, _ in learned(1, bias="per_task").model.named_parameters()]
    assert "head.blocks.0.bias" in names
    assert "backbone.first.bias.theta" in names


def test_scores_can_move_at_a_rate_of_their_own():
    moves = []
    for rate in (1.0, 0.5, 2.0):
        method = wsn(score_lr=rate)
        torch.manual_seed(4)
        start = [subnet.s.detach().clone() for subnet in subnets(method)]
        plan = method.learn(STREAM.task(0))
        fit = next(plan)
        opt = torch.optim.Adam(select(method, fit.only), 0.01)
        step(method, fit, STREAM.task(0), tiny.batch(STREAM.task(0).train), opt)
        moves.append([subnet.s.detach() - old for subnet, old in zip(subnets(method), start, strict=True)])
    for one, half, double in zip(*moves, strict=True):
        torch.testing.assert_close(half, one / 2, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(double, 2 * one, rtol=1e-5, atol=1e-7)


def test_scores_are_carried_over_unless_they_are_to_be_drawn_anew():
    for fields, same in (({}, True), ({"reset_scores": True}, False)):
        method = learned(1, **fields)
        before = [subnet.s.detach().clone() for subnet in subnets(method)]
        next(method.learn(STREAM.task(1)))
        assert all(torch.equal(s.s, old) for s, old in zip(subnets(method), before, strict=True)) is same


def test_parity_keeps_the_mask_of_a_step_before():
    """The official code keeps the mask that its last forward pass left; going back to better weights leaves it so."""
    method = wsn(parity=True)
    plan = method.learn(STREAM.task(0))
    fit = next(plan)
    opt = torch.optim.Adam(select(method, fit.only), 0.05)
    for number in range(4):
        if number == 2:
            best = capture(method)
        before = [subnet.chosen() for subnet in subnets(method)]
        step(method, fit, STREAM.task(0), tiny.batch(STREAM.task(0).train, slice(number, number + 8)), opt)
    restore(method, best)
    now = [subnet.chosen() for subnet in subnets(method)]
    next(plan, None)
    kept = [subnet.masks.of(0) for subnet in subnets(method)]
    assert all(map(torch.equal, kept, before))
    assert not all(map(torch.equal, kept, now))
    assert not any(len(subnet.last) for subnet in subnets(method))


def test_saved_and_loaded_it_answers_and_learns_the_same(tmp_path):
    method = learned(2, norm=True)
    save_file({name: value.contiguous() for name, value in capture(method).items()}, tmp_path / "state")
    again = wsn(seed=9, norm=True)
    restore(again, load_file(tmp_path / "state"))
    for index in range(2):
        task = STREAM.task(index)
        with torch.no_grad():
            assert torch.equal(*(m.eval().logits(STREAM.tests[index].x, task) for m in (method, again)))
    assert again.influences(STREAM.task(1)).keys() == method.influences(STREAM.task(1)).keys()
    for one in (method, again):
        learned_one(one, 2)
    assert tiny.same(tiny.bits(method), tiny.bits(again))


def test_equal_seeds_give_equal_masks_and_copies_are_independent():
    one, two = learned(2), learned(2)
    copied = deepcopy(one)
    masks = [subnet.masks.of(1) for subnet in subnets(one)]
    assert all(map(torch.equal, masks, (subnet.masks.of(1) for subnet in subnets(two))))
    learned_one(copied, 2)
    assert [subnet.masks.tasks for subnet in subnets(one)] == [2, 2]
    assert all(map(torch.equal, masks, (subnet.masks.of(1) for subnet in subnets(copied))))


def test_more_than_seven_tasks_have_a_second_group_of_masks():
    subnet, masks = subnet_of(torch.randn(40, 30), torch.randn(40, 30), capacity=0.2), []
    for _ in range(9):
        with torch.no_grad():
            subnet.s.add_(0.5 * torch.randn(40, 30))
        masks.append(subnet.chosen())
        subnet.close()
    loaded = subnet_of(torch.randn(40, 30), torch.randn(40, 30))
    loaded.load_state_dict(dict(reversed(subnet.state_dict().items())))  # files have an order of their own
    for part in (subnet, loaded, deepcopy(loaded)):
        assert len(part.masks) == 2
        assert part.masks.tasks == 9
        assert all(torch.equal(part.masks.of(task), mask) for task, mask in enumerate(masks))
        assert torch.equal(part.masks.union(), torch.stack(masks).any(0))


def test_a_flipped_bit_of_a_stored_mask_shows_in_what_influences_a_task():
    method = learned(1)
    before = {name: value.clone() for name, value in method.influences(STREAM.task(0)).items()}
    state = capture(method)
    name = next(key for key in state if key.endswith("masks.0"))
    state[name] = state[name].clone()
    state[name][-1] ^= 4
    other = wsn(seed=3)
    try:
        restore(other, state)
    except StorageError:
        return
    assert not tiny.same(before, other.influences(STREAM.task(0)))


@pytest.mark.parametrize("part", [nn.PReLU(), nn.GroupNorm(2, 4), nn.Embedding(3, 4), nn.Conv2d(3, 4, 3)])
def test_a_network_that_tasks_would_share_in_part_is_refused(part):
    trunk = Trunk()
    trunk.third = nn.Sequential(nn.Linear(10, 10), part)
    if isinstance(part, nn.Conv2d):
        WSN(Model(trunk, 10))
        return
    with pytest.raises(SettingsError, match="which all tasks would share"):
        WSN(Model(trunk, 10))


def test_a_network_without_layers_to_mask_and_a_head_that_was_there_before_are_refused():
    with pytest.raises(SettingsError, match="has none"):
        WSN(Model(nn.Flatten(), 192))
    model = Model(Trunk(), 10)
    model.grow(range(4))
    with pytest.raises(
        SettingsError,
        match=r"^wsn was given a network that scores 4 labels, but 0 had occurred before task 1",
    ):
        next(WSN(model).learn(STREAM.task(0)))


def test_a_global_ranking_keeps_its_share_of_all_weights_together():
    method = wsn(scope="global", capacity=0.2)
    with torch.no_grad():
        subnets(method)[0].s.mul_(3)
    total = sum(subnet.s.numel() for subnet in subnets(method))
    masks = [subnet.chosen() for subnet in subnets(method)]
    scores = torch.cat([subnet.s.detach().abs().flatten() for subnet in subnets(method)])
    assert torch.equal(torch.cat([mask.flatten() for mask in masks]), top_mask(scores, round(0.2 * total)))
    assert masks[0].float().mean() > masks[1].float().mean()
    copied = deepcopy(method)
    assert subnets(copied)[0].peers[1] is subnets(copied)[1]


# Parity with the official code, transcribed from its formulas; none of it is ours to keep.


class OfficialSubnet(torch.autograd.Function):
    """Scores in size, the k-th smallest of them, everything from there on; the gradient goes straight through."""

    @staticmethod
    def forward(ctx, scores, sparsity):
        place = 1 + round(0.01 * float(100 * sparsity) * (scores.numel() - 1))
        least = scores.view(-1).kthvalue(place).values
        return torch.where(scores < least, torch.zeros_like(scores), torch.ones_like(scores))

    @staticmethod
    def backward(ctx, g):
        return g, None


@pytest.mark.parametrize("shape", [(100, 784), (20, 3, 5, 5)])
@pytest.mark.parametrize("capacity", [0.05, 0.3, 0.5])
def test_a_layer_agrees_with_the_official_one(shape, capacity):
    draw = torch.Generator().manual_seed(11)
    weight, scores = (torch.randn(shape, generator=draw) / 10 for _ in range(2))
    x = (
        torch.randn(4, *shape[1:], generator=draw)
        if len(shape) == 4
        else torch.randn(4, shape[1], generator=draw)
    )
    apply = F.conv2d if len(shape) == 4 else F.linear
    theirs = weight.clone().requires_grad_(), scores.clone().requires_grad_()
    mask = OfficialSubnet.apply(theirs[1].abs(), 1 - capacity)
    out = apply(x, theirs[0] * mask)
    out.square().sum().backward()
    subnet = subnet_of(weight, scores, capacity=capacity, threshold="official")
    ours = apply(x, subnet())
    ours.square().sum().backward()
    assert torch.equal(subnet.chosen(), mask.bool())
    assert torch.equal(ours, out)
    assert torch.equal(subnet.theta.grad, theirs[0].grad)
    assert torch.equal(subnet.s.grad, theirs[1].grad)


@pytest.mark.parametrize("parity", [True, False])
def test_two_tasks_take_the_same_way_as_the_official_loop(parity):
    """784-100-100, weights, scores and masks after 2 x 50 steps of Adam.

    With parity the mask is the official one, a step behind; without it is that of the scores that are kept.
    """
    torch.manual_seed(2)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU())
    theirs = [[trunk[i].weight.detach().clone().requires_grad_() for i in (1, 3)]]
    method = WSN(Model(trunk, 100), threshold="official", parity=parity)
    theirs.append([subnet.s.detach().clone().requires_grad_() for subnet in subnets(method)])
    owned = [torch.zeros_like(w, dtype=torch.bool) for w in theirs[0]]
    for index in range(2):
        task = STREAM.task(index)
        plan = method.learn(task)
        fit = next(plan)
        head = method.model.head.blocks[index].weight.detach().clone().requires_grad_()
        opt = torch.optim.Adam(select(method, fit.only), 1e-3)
        other = torch.optim.Adam([*theirs[0], *theirs[1], head], 1e-3)
        for _ in range(50):
            y = torch.tensor(task.classes)[torch.randint(len(task.classes), (10,))]
            batch = Batch(torch.randn(10, 1, 28, 28), y, torch.arange(10), torch.zeros(()))
            step(method, fit, task, batch, opt)
            x = batch.x.flatten(1)
            masks = [OfficialSubnet.apply(s.abs(), 0.5) for s in theirs[1]]
            for weight, mask in zip(theirs[0], masks, strict=True):
                x = F.linear(x, weight * mask).relu()
            other.zero_grad()
            F.cross_entropy(F.linear(x, head), batch.y - task.classes[0]).backward()
            for weight, used in zip(theirs[0], owned, strict=True):
                weight.grad[used] = 0
            other.step()
        next(plan, None)
        if not parity:
            stale, masks = masks, [OfficialSubnet.apply(s.abs(), 0.5) for s in theirs[1]]
            assert not all(map(torch.equal, stale, masks)), "the two are told apart"
        owned = [used | mask.bool() for used, mask in zip(owned, masks, strict=True)]
        for place, subnet in enumerate(subnets(method)):
            torch.testing.assert_close(subnet.theta, theirs[0][place], rtol=0, atol=1e-6)
            torch.testing.assert_close(subnet.s, theirs[1][place], rtol=0, atol=1e-6)
            assert torch.equal(subnet.masks.of(index), masks[place].bool())


def test_thresholds_agree_with_those_of_other_codes():
    draw = torch.Generator().manual_seed(12)
    for trial in range(1000):
        size = int(torch.randint(2, 400, (), generator=draw))
        capacity = float(torch.rand((), generator=draw)) * 0.98 + 0.01
        scores = torch.randn(size, generator=draw)
        if trial % 4 == 0:
            scores = (2 * scores).round() / 2
        ours = subnet_of(scores, scores, capacity=capacity, threshold="official").chosen()
        assert torch.equal(ours, OfficialSubnet.apply(scores.abs(), 1 - capacity).bool())
        if trial % 4 == 0:
            continue
        kept = size - int((1 - capacity) * size)  # edge-popup, SupSup: sort, and zero the first of them
        order = scores.abs().sort().indices
        popup = torch.ones(size, dtype=torch.bool)
        popup[order[: size - kept]] = False
        assert torch.equal(top_mask(scores.abs(), kept), popup)
        assert abs(kept - max(1, round(capacity * size))) <= 1
        arena = scores >= scores.quantile(1 - capacity)  # raw scores, an interpolated quantile
        assert torch.equal(top_mask(scores, int(arena.sum())), arena)
        assert abs(int(arena.sum()) - round(capacity * size)) <= 1


def test_other_heads_do_not_matter():
    method = learned(2)
    x, task = STREAM.tests[0].x, STREAM.task(0)
    with torch.no_grad():
        before = method.logits(x, task)[:, list(task.classes)]
        method.model.head.blocks[1].weight.fill_(float("nan"))
        assert torch.equal(method.logits(x, task)[:, list(task.classes)], before)


def test_without_a_task_it_does_not_answer():
    with pytest.raises(SettingsError, match="told which task"):
        learned(1).logits(STREAM.tests[0].x)


def test_statistics_of_a_task_stay_as_they_were():
    method = learned(1, norm=True)
    kept = tiny.bits(method.model.backbone.first.norm.kept)
    assert len(kept) == 4
    learned_one(method, 1)
    after = tiny.bits(method.model.backbone.first.norm.kept)
    assert len(after) == 8
    assert all(torch.equal(after[name], value) for name, value in kept.items())
    assert not torch.equal(after["0|running_mean"], after["1|running_mean"])


def test_whatever_influences_a_task_is_named_and_stays():
    method = learned(1, norm=True, bias="per_task")
    before = {name: value.clone() for name, value in method.influences(STREAM.task(0)).items()}
    assert {name.rpartition(".")[2] for name in before} == {
        "mask",
        "theta",
        "weight",
        "bias",
        "running_mean",
        "running_var",
    }
    learned_one(method, 1)
    assert tiny.same(before, method.influences(STREAM.task(0)))
    assert len(parts_of_tasks(method.model)) == 4


def test_a_weight_that_an_earlier_task_uses_and_that_moved_is_not_passed_over():
    for put_back in (True, False):
        method = learned(1, restore=put_back)
        fits = method.learn(STREAM.task(1))
        next(fits)
        subnet = method.subnets[0]
        owned = subnet.masks.union().flatten().nonzero()[0]
        subnet.theta.data.view(-1)[owned] += 1
        with pytest.raises(AssertionError) if put_back else nullcontext():
            next(fits, None)


def test_the_first_task_is_the_least_significant_bit_of_a_symbol():
    masks = Masks(torch.zeros(1, 2))
    for mask in ([True, False], [False, False], [True, False]):
        masks.add(torch.tensor([mask]))
    assert masks.symbols[0].tolist() == [[5, 0]]
    assert decode(masks["0"].numpy())[0].tolist() == [5, 0]
    assert [masks.of(task).tolist() for task in range(3)] == [
        [[True, False]],
        [[False, False]],
        [[True, False]],
    ]


def test_rows_of_classes_that_never_come_compete_in_training_alone():
    """The official code's heads on CIFAR-100 have all its classes."""
    method, bare = learned(1, outputs=9), learned(1, outputs=2)
    assert {name for name, _ in method.named_parameters()} == {name for name, _ in bare.named_parameters()}, (
        "they go with their task"
    )
    task = STREAM.task(1)
    fits = method.learn(task)
    fit = next(fits)
    batch = tiny.batch(task.train)
    features = method.model.features(batch.x)
    own, idle = method.model.head.blocks[1], method.idle
    scores = torch.cat([features @ own.weight.T, features @ idle.weight.T], 1)
    assert scores.shape[1] == 9
    expected = F.cross_entropy(scores, batch.y - 2)
    torch.testing.assert_close(method.loss(batch, task)["new"], expected)
    torch.testing.assert_close(method.validation_loss(batch, task), expected)
    assert idle in fit.only
    next(fits, None)
    assert method.logits(batch.x, task).shape[1] == 4


def test_rows_may_begin_as_the_official_code_s_do():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        glorot, own = wsn(), wsn(head_init="torch")
        for method in (glorot, own):
            next(method.learn(STREAM.task(0)))
    bound = 10**-0.5  # one over the root of the features; Glorot's is the root of 6 / (10 + 2)
    assert (
        own.model.head.blocks[0].weight.abs().max() <= bound < glorot.model.head.blocks[0].weight.abs().max()
    )


def test_fewer_outputs_than_classes_are_refused():
    with pytest.raises(SettingsError, match="outputs: 1 are fewer than the classes of task 1; 0 makes"):
        next(wsn(outputs=1).learn(STREAM.task(0)))
    with pytest.raises(SettingsError, match="outputs: heads of several layers"):
        next(WSN(Model(Trunk(), 10, hidden=(5,)), outputs=9).learn(STREAM.task(0)))
