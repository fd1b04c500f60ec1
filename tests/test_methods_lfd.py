"""LFD + EP against its formulas written out: direction, penalty, equilibrium, memory, and what equals what."""

from dataclasses import replace

import pytest
import tiny
import torch
from torch.func import functional_call

from forgetless.checks.toys import PLAN, Case, Posed, Probe
from forgetless.data import Split
from forgetless.engine import Engine, Progress, capture, count_bytes
from forgetless.methods import METHODS, lfd
from forgetless.ops import cross_entropy
from forgetless.randomness import seeded
from forgetless.settings.recipe import Recipe

RECIPE = Recipe(epochs=2, batch=6, lr=0.05, optimizer="sgd", momentum=0.9, weight_decay=1e-3)
PLAIN = {"replay": False, "penalty": "none", "ep": "none"}
SHARES = (0.3, 0.5, 0.7, 0.9, 1.0)


def made(*, net=None, **fields):
    return METHODS["lfd"](net or tiny.net(dropout=0.5), **fields)


def learn(method, scenario, *tasks, engine=None, stream=None, recipe=RECIPE):
    stream = stream or tiny.stream(scenario)
    for index in tasks:
        engine = engine or Engine(recipe, 0, PLAN)
        engine.learn(method, stream.task(index), Progress(capture(method)), lambda _: None)
    return method


def fits(method, scenario, index):
    """The Fits of one task as they are posed, each looked at before it is solved."""
    with seeded(0, "init", index, 0):
        yield from method.learn(tiny.stream(scenario).task(index))


def solve(method, task, fit):
    Engine(RECIPE, 0, PLAN).fit(method, task, fit, None, lambda _: None)


def flat(parts):
    return torch.cat([part.detach().flatten() for part in parts])


def tensors_of(model):
    return {name: value for name, value in tiny.bits(model).items() if value.is_floating_point()}


# What equals what


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_without_its_parts_it_is_finetune_bit_for_bit(scenario):
    ours = learn(made(**PLAIN), scenario, 0, 1, 2)
    floor = learn(METHODS["finetune"](tiny.net(dropout=0.5)), scenario, 0, 1, 2)
    assert tiny.same(tiny.bits(ours.model), tiny.bits(floor.model))
    assert len(ours.memory) == 0


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "random", "lfd"])
def test_at_alpha_zero_it_is_its_host_bit_for_bit(penalty, replay):
    ours = learn(made(replay=replay, penalty=penalty, ep="none", alpha=0.0), "class", 0, 1)
    host = learn(made(replay=replay, penalty="none", ep="none"), "class", 0, 1)
    other = learn(made(replay=replay, penalty=penalty, ep="none", alpha=0.3), "class", 0, 1)
    assert tiny.same(tiny.bits(ours.model), tiny.bits(host.model))
    assert not tiny.same(tiny.bits(other.model), tiny.bits(host.model))


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_the_first_task_is_plain_training(scenario):
    ours = learn(made(), scenario, 0)
    floor = learn(METHODS["finetune"](tiny.net(dropout=0.5)), scenario, 0)
    assert tiny.same(tiny.bits(ours.model), tiny.bits(floor.model))
    assert len(ours.measured) == 0


def test_with_the_plain_distance_it_is_l2_anchor_where_no_rows_are_new():
    free = replace(RECIPE, weight_decay=0.0)
    ours = learn(made(**PLAIN | {"penalty": "l2", "alpha": 0.3}), "domain", 0, 1, 2, recipe=free)
    anchored = learn(METHODS["l2_anchor"](tiny.net(dropout=0.5), alpha=0.3), "domain", 0, 1, 2, recipe=free)
    assert tiny.same(tiny.bits(ours.model), tiny.bits(anchored.model))


