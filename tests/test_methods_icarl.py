"""iCaRL: what it rehearses, which exemplars it keeps, and the nearest mean; each against a naive transcription."""

from math import log

import pytest
import tiny
import torch
from reference_loop import learn, solve
from test_memory import naive_herding
from torch.nn import functional as F

from forgetless.engine import count_bytes
from forgetless.errors import SettingsError
from forgetless.methods import METHODS

ICaRL = METHODS["icarl"]


@pytest.fixture(autouse=True)
def seeded():
    """New head rows are drawn from torch's generator."""
    torch.manual_seed(1)


def learned(tasks, scenario="class", sizes=(2, 2, 2), **fields):
    stream = tiny.stream(scenario, sizes)
    method = ICaRL(tiny.net(), **({"memory": 10} | fields))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, stream.task(index), momentum=0.9)
    return method


def begun(tasks, scenario="class", **fields):
    """A method in the midst of the task after so many, the Fit that it posed, and that task."""
    method, task = learned(tasks, scenario, **fields), tiny.stream(scenario).task(tasks)
    return method, next(method.learn(task)), task


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_loss_is_the_papers_sum_over_new_and_old_classes(temperature):
    method, fit, task = begun(2, temperature=temperature)
    batch = tiny.batch(fit.data, slice(None, None, 3))
    assert set(batch.y.tolist()) & {0, 1, 2, 3}, "exemplars of old classes too"
    scores, answers = method.model(batch.x).sigmoid(), (method.old(batch.x) / temperature).sigmoid()
    new = old = 0.0
    for g, q, label in zip(scores.tolist(), answers.tolist(), batch.y.tolist(), strict=True):
        new -= sum(log(g[y]) if y == label else log(1 - g[y]) for y in (4, 5))
        old -= sum(q[y] * log(g[y]) + (1 - q[y]) * log(1 - g[y]) for y in range(4))
    terms = method.loss(batch, task)
    assert terms["new"].item() == pytest.approx(new / len(batch.y) / 6, rel=1e-12)
    assert terms["old"].item() == pytest.approx(old / len(batch.y) / 6, rel=1e-12)
    method.divisor = 1
    assert method.loss(batch, task)["old"].item() == pytest.approx(old / len(batch.y), rel=1e-12)


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_both_sums_move_the_shared_weights_and_the_old_network_rests(scenario):
    method, fit, task = begun(1, scenario)
    before = [value.clone() for value in method.old.buffers()]
    solve(method, fit, task, momentum=0.9)
    assert all(map(torch.equal, before, method.old.buffers()))
    terms = method.train().loss(tiny.batch(fit.data), task)
    for value in terms.values():
        parts = torch.autograd.grad(value, list(method.model.backbone.parameters()), retain_graph=True)
        assert all(part.norm() > 0 for part in parts)


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_new_images_are_rehearsed_with_exemplars_of_all_old_classes(scenario):
    _, fit, task = begun(2, scenario)
    new = len(task.train)
    assert torch.equal(fit.data.x[:new], task.train.x)
    assert set(fit.data.y[new:].tolist()) == {0, 1, 2, 3}
    assert len(fit.data) == new + 10
    first = next(learned(0, scenario).learn(tiny.stream(scenario).task(0)))
    assert len(first.data) == 12, "nothing to rehearse yet"


def counts(method):
    return torch.bincount(method.exemplars.y).tolist()


def test_there_are_never_more_exemplars_than_asked_for_and_no_room_is_wasted():
    assert [counts(learned(tasks)) for tasks in (1, 2, 3)] == [[5, 5], [3, 3, 2, 2], [2, 2, 2, 2, 1, 1]]
    assert [counts(learned(tasks, memory=100)) for tasks in (1, 3)] == [[6, 6], [6] * 6], (
        "as many as there are"
    )
    assert counts(learned(3, memory=6)) == [1] * 6
    assert [counts(learned(tasks, per_class=4)) for tasks in (1, 3)] == [[4, 4], [4] * 6]
    with pytest.raises(SettingsError, match=r"asked to keep 5 exemplars .* 6 classes have come by task 3"):
        learned(3, memory=5)


