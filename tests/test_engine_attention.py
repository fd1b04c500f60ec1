"""What a run records of where its method looks: of which images, of which class, and that it touches nothing."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from forgetless.attention import FILE, read_attention
from forgetless.checks.toys import PLAN, ignore
from forgetless.engine import Engine, Progress, capture, evaluate, record_attention
from forgetless.engine.attention import _spread
from forgetless.errors import StorageError
from forgetless.methods import METHODS
from forgetless.models import build_model, watched
from forgetless.run import run_settings
from forgetless.settings.recipe import Recipe


def made(name="finetune", model="lenet", shape=(1, 8, 8), **fields):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return METHODS[name](build_model(model, shape), **fields)


def learn(method, stream, index):
    Engine(Recipe(epochs=1, batch=16, lr=0.02), 0, PLAN).learn(
        method, stream.task(index), Progress(capture(method)), ignore
    )


def learned(folder, stream, method=None, tasks=None):
    """A method after some tasks, with what was recorded after each."""
    method = method or made()
    for index in range(tasks or len(stream)):
        learn(method, stream, index)
        record_attention(folder, method, stream, index, PLAN)
    return method


def test_images_are_the_first_of_each_class_then_the_second_of_each():
    labels = torch.tensor([1, 1, 0, 2, 0, 2, 1])
    assert _spread(labels, 128).tolist() == [2, 0, 3, 4, 1, 5, 6]
    assert _spread(labels, 4).tolist() == [2, 0, 3, 4]


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_maps_are_of_the_images_own_class_one_image_at_a_time(scenario, tiny_stream, tmp_path):
    stream = tiny_stream(scenario)
    method = learned(tmp_path, stream)
    seen = read_attention(tmp_path)
    assert seen.tasks == 3
    assert seen.names == stream.class_names
    assert sorted(set(seen.labels)) == [0, 1]
    test, rows = stream.tests[0], _spread(stream.tests[0].y, 128)
    assert np.array_equal(seen.images, test.x[rows].numpy())
    for place in (0, 5, 11):
        row = rows[place : place + 1]
        maps = method.model.backbone.maps(test.inputs(row)).detach().requires_grad_()
        score = method.model.head(method.model.backbone.pool(maps))[0, int(test.y[row])]
        gradient = torch.autograd.grad(score, maps)[0][0]
        expected = (gradient.mean((1, 2))[:, None, None] * maps[0].detach()).sum(0).relu()
        torch.testing.assert_close(torch.from_numpy(seen.maps[2][place]), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_answers_are_those_that_count(scenario, tiny_stream, tmp_path):
    stream = tiny_stream(scenario)
    method = learned(tmp_path, stream)
    counted = evaluate(method, stream, 2, PLAN)[0]
    labels = counted.aware if scenario == "task" else counted.agnostic
    rows = _spread(stream.tests[0].y, 128)
    assert read_attention(tmp_path).answers[2].tolist() == labels[rows].tolist()


def test_looking_changes_nothing_and_the_same_look_gives_the_same_bytes(tiny_stream, tmp_path):
    stream = tiny_stream("class")
    method = learned(tmp_path, stream)
    before, random = tiny.bits(method), torch.get_rng_state()
    content = (tmp_path / FILE).read_bytes()
    record_attention(tmp_path, method, stream, 2, PLAN)
    assert (tmp_path / FILE).read_bytes() == content
    assert tiny.same(before, tiny.bits(method))
    assert torch.equal(random, torch.get_rng_state())
    assert "maps" not in vars(method.model.backbone)
    assert not any(weight.requires_grad or weight.grad is not None for weight in method.parameters())


def test_a_task_learned_again_takes_the_place_of_what_was_there_and_of_what_came_after(tiny_stream, tmp_path):
    stream = tiny_stream("class")
    learned(tmp_path, stream)
    whole = read_attention(tmp_path)
    method = made()
    for index in range(2):
        learn(method, stream, index)
    record_attention(tmp_path, method, stream, 1, PLAN)
    again = read_attention(tmp_path)
    assert sorted(again.maps) == sorted(again.answers) == [0, 1]
    assert all(np.array_equal(again.maps[i], whole.maps[i]) for i in (0, 1))
    learn(method, stream, 2)
    record_attention(tmp_path, method, stream, 2, PLAN)
    assert all(np.array_equal(read_attention(tmp_path).maps[i], whole.maps[i]) for i in range(3))


@pytest.mark.parametrize(
    ("scenario", "model", "shape"),
    [("class", "mlp", (1, 8, 8)), ("domain", "lenet", (1, 8, 8)), ("class", "resnet18", (1, 8, 8))],
)
def test_nothing_is_written_where_there_is_nothing_to_see(scenario, model, shape, tiny_stream, tmp_path):
    stream = tiny_stream(scenario)
    method = made(model=model, shape=shape)
    method.model.grow(range(2))
    record_attention(tmp_path, method, stream, 0, PLAN)
    assert not (tmp_path / FILE).exists()
    assert read_attention(tmp_path) is None


def test_without_a_first_map_there_are_no_later_ones(tiny_stream, tmp_path):
    stream = tiny_stream("class")
    method = learned(tmp_path, stream, tasks=1)
    (tmp_path / FILE).write_bytes(b"not an archive")
    with pytest.raises(StorageError, match="is damaged"):
        read_attention(tmp_path)
    learn(method, stream, 1)
    record_attention(tmp_path, method, stream, 1, PLAN)
    assert (tmp_path / FILE).read_bytes() == b"not an archive"


def test_a_method_that_forgets_nothing_looks_where_it_looked(tiny_stream, tmp_path):
    """The maps are those of what answers, here of the first task's subnetwork."""
    stream = tiny_stream("task")
    learned(tmp_path, stream, made("wsn"))
    seen = read_attention(tmp_path)
    assert all(np.array_equal(seen.maps[0], seen.maps[i]) for i in (1, 2))
    assert seen.maps[0].any()
    learned(tmp_path, stream, made("finetune"))
    seen = read_attention(tmp_path)
    assert not np.array_equal(seen.maps[0], seen.maps[2])


