"""LwM: what it equals, what it looks at, what moves for it, and what it refuses."""

from dataclasses import dataclass
from itertools import product

import pytest
import tiny
import torch
from reference_loop import learn, solve
from torch import nn
from torch.nn import functional as F

from forgetless.checks import cases_of, examine, method_checks, name_of
from forgetless.errors import SettingsError
from forgetless.methods import METHODS, Fit, Method
from forgetless.models import ConvBackbone, Model, Snapshot, build_model, folded, look, mapped
from forgetless.models.resnet import Block, ConvNorm
from forgetless.ops import attention_distance, cross_entropy, distill, gradient_map

LwM, LwF, Finetune = METHODS["lwm"], METHODS["lwf"], METHODS["finetune"]
RECIPE = {"momentum": 0.9, "weight_decay": 0.01}
PLACES = ("task", "class")


class Residual(ConvBackbone):
    """A stem and two residual blocks, as in a ResNet; the maps are 4 x 4."""

    averages = True
    width = 6

    def __init__(self):
        super().__init__()
        self.stem = ConvNorm(3, 4)
        self.blocks = nn.Sequential(Block(4, 4, 1, project=False), Block(4, 6, 2, project=True))

    def maps(self, x):
        return self.blocks(F.relu(self.stem(x)))

    def pool(self, maps):
        return maps.mean((2, 3))


class Deep(Residual):
    """With a layer between the maps and the features: no closed form."""

    averages = False

    def __init__(self, norm=None):
        super().__init__()
        self.norm = norm or nn.Identity()
        self.mix = nn.Linear(6, 6)

    def pool(self, maps):
        return self.mix(self.norm(maps).mean((2, 3))).tanh()


def residual(kind=Residual, seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Model(kind(**options), 6).double()


def learned(kind, scenario, tasks=2, *, network=tiny.net, **fields):
    """A method that has learned so many tasks."""
    method = kind(network(), **fields)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, tiny.stream(scenario).task(index), **RECIPE)
    return method


def begun(scenario, *, network=residual, **fields):
    """A method at the beginning of its second task."""
    method, task = learned(LwM, scenario, 1, network=network, **fields), tiny.stream(scenario).task(1)
    with torch.random.fork_rng():
        torch.manual_seed(6)
        next(method.learn(task))
    return method, task


def posed(scenario, *, network=residual, moved=0.1, **fields):
    """A method at the beginning of its second task, its weights moved away from the teacher's; and a batch."""
    method, task = begun(scenario, network=network, **fields)
    with torch.no_grad():
        for weight in method.model.parameters():
            noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2), dtype=weight.dtype)
            weight.add_(moved * noise)
    return method.eval(), task, tiny.batch(task.train)


def terms_of(method, batch, task):
    return method.loss(batch, task)[0]


@pytest.fixture
def looks(monkeypatch):
    """How often each attention function is called."""
    module, counts = __import__("forgetless.models.attention", fromlist=["class_map"]), {}
    for name in ("class_map", "gradient_map"):
        own = getattr(module, name)
        counts[name] = 0

        def counted(*args, own=own, name=name, **options):
            counts[name] += 1
            return own(*args, **options)

        monkeypatch.setattr(module, name, counted)
    return counts


@pytest.mark.parametrize(("scenario", "scope"), list(product(PLACES, ["new", "seen"])))
def test_without_attention_it_is_lwf_with_binary_distillation_to_the_last_bit(scenario, scope, looks):
    lwm = learned(LwM, scenario, 3, gamma=0.0, beta=0.7, scope=scope)
    lwf = learned(LwF, scenario, 3, old_loss="bce", weight=0.7, scope=scope)
    assert tiny.same(tiny.bits(lwm.model), tiny.bits(lwf.model))
    assert not any(looks.values()), "no map is made"


def test_without_attention_and_distillation_it_is_finetune_to_the_last_bit(looks):
    lwm = learned(LwM, "class", 3, gamma=0.0, beta=0.0, scope="seen")
    floor = learned(Finetune, "class", 3)
    assert tiny.same(tiny.bits(lwm.model), tiny.bits(floor.model))
    assert not any(looks.values())
    assert lwm.old is None, "nor an old network"