def test_random_directions_for_each_tensor_take_nearly_the_way_of_the_plain_distance():
    """What the source article's code trains: weights along one direction of each tensor are free, all others held."""
    free = replace(RECIPE, weight_decay=0.0)
    random = {"penalty": "random", "scope": "per_tensor", "alpha": 0.05}
    ours = learn(made(net=tiny.net(), **PLAIN | random), "domain", 0, 1, 2, recipe=free)
    anchored = learn(METHODS["l2_anchor"](tiny.net(), alpha=0.05), "domain", 0, 1, 2, recipe=free)
    floor = learn(METHODS["finetune"](tiny.net()), "domain", 0, 1, 2, recipe=free)
    ends = [flat(method.model.parameters()) for method in (ours, anchored, floor)]
    assert (ends[0] - ends[1]).norm() < 0.3 * (ends[2] - ends[1]).norm()


@pytest.mark.parametrize(("penalty", "decay"), [("lfd", 0.0), ("l2", 0.0), ("none", None)])
def test_nothing_pulls_to_zero_where_the_penalty_pulls_to_the_old_weights(penalty, decay):
    method = learn(made(penalty=penalty, ep="none"), "domain", 0)
    first = next(made(penalty=penalty).learn(tiny.stream("domain").task(0)))
    assert first.weight_decay is None
    main = [fit for fit in fits(method, "domain", 1) if fit.name == "main"]
    assert [fit.weight_decay for fit in main] == [decay]


def test_one_sphere_with_a_projection_for_each_tensor():
    """As the forerunner's code has it: the length is of all tensors together, the penalty of each by itself."""
    method, task, _ = begun(penalty="lfd", scope="mixed", alpha=0.3)
    assert not method.nu.per_tensor
    weights = [method.model.get_parameter(name) for name in method.held]
    with torch.no_grad():
        for weight in weights:
            weight.add_(0.1)
    start = [method.line.start.module.get_buffer(name) for name in method.held]
    nu = list(method.nu.parts().values())
    expected = sum(
        (s - v * (s * v).sum() / (v * v).sum()).square().sum()
        for s, v in zip([w - a for w, a in zip(weights, start, strict=True)], nu, strict=True)
    )
    torch.testing.assert_close(method.loss(tiny.batch(task.train), task)["penalty"], 0.3 * expected)


def test_the_place_may_leave_the_segment_where_it_is_not_clamped():
    ends = {}
    for clamp in (True, False):
        method = learn(made(net=tiny.net(), ep_clamp=clamp, ep_lr=50.0, safeguard=False), "domain", 0, 1)
        ends[clamp] = method.measured["lambda/1"].item()
    assert 0 <= ends[True] <= 1
    assert not 0 <= ends[False] <= 1


def test_a_random_direction_hardly_differs_from_the_plain_distance():
    """What the source article's code trains: its directions never learn, and 1 - 1/d of |s|² is held."""
    ends = {
        penalty: learn(made(net=tiny.net(), **PLAIN | {"penalty": penalty, "alpha": 0.3}), "domain", 0, 1)
        for penalty in ("l2", "random", "none")
    }
    weights = {name: flat(method.model.parameters()) for name, method in ends.items()}
    apart = (weights["random"] - weights["l2"]).norm() / (weights["none"] - weights["l2"]).norm()
    assert 0 < apart < 0.2


# Stage 1


def begun(scenario="class", index=1, **fields):
    """A method inside stage 1 of a task, with its Fit and the task."""
    method = learn(made(net=tiny.net(), **fields), scenario, *range(index))
    task = tiny.stream(scenario).task(index)
    with seeded(0, "init", index, 0):
        fit = next(method.learn(task))
    return method, task, fit


def test_the_directions_gradient_is_the_mean_of_those_at_the_points_of_the_ray():
    method, task, fit = begun()
    assert fit.name == "direction"
    batch = tiny.batch(fit.data)
    method.nu.vector.requires_grad_(True)
    method.eval()
    (g,) = torch.autograd.grad(method.loss_direction(batch, task)["memory"], method.nu.vector)
    slopes = []
    for share in SHARES:
        point = {name: w.detach() for name, w in method.nu.at(method.model, share).items()}
        point = {name: w.requires_grad_() for name, w in point.items()}
        scores = functional_call(method.model, point, (batch.x,))
        slopes.append(flat(torch.autograd.grad(cross_entropy(scores, batch.y, task.rivals), point.values())))
    torch.testing.assert_close(g, torch.stack(slopes).mean(0), rtol=1e-10, atol=1e-14)
    assert g.any()