def test_scores_of_a_watched_model_can_be_differentiated_by_its_maps_alone():
    model = build_model("lenet", (1, 8, 8))
    model.grow(range(3))
    x = torch.randn(2, 1, 8, 8)
    plain = model(x)
    with watched(model) as seen, torch.autocast("cpu", torch.bfloat16):
        model(x)
        assert seen[0].dtype == torch.float32
    with watched(model) as seen:
        scores = model(x)
    assert torch.equal(scores, plain)
    assert len(seen) == 1
    first = model.backbone.first.weight
    by_maps, by_first = torch.autograd.grad(scores.sum(), (seen[0], first), allow_unused=True)
    assert by_maps.any()
    assert by_first is None


def test_a_run_has_the_file_after_each_task_and_so_has_one_that_was_stopped(settings, tmp_path):
    chosen = settings(model="lenet", hidden=None)
    whole = run_settings(chosen, runs=tmp_path / "whole")
    content = (whole.path / FILE).read_bytes()
    assert read_attention(whole.path).tasks == 5

    class StoppedError(Exception):
        pass

    def stop_at_the_third(event):
        if type(event).__name__ == "TaskScored" and event.task == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_settings(chosen, runs=tmp_path / "again", listen=stop_at_the_third)
    assert read_attention(tmp_path / "again" / whole.path.name).tasks == 3
    again = run_settings(chosen, runs=tmp_path / "again")
    assert again.result["resumed"] == 1
    assert (again.path / FILE).read_bytes() == content


def test_nothing_is_recorded_where_an_images_score_depends_on_the_other_images(tiny_stream, tmp_path):
    stream = tiny_stream("task")
    method = made("wsn", "alexnet-small-bn", (1, 24, 24), bn="batch_stats")
    wide = replace(
        stream,
        trains=tuple(lambda make=make: _enlarged(make()) for make in stream.trains),
        tests=tuple(map(_enlarged, stream.tests)),
    )
    learned(tmp_path, wide, method, tasks=2)
    assert not (tmp_path / FILE).exists()
    learned(tmp_path, wide, made("wsn", "alexnet-small-bn", (1, 24, 24)), tasks=2)
    assert read_attention(tmp_path).tasks == 2


def _enlarged(split):
    return replace(split, x=split.x.repeat_interleave(3, 1).repeat_interleave(3, 2))