def test_in_the_task_scenario_so_are_the_shared_weights_and_the_new_head():
    """Old heads are trained by lwm, and decay; the floor leaves them."""
    lwm = learned(LwM, "task", 3, gamma=0.0, beta=0.0)
    floor = learned(Finetune, "task", 3)
    for part in (lambda made: made.model.backbone, lambda made: made.model.head.blocks[-1]):
        assert tiny.same(tiny.bits(part(lwm)), tiny.bits(part(floor)))


def test_with_attention_maps_are_made_twice_a_step_and_never_in_the_first_task(looks):
    learned(LwM, "class", 1)
    assert not any(looks.values())
    method, task, batch = posed("class")
    before = looks["class_map"]
    method.loss(batch, task)
    assert (looks["class_map"] - before, looks["gradient_map"]) == (2, 0)


def test_a_network_without_maps_will_do_where_there_is_no_attention():
    model = build_model("mlp", (3, 8, 8), hidden=(8,)).double()
    learn(LwM(model, gamma=0.0), tiny.stream("class").task(0))
    with pytest.raises(SettingsError, match=r"MLP has none.*--model resnet32.*lwf"):
        LwM(model)


def test_maps_of_one_pixel_are_refused_before_anything_is_learned():
    stream = tiny.stream("class", dtype=torch.float32)
    method = LwM(build_model("resnet18", (3, 8, 8)))
    with pytest.raises(SettingsError, match=r"those of ResNet are 1 x 1 pixels on images of 8 x 8.*resnet32"):
        next(method.learn(stream.task(0)))
    next(LwM(build_model("resnet32", (3, 8, 8))).learn(stream.task(0)))


def test_what_has_no_closed_form_is_refused_one():
    with pytest.raises(SettingsError, match=r"cam=closed.*LeNet are not linear"):
        LwM(build_model("lenet", (3, 8, 8)), cam="closed")
    assert not LwM(build_model("lenet", (3, 8, 8))).closed
    assert LwM(residual()).closed
    assert not LwM(residual(), cam="autograd").closed


def test_a_head_that_was_grown_elsewhere_is_refused():
    model = residual()
    model.grow(range(3))
    with pytest.raises(SettingsError, match="scores 3 labels, but 0 had occurred"):
        next(LwM(model).learn(tiny.stream("class").task(0)))


FORMS = [
    {},
    {"base_class": "teacher"},
    {"relu": False},
    {"attention": "first_order"},
    {"map_reduction": "mean", "dead_map": "keep"},
]