def test_the_value_is_that_of_the_formula_and_one_point_is_an_option():
    for ray, shares in (("all", SHARES), ("single", (1.0,))):
        method, task, fit = begun(ray=ray)
        batch, own = tiny.batch(fit.data), dict(method.model.named_parameters())
        method.eval()
        total = 0.0
        for share in shares:
            point = {name: own[name] + share * part for name, part in method.nu.parts().items()}
            total += (
                cross_entropy(functional_call(method.model, point, (batch.x,)), batch.y, task.rivals) / share
            )
        torch.testing.assert_close(method.loss_direction(batch, task)["memory"], total / len(shares))


@pytest.mark.parametrize("scope", ["global", "per_tensor"])
def test_after_every_step_the_direction_is_as_long_as_it_should_be(scope):
    method = learn(made(scope=scope, radius=7.0), "class", 0)
    lengths, inner = [], []

    def before(at: Posed) -> None:
        if at.fit.name == "direction":
            come_back = at.fit.after_step

            def looked(*given):
                come_back(*given)
                parts = zip(
                    method.nu.vector.split(method.nu.sizes),
                    method.nu.momentum.split(method.nu.sizes),
                    strict=True,
                )
                for v, b in parts:
                    lengths.append(v.norm().item())
                    inner.append((abs(v @ b) / (v.norm() * b.norm() + 1e-30)).item())

            object.__setattr__(at.fit, "after_step", looked)

    learn(method, "class", 1, engine=Probe(PLAN, before))
    assert len(lengths) >= 20
    assert lengths == pytest.approx([7.0] * len(lengths), rel=1e-5)
    assert max(inner) < 1e-5


def test_stage_one_writes_no_weight_and_goes_down():
    method, task, fit = begun()
    before = tiny.bits(method.model)
    start = method.nu.vector.detach().clone()
    value = method.loss_direction(tiny.batch(fit.data), task)["memory"].item()
    solve(method, task, fit)
    assert tiny.same(before, tiny.bits(method.model)), "weights and running statistics rest"
    assert not torch.equal(start, method.nu.vector)
    assert method.loss_direction(tiny.batch(fit.data), task)["memory"].item() < value


def test_the_direction_depends_on_the_memory():
    found = []
    for shift in (0.0, 0.5):
        method, task, fit = begun()
        data = replace(fit.data, x=fit.data.x.flip(0) + shift) if shift else fit.data
        solve(method, task, replace(fit, data=data))
        found.append(method.nu.vector.detach().clone())
    assert not torch.allclose(*found)


class Bowl:
    """A loss that is quadratic in the weights, in place of the network's: H about a point, on flat vectors."""

    def __init__(self, size, seed=0, lowest=0.02):
        draw = torch.Generator().manual_seed(seed)
        turn, _ = torch.linalg.qr(torch.randn(size, size, generator=draw, dtype=torch.float64))
        self.values = torch.cat([torch.tensor([lowest]), torch.linspace(0.5, 2.0, size - 1)]).double()
        self.hessian, self.easiest = turn @ torch.diag(self.values) @ turn.T, turn[:, 0]
        self.centre = torch.zeros(size, dtype=torch.float64)

    def __call__(self, model, point, x, y, rivals):
        away = torch.cat([part.flatten() for part in point.values()]) - self.centre
        return away @ self.hessian @ away / 2


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("ray", ["all", "single"])
def test_on_a_quadratic_loss_the_direction_is_the_eigenvector_of_the_smallest_eigenvalue(
    monkeypatch, ray, momentum
):
    method, task, fit = begun(ray=ray, direction_momentum=momentum, radius=3.0)
    weights = [w for name, w in method.model.named_parameters() if name in method.held]
    bowl = Bowl(len(flat(weights)))
    bowl.centre = flat(weights)
    monkeypatch.setattr(lfd, "loss_at", bowl)
    method.nu.inertia = momentum
    solve(method, task, replace(fit, lr=0.3, epochs=400.0, schedule="constant"))
    v = method.nu.vector.detach()
    assert abs(v @ bowl.easiest) / v.norm() > 0.999
    at_end = bowl(None, {"v": bowl.centre + v}, None, None, None).item()
    assert at_end == pytest.approx(9 * 0.02 / 2, rel=1e-2)
    objective = method.loss_direction(tiny.batch(fit.data), task)["memory"].item()
    assert objective / at_end == pytest.approx(0.68 if ray == "all" else 1.0)