def test_uneven_tasks_share_the_memory_too():
    assert counts(learned(3, sizes=(1, 3, 1), memory=7)) == [2, 2, 1, 1, 1]


def test_exemplars_are_counted_in_bytes():
    method = learned(2)
    assert count_bytes(method, 0)["exemplars"] == 10 * (3 * 8 * 8 * 8 + 8 + 8)


def test_exemplars_are_herded_by_the_features_of_their_time_and_the_lists_cut_from_behind():
    stream, method = tiny.stream("class"), ICaRL(tiny.net(), memory=10)
    lists = {}
    for index in range(3):
        task = stream.task(index)
        learn(method, task, momentum=0.9)
        for label in task.classes:
            mine = task.train.x[task.train.y == label]
            rows = naive_herding(method.model.eval().features(mine).detach().numpy(), 6)
            lists[label] = mine[rows]
        for label, wanted in lists.items():
            kept = method.exemplars.x[method.exemplars.y == label]
            assert torch.equal(kept, wanted[: len(kept)])


@pytest.mark.parametrize("mirror", [False, True])
def test_an_image_has_the_class_of_the_nearest_mean_as_the_network_sees_it_now(mirror):
    method = learned(3, mirror=mirror)
    x = tiny.split(range(6), shift=0.5).x
    means = []
    for label in range(6):
        kept = method.exemplars.x[method.exemplars.y == label]
        seen = torch.cat([kept, kept.flip(-1)]) if mirror else kept
        means.append(unit(unit(method.model.features(seen)).mean(0)))
    features, scores = unit(method.model.features(x)), method.logits(x)
    for i in range(len(x)):
        away = [
            sum((a - b) ** 2 for a, b in zip(features[i].tolist(), m.tolist(), strict=True)) for m in means
        ]
        assert scores[i].tolist() == pytest.approx([-distance for distance in away], rel=1e-9, abs=1e-12)
    assert torch.equal(scores.argmax(1), (features @ torch.stack(means).T).argmax(1)), "of unit vectors"
    method, task = learned(2, mirror=mirror), tiny.stream("class").task(2)
    before = method.means["all"].clone()
    solve(method, next(method.learn(task)), task)
    assert torch.equal(method.means["all"], before), "until the task is learned"


def test_mirroring_and_the_networks_own_scores_answer_differently():
    plain, mirrored, network = learned(2), learned(2, mirror=True), learned(2, classifier="network")
    x = tiny.split(range(4)).x
    assert tiny.same(tiny.bits(plain.model), tiny.bits(mirrored.model))
    assert not torch.allclose(plain.logits(x), mirrored.logits(x))
    assert torch.equal(network.logits(x), network.model(x))


def test_there_is_an_answer_before_there_are_exemplars_and_none_for_classes_that_are_being_learned():
    method, x = ICaRL(tiny.net()), tiny.split((0, 1)).x
    next(method.learn(tiny.stream("class").task(0)))
    assert torch.equal(method.eval().logits(x), method.model(x))
    method, _, _ = begun(1)
    scores = method.eval().logits(x)
    assert scores.shape == (12, 4)
    assert scores[:, :2].isfinite().all()
    assert torch.isneginf(scores[:, 2:]).all()


def test_rehearsal_and_means_keep_old_classes():
    stream = tiny.stream("class")
    shares = {}
    for name, fields in (("icarl", {"memory": 30}), ("finetune", {})):
        method = METHODS[name](tiny.net(norm=False), **fields)
        torch.manual_seed(5)
        for index in range(3):
            learn(method, stream.task(index), momentum=0.9, lr=0.1, epochs=30)
        old = tiny.split((0, 1, 2, 3))
        shares[name] = (method.logits(old.x).argmax(1) == old.y).double().mean().item()
    assert shares["icarl"] > 0.9 > 0.3 > shares["finetune"]


def test_it_is_not_defined_where_classes_do_not_arrive():
    assert set(ICaRL.scenarios) == {"class", "task"}


def test_features_and_means_are_of_unit_length():
    method, task = learned(2), tiny.stream("class").task(1)
    features = method.features(task.train)
    torch.testing.assert_close(features, F.normalize(method.model.features(task.train.x).detach(), dim=1))
    torch.testing.assert_close(method.means["all"].norm(dim=1), torch.ones(4).double())