@pytest.mark.parametrize("scenario", PLACES)
@pytest.mark.parametrize("fields", FORMS, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_closed_form_and_double_backward_agree_to_the_last_digits(scenario, fields, training):
    """On residual blocks with batch normalisation: every term and the gradient of every weight."""
    results = []
    for cam in ("closed", "autograd"):
        method, task, batch = posed(scenario, cam=cam, gamma=5.0, **fields)
        terms = terms_of(method.train(training), batch, task)
        sum(terms.values()).backward()
        gradients = {name: weight.grad for name, weight in method.model.named_parameters()}
        results.append(terms | gradients)
    closed, autograd = results
    assert closed["attention"] > 0.01
    assert closed.keys() == autograd.keys()
    for name, value in closed.items():
        torch.testing.assert_close(
            autograd[name], value, rtol=1e-12, atol=1e-14, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("kind", [Residual, Deep])
@pytest.mark.parametrize("scenario", PLACES)
def test_the_terms_are_those_of_the_paper_written_out(kind, scenario):
    """One image, one pixel, one map at a time."""
    method, task, batch = posed(scenario, network=lambda: residual(kind), gamma=0.3, beta=0.6)
    terms = terms_of(method, batch, task)
    answers, attention = [], []
    for x in batch.x.split(1):
        before = look(method.old.module, x)
        now = look(method.model, x)
        v, z = before.scores[0], now.scores[0]
        p, q = v.sigmoid(), z.sigmoid()
        answers.append(sum(-(p[i] * q[i].log() + (1 - p[i]) * (1 - q[i]).log()) for i in range(2)))
        b = int(z[:2].argmax())
        maps = []
        for seen in (before, now):
            gradient = torch.autograd.grad(seen.scores[0, b], seen.maps, retain_graph=True)[0][0]
            grown = sum(gradient[k].mean() * seen.maps[0, k] for k in range(6)).relu()
            maps.append(grown / grown.norm() if grown.norm() > 1e-6 else None)
        dead = maps[0] is None or maps[1] is None
        attention.append(torch.zeros(()) if dead else (maps[0] - maps[1]).abs().sum())
    torch.testing.assert_close(terms["old"], 0.6 * torch.stack(answers).mean())
    torch.testing.assert_close(terms["attention"], 0.3 * torch.stack(attention).mean().double())
    logits = method.model(batch.x)
    expected = F.cross_entropy(logits[:, 2:4], batch.y - 2)
    torch.testing.assert_close(terms["new"], expected)


def test_the_students_of_the_past_and_of_the_present_agree_where_nothing_has_moved():
    for scenario, cam in product(PLACES, ("closed", "autograd")):
        method, task, batch = posed(scenario, moved=0.0, cam=cam)
        terms = terms_of(method, batch, task)
        assert terms["attention"] < 1e-7
        gradients = torch.autograd.grad(
            terms["attention"], list(method.model.parameters()), allow_unused=True
        )
        assert all(g is None or g.isfinite().all() for g in gradients)


def gradient_of(method, task, batch, term="attention"):
    value = terms_of(method, batch, task)[term]
    named = dict(method.model.named_parameters())
    if not value.requires_grad:
        return value, {}
    found = torch.autograd.grad(value, list(named.values()), allow_unused=True)
    return value, {name: g for name, g in zip(named, found, strict=True) if g is not None and g.any()}


def test_attention_reaches_the_backbone_and_no_row_of_a_new_class():
    for scenario in PLACES:
        value, gradients = gradient_of(*posed(scenario))
        assert value > 0
        assert any("stem" in name for name in gradients)
        assert "head.blocks.0.weight" in gradients
        assert not any("blocks.1" in name and "head" in name for name in gradients)


@pytest.mark.parametrize(
    ("attention", "rows", "backbone"), [("full", 1, 1), ("first_order", 0, 1), ("detached", 0, 0)]
)
@pytest.mark.parametrize("cam", ["closed", "autograd"])
def test_what_attention_is_differentiated_through(attention, rows, backbone, cam):
    value, gradients = gradient_of(*posed("class", attention=attention, cam=cam))
    full, _ = gradient_of(*posed("class", cam=cam))
    torch.testing.assert_close(value, full)
    assert any("head" in name for name in gradients) == bool(rows)
    assert any("stem" in name for name in gradients) == bool(backbone)


def test_scores_of_new_classes_do_not_choose_the_base_class():
    method, task, batch = posed("class")
    before = terms_of(method, batch, task)["attention"]
    with torch.no_grad():
        method.model.head.blocks[1].bias.add_(100.0)
    assert torch.equal(terms_of(method, batch, task)["attention"], before)


def test_an_images_attention_does_not_depend_on_the_others_in_the_batch():
    method, task, batch = posed("class", network=lambda: residual(Deep))
    whole = terms_of(method, batch, task)["attention"]
    parts = [
        terms_of(method, tiny.batch(task.train, slice(row, row + 1)), task)["attention"]
        for row in range(len(batch.y))
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


def test_batch_statistics_above_the_maps_are_refused():
    network = lambda: residual(Deep, norm=nn.BatchNorm2d(6))  # noqa: E731
    method, task, batch = posed("class", network=network)
    assert terms_of(method, batch, task)["attention"] > 0, "in evaluation mode each image stands by itself"
    with pytest.raises(SettingsError, match="batch normalisation above them in training mode"):
        method.train().loss(batch, task)


def test_each_form_of_distillation_is_summed_over_the_old_heads():
    forms = {
        "bce": lambda z, v: (
            F.binary_cross_entropy_with_logits(z, v.sigmoid(), reduction="none").sum(-1).mean()
        ),
        "printed": lambda z, v: -(v.sigmoid() * z.sigmoid().log()).sum(-1).mean(),
        "softmax": lambda z, v: distill(z, v, 3.0),
    }
    for (ld, form), scenario in product(forms.items(), PLACES):
        method = learned(LwM, scenario, 2, network=residual, ld=ld, temperature=3.0)
        task = tiny.stream(scenario).task(2)
        next(method.learn(task))
        method.eval()
        batch = tiny.batch(task.train)
        z, v = method.model(batch.x)[:, :4], method.old(batch.x)
        heads = [slice(0, 2), slice(2, 4)] if scenario == "task" else [slice(0, 4)]
        expected = sum(form(z[:, head], v[:, head]) for head in heads)
        torch.testing.assert_close(terms_of(method, batch, task)["old"], expected)


@pytest.mark.parametrize(("ld", "rests"), [("bce", True), ("softmax", True), ("printed", False)])
def test_a_distillation_rests_where_both_networks_agree_but_the_printed_one_does_not(ld, rests):
    method, task, batch = posed("class", moved=0.0, ld=ld)
    _, gradients = gradient_of(method, task, batch, "old")
    size = max((g.abs().max().item() for g in gradients.values()), default=0.0)
    assert (size < 1e-12) == rests
    if not rests:
        v = method.old(batch.x)
        expected = -(v.sigmoid() * (1 - v.sigmoid())).mean(0)
        torch.testing.assert_close(gradients["head.blocks.0.bias"], expected)


def test_cross_entropy_and_yes_or_no_questions_over_new_or_all_competing_labels():
    for lc, scope, scenario in product(("ce", "bce"), ("auto", "new", "seen"), PLACES):
        method, task, batch = posed(scenario, lc=lc, scope=scope)
        first = 0 if (scope, scenario) == ("seen", "class") else 2
        z, y = method.model(batch.x)[:, first:4], batch.y - first
        expected = F.cross_entropy(z, y)
        if lc == "bce":
            labels = F.one_hot(y, z.shape[1]).to(z)
            expected = F.binary_cross_entropy_with_logits(z, labels, reduction="none").sum(1).mean()
        torch.testing.assert_close(terms_of(method, batch, task)["new"], expected)


@pytest.mark.parametrize("cam", ["closed", "autograd"])
def test_attention_is_computed_in_full_precision(cam):
    """The backbone's rounding alone tells it from full precision: given equal maps, all that follows is exact."""
    method, task, batch = posed("class", cam=cam)
    method = method.float()
    batch = batch._replace(x=batch.x.float())
    exact = terms_of(method, batch, task)["attention"]
    with torch.autocast("cpu", torch.bfloat16):
        now = look(method.model, batch.x)
        assert now.maps.dtype == now.scores.dtype == torch.float32
        quick = terms_of(method, batch, task)["attention"]
        own = method.model.backbone.maps
        maps = {True: own(batch.x).detach(), False: method.old.module.backbone.maps(batch.x).detach()}
    assert quick.dtype == torch.float32
    assert maps[True].dtype == torch.bfloat16
    assert abs(quick.item() - exact.item()) < 0.02
    method.model.backbone.maps = lambda x: maps[True].float().requires_grad_()
    method.old.module.backbone.maps = lambda x: maps[False].float()
    alone = terms_of(method, batch, task)["attention"]
    assert abs(quick.item() - alone.item()) < 1e-6


def test_a_look_is_one_pass_that_scores_as_the_model_does():
    model = build_model("lenet", (3, 8, 8))
    model.grow(range(4))
    x, passes = torch.randn(5, 3, 8, 8), []
    model.backbone.first.register_forward_hook(lambda *_: passes.append(1))
    seen = look(model, x)
    assert len(passes) == 1
    assert torch.equal(seen.scores, model(x))
    assert torch.equal(seen.maps, model.backbone.maps(x))
    quick = look(folded(model), x)
    torch.testing.assert_close(quick.scores, seen.scores)
    assert quick.at(torch.zeros(5, dtype=torch.long), closed=False).shape == seen.maps[:, 0].shape


def complaints(check, **fields):
    found = next(c for c in method_checks() if name_of(c) == check)
    return [examine(found, case).complaint for case in cases_of(LwM, fields)]


def test_the_contract_finds_attention_that_was_detached():
    found = complaints("every term moves a weight", attention="detached")
    assert found
    assert all("'attention'" in complaint for complaint in found)
    assert not any(complaints("every term moves a weight"))


def test_it_is_defined_where_labels_come_and_networks_have_maps():
    cases = cases_of(LwM)
    assert {(case.scenario, case.network) for case in cases} == {("task", "conv"), ("class", "conv")}


def test_attention_holds_maps_in_place():
    """Full-batch steps of the attention alone bring the maps back to where the old network looks."""
    method, task, batch = posed("class", beta=0.0, gamma=1.0)
    opt = torch.optim.SGD(method.model.parameters(), lr=0.02)
    values = []
    for _ in range(30):
        value = terms_of(method, batch, task)["attention"]
        values.append(value.item())
        opt.zero_grad()
        value.backward()
        opt.step()
    assert values[-1] < 0.6 * values[0]


def test_after_learning_with_attention_new_images_are_looked_at_more_as_the_old_network_does():
    drifts = {}
    for gamma in (0.0, 0.3):
        method, task = begun("class", gamma=gamma)
        solve(method, Fit(task.train), task, lr=0.01, epochs=4, **RECIPE)
        method.eval()
        before, now = (look(net, task.train.x) for net in (method.old.module, method.model))
        base = now.scores[:, :2].argmax(1)
        apart, dead = attention_distance(now.at(base, closed=True), before.at(base, closed=True))
        assert not dead.any()
        drifts[gamma] = apart.mean().item()
    assert drifts[0.3] < 0.85 * drifts[0.0]


def test_the_share_of_images_with_a_dead_map_is_measured_task_by_task():
    method = learned(LwM, "class", 3, network=residual)
    shares = method.measured["dead_maps"]
    assert shares.shape == (3,)
    assert shares[0] == 0, "in the first task there is nothing to compare with"
    assert (shares <= 1).all()
    assert "dead_maps" not in learned(LwM, "class", 1, gamma=0.0).measured
    method, task, batch = posed("class")
    with torch.no_grad():
        for block in method.model.head.blocks:
            block.weight.fill_(-1.0)  # features are not negative, so no pixel is for any class
    terms, aux = method.loss(batch, task)
    assert terms["attention"] == 0
    assert aux["dead"] == 1
    method.after_step(batch, task, aux)
    assert method.get_buffer("looked").tolist() == [1, 1]


class Transcribed(Method):
    """The attention of public code, each fault as it stands there, beside a sound cross-entropy."""

    scenarios = ("class",)

    def setup(self):
        mapped(self.model)
        self.old = None

    def learn(self, task):
        self.old = Snapshot(self.model) if task.index else None
        self.model.grow(task.classes)
        yield Fit(task.train)

    def loss(self, batch, task):
        terms = {"new": cross_entropy(self.model(batch.x), batch.y, task.rivals)}
        if self.old is not None:
            terms["attention"] = self.attend(batch.x, task.old_groups[0])
        return terms

    def pair(self, x, known):
        now, before = look(self.model, x), look(self.old.module, x)
        scores = [seen.scores[:, list(known)].max(1).values for seen in (now, before)]
        return [(seen.maps, score) for seen, score in zip((now, before), scores, strict=True)]


class AsSurveyed(Transcribed):
    """The survey's code: maps are kept as data, in a pass of their own, without a graph."""

    def attend(self, x, known):
        maps = [gradient_map(*side, first_order=True).detach() for side in self.pair(x, known)]
        now, old = (q / q.norm(dim=1, keepdim=True).clamp(min=1e-12) for q in maps)
        return (now - old).abs().sum((1, 2)).mean()


class TimesItself(Transcribed):
    """Two other codes: the gradient times its own mean, not the maps times it; the same at every pixel."""

    def attend(self, x, known):
        maps = []
        for features, score in self.pair(x, known):
            (gradient,) = torch.autograd.grad(score.sum(), features, create_graph=True)
            maps.append(F.relu((gradient.mean((2, 3), keepdim=True) * gradient).sum(1)))
        return attention_distance(*maps)[0].mean()


class Sound(Transcribed):
    def attend(self, x, known):
        now, old = (gradient_map(*side) for side in self.pair(x, known))
        return attention_distance(now, old.detach())[0].mean()


@pytest.mark.parametrize(("kind", "found"), [(AsSurveyed, True), (TimesItself, True), (Sound, False)])
def test_the_contract_finds_the_attention_of_public_code_to_be_inert(kind, found):
    check = next(c for c in method_checks() if name_of(c) == "every term moves a weight")
    case, *_ = cases_of(dataclass(eq=False)(kind))
    complaint = examine(check, case).complaint
    assert bool(complaint) == found
    if found:
        assert "'attention'" in complaint


def test_the_contract_finds_the_distillation_as_printed():
    found = complaints("agreeing costs least", ld="printed")
    assert found
    assert all("'old'" in complaint for complaint in found)
    assert not any(complaints("agreeing costs least", ld="softmax"))


def test_images_with_a_dead_map_count_among_those_that_the_mean_is_over():
    method, task, batch = posed("class", gamma=3.0)
    method.attend = lambda *_: (torch.tensor([2.0, 0.0, 4.0, 0.0]), torch.tensor([False, True, False, True]))
    terms, aux = method.loss(batch, task)
    assert (terms["attention"], aux["dead"]) == (3.0 * 1.5, 0.5)