def test_fresh_rows_are_part_of_the_direction_and_old_answers_are_as_they_were():
    method = learn(made(net=tiny.net()), "class", 0)
    method.eval()
    x, before = tiny.split((0, 1)).x, None
    with torch.no_grad():
        before = method.model(x)
    method, task, fit = begun()
    with torch.no_grad():
        assert torch.equal(method.eval().model(x)[:, :2], before)
    fresh = {"head.blocks.1.weight", "head.blocks.1.bias"}
    assert fresh <= set(method.nu.parts())
    method.nu.vector.requires_grad_(True)
    value = method.loss_direction(tiny.batch(fit.data), task)["memory"]
    parts = method.nu.parts()
    (slope,) = torch.autograd.grad(value, method.nu.vector)
    places = dict(zip(parts, slope.split([p.numel() for p in parts.values()]), strict=True))
    assert all(places[name].any() for name in fresh), "they compete with the old labels"


def test_heads_that_are_not_trained_are_outside_and_others_do_not_compete():
    method, task, fit = begun("task", 2, replay=False)
    assert {name for name in method.held if "head" in name} == {"head.blocks.2.weight", "head.blocks.2.bias"}
    with_replay, _, _ = begun("task", 2)
    assert {name[:13] for name in with_replay.held if "head" in name} == {
        f"head.blocks.{k}" for k in range(3)
    }
    batch = tiny.batch(fit.data)
    point = method.nu.at(method.model.eval(), 1.0)
    scores = functional_call(method.model, dict(point), (batch.x,))
    own = torch.stack(
        [
            torch.nn.functional.cross_entropy(s[y // 2 * 2 : y // 2 * 2 + 2][None], (y % 2)[None])
            for s, y in zip(scores, batch.y, strict=True)
        ]
    ).mean()
    torch.testing.assert_close(lfd.loss_at(method.model, point, batch.x, batch.y, task.rivals), own)


def test_one_tensor_by_itself_is_all_of_them():
    """`per_tensor` and `global` part where there are several tensors, and only there."""
    ends = {}
    for scope in ("global", "per_tensor"):
        model = tiny.net(norm=False)
        method = made(net=model, scope=scope, ep="none", replay=False)
        learn(method, "domain", 0)
        monkey = [name for name, _ in method.model.named_parameters() if name == "backbone.second.weight"]
        method.model.facing = lambda _, model=model: [OneTensor(model.backbone.second.weight)]
        learn(method, "domain", 1)
        assert method.held == monkey
        ends[scope] = tiny.bits(method.model)
    assert tiny.same(ends["global"], ends["per_tensor"])


class OneTensor(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight


def test_the_last_direction_leans_on_the_one_before():
    method = learn(made(net=tiny.net(), direction_ema=0.4, radius=5.0), "class", 0, 1)
    last = {name: part.clone() for name, part in method.last.items()}
    steps = fits(method, "class", 2)
    fit, task = next(steps), tiny.stream("class").task(2)
    solve(method, task, fit)
    found = {name: part.detach().clone() for name, part in method.nu.parts().items()}
    next(steps)
    mixed = flat([0.6 * p + 0.4 * last[n] if n in last else p for n, p in found.items()])
    torch.testing.assert_close(method.nu.vector.detach(), 5 * mixed / mixed.norm())
    assert set(method.last) > set(last), "fresh rows had none before"


# Stage 2


def in_the_main_fit(index=1, scenario="class", **fields):
    method = learn(made(net=tiny.net(), **fields), scenario, *range(index))
    task = tiny.stream(scenario).task(index)
    steps = fits(method, scenario, index)
    for fit in steps:
        if fit.name == "main":
            return method, task, fit
        solve(method, task, fit)
    raise AssertionError("no main Fit")


@pytest.mark.parametrize("scope", ["global", "per_tensor"])
@pytest.mark.parametrize("penalty", ["l2", "random", "lfd"])
def test_the_penalty_is_the_formula_on_all_that_is_trained(penalty, scope):
    method, task, fit = in_the_main_fit(penalty=penalty, scope=scope, alpha=0.3, ep="none")
    start = {name: value.clone() for name, value in method.model.named_parameters()}
    assert method.loss(tiny.batch(task.train), task)["penalty"].item() < 1e-25, "none at the start"
    solve(method, task, fit)
    own = dict(method.model.named_parameters())
    s, v = {n: own[n] - start[n] for n in method.held}, method.nu.parts()
    if penalty == "l2":
        expected = sum(part.square().sum() for part in s.values())
    elif scope == "global":
        s, v = flat(s.values()), flat(v.values())
        expected = (s - v * (s @ v) / (v @ v)).square().sum()
    else:
        pairs = [(s[n].flatten(), v[n].flatten()) for n in method.held]
        expected = sum((a - b * (a @ b) / (b @ b)).square().sum() for a, b in pairs)
    value = method.loss(tiny.batch(task.train), task)["penalty"]
    torch.testing.assert_close(value, 0.3 * expected.detach(), rtol=1e-9, atol=0)
    assert value > 0
    assert set(method.held) == set(start)


def test_twenty_steps_are_the_forerunners_with_half_its_decay():
    """[P]'s dcd.py: decay (p - v <p, v> / |v|²), tensor by tensor, added to the gradient before momentum."""
    method, task, _ = in_the_main_fit(penalty="lfd", scope="per_tensor", alpha=0.05, ep="none", replay=False)
    method.train()
    params = [dict(method.model.named_parameters())[name] for name in method.held]
    start, v = (
        [p.detach().clone() for p in params],
        [part.detach().clone() for part in method.nu.parts().values()],
    )
    batch = tiny.batch(task.train)
    theirs, buffers = [p.detach().clone() for p in params], [None] * len(params)
    method.eval()
    for p in params:
        p.requires_grad_(True)
    optimizer = torch.optim.SGD(params, lr=0.05, momentum=0.7)
    for _ in range(20):
        optimizer.zero_grad()
        sum(method.loss(batch, task).values()).backward()
        optimizer.step()
        at = [p.clone().requires_grad_() for p in theirs]
        point = dict(zip(method.held, at, strict=True))
        slopes = torch.autograd.grad(lfd.loss_at(method.model, point, batch.x, batch.y, task.rivals), at)
        for k, g in enumerate(slopes):
            p = theirs[k] - start[k]
            g = g + 0.1 * (p - v[k] * (p * v[k]).sum() / v[k].pow(2).sum())
            buffers[k] = g.clone() if buffers[k] is None else 0.7 * buffers[k] + g
            theirs[k] = theirs[k] - 0.05 * buffers[k]
    torch.testing.assert_close(flat(params), flat(theirs), rtol=1e-10, atol=1e-12)
    assert (flat(params) - flat(start)).norm() > 0.01


def test_random_directions_by_tensor_are_what_the_source_articles_code_trains():
    """Its penalty with unit vectors, 0.05 Σ |δ_k|² with δ_k = s_k - <s_k, v_k> v_k: ours, whatever their length."""
    method, task, _ = in_the_main_fit(
        penalty="random", scope="per_tensor", alpha=0.05, ep="none", scenario="domain", replay=False
    )
    with torch.no_grad():
        for weight in method.model.parameters():
            weight.add_(0.1)
    own = dict(method.model.named_parameters())
    value = method.loss(tiny.batch(task.train), task)["penalty"].item()
    total, whole = 0.0, 0.0
    for name, v in method.nu.parts().items():
        unit, s = v / v.norm(), own[name] - method.line.start.module.get_buffer(name)
        total += 0.05 * (s - (s * unit).sum() * unit).square().sum().item()
        whole += 0.05 * s.square().sum().item()
    assert value == pytest.approx(total, rel=1e-12)
    assert 0.9 < value / whole < 1.0


def test_replayed_exemplars_are_old_ones_and_train_old_heads():
    method, task, fit = in_the_main_fit(2, "task", penalty="none", ep="none", memory_batch=5, per_class=3)
    assert (len(fit.replay), fit.replay_batch) == (12, 5)
    before = tiny.bits(method.model.head.blocks[0])
    solve(method, task, fit)
    assert not tiny.same(before, tiny.bits(method.model.head.blocks[0]))
    batch = tiny.batch(task.train)._replace(replay=tiny.batch(fit.replay))
    method.eval()
    terms = method.loss(batch, task)
    torch.testing.assert_close(terms["replay"], method.loss(batch.replay, task)["new"])


# Stage 3


def ended(**fields):
    """A method before stage 3 of task 1: the Fit of λ, and where both ends are."""
    method = learn(made(net=tiny.net(), **fields), "domain", 0)
    task, steps = tiny.stream("domain").task(1), fits(method, "domain", 1)
    for fit in steps:
        if fit.name == "equilibrium":
            return method, task, fit, steps
        solve(method, task, fit)
    raise AssertionError("no equilibrium")


def test_the_place_is_traced_as_the_forerunner_does():
    """[P]'s recall: λ from .5, descent at .1, a tenth after 10 and 15 of 20 epochs, derivative clipped at 5."""
    method, task, fit, _ = ended(penalty="none", replay=False)
    start = {n: b for n, b in method.line.start.module.named_buffers() if b.is_floating_point()}
    end = tensors_of(method.model)
    seen, trace = [], []
    loss = method.loss_between

    def spied(batch, task):
        seen.append((batch.x.clone(), batch.y.clone()))
        return loss(batch, task)

    watch = lambda _: trace.append(method.line.place.item())  # noqa: E731
    Engine(RECIPE, 0, PLAN).fit(method, task, replace(fit, loss=spied), None, watch)
    place, ours = torch.tensor(0.5), []
    per_epoch = len(seen) // 20
    weights = dict(method.model.named_parameters())
    for step, (x, y) in enumerate(seen):
        at = place.clone().requires_grad_()
        point = {
            n: start[n] * (1 - at) + end[n] * at if n in weights else start[n] * (1 - place) + end[n] * place
            for n in start if n in end
        }  # fmt: skip
        (slope,) = torch.autograd.grad(
            cross_entropy(functional_call(method.model, point, (x,)), y, task.rivals), at
        )
        epoch = step // per_epoch
        rate = 0.1 * (1.0 if epoch < 10 else 0.1 if epoch < 15 else 0.01)
        place = (place - rate * slope.clamp(-5, 5)).clamp(0, 1)
        ours.append(place.item())
    assert len(trace) == 20 * per_epoch
    assert trace == pytest.approx(ours, abs=1e-6)
    assert len({round(value, 6) for value in trace}) > 10, "it moves"


@pytest.mark.parametrize("ep", ["descent", "grid"])
def test_on_a_quadratic_loss_the_place_is_the_closed_form(monkeypatch, ep):
    """λ* = -<D, H (ŵ - w*)> / <D, H D>."""
    method, task, fit, steps = ended(ep="descent", penalty="none", replay=False)
    method.ep = ep
    names = [name for name, _ in method.model.named_parameters()]
    start = flat(method.line.start.module.get_buffer(name) for name in names)
    end = flat(dict(method.model.named_parameters()).values())
    bowl, way = Bowl(len(start), lowest=0.5), end - start
    aside = torch.randn(len(start), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bowl.centre = start + 0.37 * way + 1.5 * way.norm() * aside / aside.norm()
    best = -(way @ bowl.hessian @ (start - bowl.centre)) / (way @ bowl.hessian @ way)
    assert 0.05 < best < 0.95
    assert abs(best - 0.37) > 0.01, "not merely where the lowest point is nearest"

    def loss(model, point, x, y, rivals):
        return 20 / (way @ bowl.hessian @ way) * bowl(model, {n: point[n] for n in names}, x, y, rivals)

    monkeypatch.setattr(lfd, "loss_at", loss)
    monkeypatch.setattr("forgetless.weights.points.loss_at", loss)
    if ep == "descent":
        solve(method, task, replace(fit, lr=0.02, epochs=100.0))
    list(steps)
    assert method.measured["lambda/1"].item() == pytest.approx(best.item(), abs=2e-3)
    now = flat(dict(method.model.named_parameters()).values())
    torch.testing.assert_close(now, start + method.measured["lambda/1"].item() * way, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("lowest", "place"), [(-3.0, 0.0), (4.0, 1.0)])
def test_the_place_stays_on_the_segment_and_an_end_is_exact(monkeypatch, lowest, place):
    method, task, fit, steps = ended(penalty="none")
    ends = {0.0: dict(method.line.start.module.named_buffers()), 1.0: tiny.bits(method.model)}
    want = {name: ends[place][name].clone() for name in dict(method.model.named_parameters())}

    def loss(model, point, x, y, rivals):
        name = "backbone.second.weight"
        a, b = (end[name].flatten()[0] for end in (ends[0.0], ends[1.0]))
        return ((point[name].flatten()[0] - a) / (b - a) - lowest).square()

    monkeypatch.setattr(lfd, "loss_at", loss)
    monkeypatch.setattr("forgetless.weights.points.loss_at", loss)
    solve(method, task, replace(fit, lr=0.5))
    assert method.line.place.item() == place
    list(steps)
    assert all(torch.equal(weight, want[name]) for name, weight in method.model.named_parameters())


@pytest.mark.parametrize("ep", ["descent", "grid"])
@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
def test_with_the_safeguard_the_memorys_loss_is_at_most_that_of_both_ends(scenario, ep):
    method = learn(made(net=tiny.net(), ep=ep, ep_lr=3.0, ep_epochs=1.0), scenario, 0, 1, 2)
    curve, task = method.measured["segment/2"], tiny.stream(scenario).task(2)
    memory = method.memory.split(task.train)
    now = cross_entropy(method.eval().model(memory.x), memory.y, task.rivals)
    assert now <= min(curve[0], curve[-1]) + 1e-6
    assert 0 <= method.measured["lambda/2"].item() <= 1


def test_without_the_safeguard_a_place_that_went_wrong_is_kept():
    """Descent may end anywhere; the safeguard falls back on the better end."""
    places = {}
    for safeguard in (True, False):
        method, _, _, steps = ended(penalty="none", safeguard=safeguard)
        with torch.no_grad():
            method.line.place.fill_(0.013)
        list(steps)
        places[safeguard] = method.measured["lambda/1"].item()
    assert places[False] == pytest.approx(0.013)
    assert places[True] in (0.0, 1.0)


def test_a_fixed_place_needs_no_memory_and_equals_the_mean_of_both_ends():
    method = learn(made(net=tiny.net(), **PLAIN | {"ep": "fixed"}), "domain", 0)
    start = tensors_of(method.model)
    host = learn(made(net=tiny.net(), **PLAIN), "domain", 0, 1)
    learn(method, "domain", 1)
    assert len(method.memory) == 0
    for name, value in tensors_of(method.model).items():
        torch.testing.assert_close(value, (start[name] + tensors_of(host.model)[name]) / 2)


def test_stage_three_writes_no_weight_until_it_is_done():
    method, task, fit, steps = ended()
    before = tiny.bits(method.model)
    solve(method, task, fit)
    assert tiny.same(before, tiny.bits(method.model))
    list(steps)
    assert not tiny.same(before, tiny.bits(method.model)) or method.measured["lambda/1"] == 1


# Memory, and what is measured


@pytest.mark.parametrize("scenario", tiny.SCENARIOS)
@pytest.mark.parametrize("choice", ["herding", "random"])
def test_the_memory_never_holds_more_than_its_budget(scenario, choice):
    method, stream = made(per_class=4, choice=choice), tiny.stream(scenario)
    for index in range(3):
        task = stream.task(index)
        seen = []

        def before(at: Posed, seen=seen) -> None:
            seen.append((at.fit.name, len(at.method.memory)))

        learn(method, scenario, index, engine=Probe(PLAN, before))
        assert all(count <= 4 * 2 * (index + (name == "equilibrium")) for name, count in seen)
        assert len(method.memory) == 4 * 2 * (index + 1)
        counts = [(method.memory.group == group).sum().item() for group in range(method.memory.groups)]
        assert counts == [4] * (2 * (index + 1))
        assert count_bytes(method, 0)["exemplars"] >= method.memory.x.nbytes
        assert count_bytes(method, 0)["old_models"] == 0, "ŵ is gone with its task"
        assert set(method.memory.y.tolist()) == set(task.seen)


def test_stages_one_and_three_read_exemplars_alone(monkeypatch):
    """Every image that a stage other than the main one is shown lies in the memory."""
    method, stream = made(per_class=3), tiny.stream("class")
    learn(method, "class", 0, stream=stream)
    read, stage, inputs = {}, ["between"], Split.inputs

    def spied(split, *given):
        x = inputs(split, *given)
        read.setdefault(stage[0], []).append(x.detach().clone())
        return x

    monkeypatch.setattr(Split, "inputs", spied)

    def before(at: Posed) -> None:
        stage[0] = at.fit.name

    def after(_: Posed) -> None:
        stage[0] = "between"

    learn(method, "class", 1, stream=stream, engine=Probe(PLAN, before, after))
    kept = {row.numpy().tobytes() for row in method.memory.x}
    old = {row.numpy().tobytes() for row in method.memory.x[method.memory.y < 2]}
    shown = {name: {row.numpy().tobytes() for x in parts for row in x} for name, parts in read.items()}
    assert shown["direction"] <= old
    assert shown["equilibrium"] <= kept
    assert shown["main"] - kept, "the spy sees: the main Fit reads more"
    assert shown["equilibrium"] - old, "new exemplars are there before λ is found"


def test_what_is_measured_is_what_the_network_loses_there():
    method = learn(made(net=tiny.net(), radius=2.0), "domain", 0)
    task, steps = tiny.stream("domain").task(1), fits(method, "domain", 1)
    fit = next(steps)
    chance = method.nu.vector.detach().clone()
    solve(method, task, fit)
    found, old = method.nu.vector.detach().clone(), method.memory.split(task.train)
    next(steps)
    curves = method.measured["direction/1"]
    assert curves.shape == (2, 21)
    own = flat(method.model.parameters())
    for curve, v in zip(curves, (found, chance), strict=True):
        for k in (0, 10, 20):
            flat_point = (own + k / 20 * v).split([w.numel() for w in method.model.parameters()])
            point = {
                n: p.view(w.shape)
                for (n, w), p in zip(method.model.named_parameters(), flat_point, strict=True)
            }
            scores = functional_call(method.model.eval(), point, (old.x,))
            assert curve[k].item() == pytest.approx(
                cross_entropy(scores, old.y, task.rivals).item(), rel=1e-5
            )
    assert method.measured["r_rel/1"].item() == pytest.approx(2.0 / own.norm().item(), rel=1e-6)
    assert curves[0, -1] < curves[1, -1]
    assert curves[0, 0] == curves[1, 0]


def test_nothing_but_memory_outlives_a_task():
    method = learn(made(), "class", 0, 1)
    names = {name.partition(".")[0] for name in method.state_dict() if not name.startswith("model")}
    assert names == {"measured", "memory", "nu", "line"}
    assert len(method.nu) == 0
    assert method.line.start is None


def test_it_forgets_less_than_finetune_on_the_toy_stream():
    ends = {}
    for name, fields in (("finetune", {}), ("lfd", {})):
        case = Case(METHODS[name], fields, "class", "mlp")
        scores = case.answers(case.learned(3), 3)
        ends[name] = [
            (s.argmax(1) == t.y).double().mean().item()
            for s, t in zip(scores, case.stream.tests, strict=True)
        ]
    assert sum(ends["lfd"][:2]) > sum(ends["finetune"][:2])
