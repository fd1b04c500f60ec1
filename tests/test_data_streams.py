"""Streams are what their names say: partitions of their data, in the order and under the labels promised."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import make_source
from hypothesis import given
from hypothesis import settings as examine
from hypothesis import strategies as st

from forgetless.data import Pixels, Source, build_stream, load_source
from forgetless.data.changes import (
    Misread,
    Permute,
    Rotate,
    article_permutations,
    gpm_permutations,
    permutations,
    rotations,
)
from forgetless.data.cifar import read_names
from forgetless.data.cut import changed_cuts, compile_stream, hold_out, share_out, split_cuts, superclass_cuts
from forgetless.data.orders import class_order, shuffled
from forgetless.errors import DataError, SettingsError
from forgetless.randomness import generator
from forgetless.settings.catalog import STREAMS, find_stream
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings

quick = examine(derandomize=True, deadline=None, max_examples=60)
PINNED = json.loads((Path(__file__).parent / "stream_fingerprints.json").read_text())


# orders and permutations


def test_the_article_permutations_are_its_own():
    orders = [change.order for change in article_permutations(10)]
    assert orders[0][:8] == (626, 394, 417, 743, 40, 329, 659, 189)
    assert orders[1][:8] == (567, 67, 69, 425, 213, 722, 355, 440)
    assert orders[2][:8] == (22, 586, 777, 163, 496, 402, 365, 351)
    joined = b"".join(np.array(order, "<u2").tobytes() for order in orders)
    assert (
        hashlib.sha256(joined).hexdigest()
        == "3bf83d8997ed05b3aac0be0e9fde72c2a1cc7c3cf56c995dbbb180e4a3d7f9b1"
    )


def test_the_permutations_of_gpm_and_wsn_are_their_own():
    assert shuffled(np.random.RandomState(1), 10) == (2, 9, 6, 4, 0, 3, 1, 7, 8, 5)
    assert shuffled(np.random.RandomState(0), 784)[:8] == (693, 85, 647, 392, 765, 14, 299, 711)
    drawn = gpm_permutations(10, 1)
    assert drawn[4].order == shuffled(np.random.RandomState(4), 784), "id 0 in place 4"
    for place, name in enumerate((2, 9, 6, 4, 0, 3, 1, 7, 8, 5)):
        order = np.arange(784)
        np.random.RandomState(100 * name + place).shuffle(order)
        assert drawn[place].order == tuple(order)
    assert len({change.order for change in drawn}) == 10
    assert tuple(range(784)) not in {change.order for change in drawn}, "the first task is permuted too"
    assert gpm_permutations(10, 2)[0] != drawn[0]
    assert gpm_permutations(3, 1) != drawn[:3], "three ids are shuffled, not ten"
    with pytest.raises(SettingsError, match=r"seeds below 2\^32"):
        gpm_permutations(10, 2**32)


def test_both_orders_of_1993():
    assert class_order("1993", 100, 0)[:7] == (68, 56, 78, 8, 23, 84, 90)
    assert class_order("icarl", 100, 0)[:10] == (87, 0, 52, 58, 44, 91, 68, 97, 51, 15)


@quick
@given(st.sampled_from(["natural", "seeded", "1993"]), st.integers(1, 200), st.integers(0, 2**31))
def test_every_order_names_each_class_once(name, classes, seed):
    assert sorted(class_order(name, classes, seed)) == list(range(classes))


def test_the_seeded_order_is_that_of_the_seed():
    assert class_order("seeded", 50, 1) == class_order("seeded", 50, 1)
    assert class_order("seeded", 50, 1) != class_order("seeded", 50, 2)
    assert class_order("1993", 50, 1) == class_order("1993", 50, 2)


def test_an_order_can_be_listed():
    assert class_order("2,0, 1", 3, 0) == (2, 0, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0,1", "lacks 2"),
        ("0,1,1", "lacks 2 and repeats or invents 1"),
        ("0,1,2,3", "repeats or invents 3"),
        ("-1,0,1", "repeats or invents -1"),
        ("alphabetical", "'alphabetical' is no class order"),
        ("", "no class order"),
        ("0;1;2", "no class order"),
    ],
)
def test_a_list_that_is_no_permutation_is_refused(text, told):
    with pytest.raises(SettingsError, match=told):
        class_order(text, 3, 0)


def test_icarls_order_is_for_a_hundred_classes():
    with pytest.raises(SettingsError, match="here are 10"):
        class_order("icarl", 10, 0)


def test_permutations_are_of_the_runs_seed_and_begin_with_the_identity():
    changes = permutations(64, 4, 7)
    assert changes[0] is None
    for task, change in enumerate(changes[1:], 1):
        assert list(change.order) == torch.randperm(64, generator=generator(7, "permutation", task)).tolist()
    assert changes[:2] == permutations(64, 2, 7)
    assert changes[1] != permutations(64, 2, 8)[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_permutation_moves_whole_pixels(channels):
    x = torch.randint(0, 256, (5, 4, 3, channels), dtype=torch.uint8)
    order = tuple(torch.randperm(12).tolist())
    found = Permute(order)(x)
    assert torch.equal(found.reshape(5, 12, channels), x.reshape(5, 12, channels)[:, list(order)])


def test_a_quarter_turn_is_exact():
    x = torch.randint(0, 256, (20, 9, 9, 2), dtype=torch.uint8)
    assert torch.equal(Rotate(0.0)(x), x)
    assert torch.equal(Rotate(90.0)(x), x.rot90(1, (1, 2)))


@pytest.mark.parametrize("degrees", [10.0, 33.3, 45.0, 80.0])
def test_a_rotation_is_the_bilinear_one_to_a_rounding(degrees):
    x = torch.randint(0, 256, (3, 8, 8, 1), dtype=torch.uint8)
    found = Rotate(degrees)(x)
    angle, middle = np.deg2rad(degrees), 3.5
    for row in range(8):
        for column in range(8):
            r = np.cos(angle) * (row - middle) + np.sin(angle) * (column - middle) + middle
            c = -np.sin(angle) * (row - middle) + np.cos(angle) * (column - middle) + middle
            value = np.zeros(3)
            for i in (int(np.floor(r)), int(np.floor(r)) + 1):
                for j in (int(np.floor(c)), int(np.floor(c)) + 1):
                    if 0 <= i < 8 and 0 <= j < 8:
                        value += (1 - abs(r - i)) * (1 - abs(c - j)) * x[:, i, j, 0].double().numpy()
            assert np.abs(found[:, row, column, 0].double().numpy() - value).max() < 0.55


def test_a_misread_image_has_its_planes_cut_up_as_if_they_were_pixels():
    x = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    stored = x.permute(0, 3, 1, 2).reshape(4, 3072)  # as CIFAR's files have it: red, green, blue
    found = Misread()(x)
    assert found.shape == x.shape
    for row, column, channel in ((0, 0, 0), (0, 0, 2), (3, 7, 1), (31, 31, 2)):
        assert torch.equal(found[:, row, column, channel], stored[:, 96 * row + 3 * column + channel])
    grey = x[..., :1]
    assert torch.equal(Misread()(grey), grey)


def test_rotations_are_spread_evenly_from_nothing_to_a_quarter():
    assert [change.degrees if change else 0 for change in rotations(10)] == [10 * i for i in range(10)]
    assert [change.degrees if change else 0 for change in rotations(4)] == [0, 30, 60, 90]
    assert rotations(1) == [None]


# cutting


@quick
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 30))
def test_classes_are_shared_out_evenly_or_refused(classes, parts, base):
    tasks = parts + bool(base)
    if classes - base < parts:
        with pytest.raises(SettingsError, match="every task needs at least one"):
            share_out(classes, tasks, base)
        return
    sizes = share_out(classes, tasks, base)
    assert len(sizes) == tasks
    assert sum(sizes) == classes
    rest = sizes[1:] if base else sizes
    assert max(rest) - min(rest) <= 1
    assert rest == sorted(rest, reverse=True)
    assert not base or sizes[0] == base


def pairs(x: torch.Tensor, y: torch.Tensor) -> list[tuple[bytes, int]]:
    return [(image.numpy().tobytes(), int(label)) for image, label in zip(x, y, strict=True)]


def make(source: Source, cuts, scenario, limit=None, validation=0.0):
    return compile_stream("made", 1, source, cuts, scenario, Pixels(), hold_out(source, limit, validation))


@quick
@given(
    st.integers(2, 7),
    st.data(),
    st.sampled_from(["task", "class"]),
    st.sampled_from([0.0, 0.25]),
    st.integers(0, 9),
)
def test_splits_partition_the_data_under_labels_in_order_of_arrival(classes, data, scenario, share, seed):
    tasks = data.draw(st.integers(1, classes))
    order = data.draw(st.permutations(range(classes)))
    source = make_source(classes, images=8, tests=2, seed=seed)
    stream = make(source, split_cuts(order, share_out(classes, tasks), scenario), scenario, validation=share)
    trains = [train() for train in stream.trains]
    for parts, x, y in (
        (trains + list(stream.validations), source.train_x, source.train_y),
        (stream.tests, source.test_x, source.test_y),
    ):
        found = sorted((order[int(label)], image) for part in parts for image, label in pairs(part.x, part.y))
        assert found == sorted(
            (int(label), image.numpy().tobytes()) for image, label in zip(x, y, strict=True)
        )
    seen: list[int] = []
    for layout, train, test in zip(stream.layouts, trains, stream.tests, strict=True):
        assert set(train.y.tolist()) == set(test.y.tolist()) == set(layout.classes)
        seen += layout.classes
        assert seen == list(range(len(seen)))
    assert [stream.class_names[label] for label in range(classes)] == [
        source.class_names[label] for label in order
    ]


def test_stored_order_is_kept_within_a_task():
    source = make_source(4, images=6)
    stream = make(source, split_cuts(range(4), [2, 2], "class"), "class")
    rows = (source.train_y < 2).nonzero().flatten()
    assert torch.equal(stream.trains[0]().x, source.train_x[rows])


def test_in_the_domain_scenario_a_label_is_the_place_within_the_task():
    source = make_source(6)
    stream = make(source, split_cuts((5, 0, 3, 1, 2, 4), [2, 2, 2], "domain"), "domain")
    for task, pair in enumerate([(5, 0), (3, 1), (2, 4)]):
        train = stream.trains[task]()
        for place, label in enumerate(pair):
            assert torch.equal(train.x[train.y == place], source.train_x[source.train_y == label])
    assert [layout.classes for layout in stream.layouts] == [(0, 1)] * 3
    assert stream.class_names == ("class 5/class 3/class 2", "class 0/class 1/class 4")


def test_superclasses_arrive_in_order_and_their_classes_by_number():
    source = replace(make_source(6), groups=(1, 0, 2, 1, 0, 2))
    stream = make(source, superclass_cuts((2, 0), source.groups), "task")
    assert [layout.classes for layout in stream.layouts] == [(0, 1), (2, 3)]
    assert stream.class_names == ("class 2", "class 5", "class 1", "class 4")
    for task, pair in enumerate([(2, 5), (1, 4)]):
        for place, label in enumerate(pair):
            for split, x, y in (
                (stream.trains[task](), source.train_x, source.train_y),
                (stream.tests[task], source.test_x, source.test_y),
            ):
                assert torch.equal(split.x[split.y == 2 * task + place], x[y == label])
                assert len(split) == 2 * int((y == label).sum())


def test_the_domain_scenario_refuses_tasks_of_different_sizes():
    with pytest.raises(SettingsError, match=r"7 classes make tasks of 3, 2, 2\. Ask for"):
        split_cuts(range(7), share_out(7, 3), "domain")


def test_a_changed_stream_shares_its_labels_or_has_them_anew():
    source = make_source(3)
    changes = permutations(64, 3, 0)
    shared = make(source, changed_cuts(3, changes, "domain"), "domain")
    assert [layout.classes for layout in shared.layouts] == [(0, 1, 2)] * 3
    assert shared.class_names == source.class_names
    own = make(source, changed_cuts(3, changes, "task"), "task")
    assert [layout.classes for layout in own.layouts] == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    assert own.class_names[4] == "class 1 of task 2"
    for task, change in enumerate(changes):
        expected = change(source.train_x) if change else source.train_x
        for stream, first in ((shared, 0), (own, 3 * task)):
            train = stream.trains[task]()
            assert torch.equal(train.x, expected)
            assert torch.equal(train.y, source.train_y + first)


def test_training_data_are_made_when_asked_for(monkeypatch):
    made = []
    monkeypatch.setattr(Permute, "__call__", lambda self, x: made.append(len(x)) or x)
    source = make_source(3, images=5, tests=2)
    stream = make(source, changed_cuts(3, permutations(64, 3, 0), "domain"), "domain")
    assert made == [6, 6]
    task = stream.task(2)
    assert made == [6, 6]
    assert len(task.train) == 15
    assert made == [6, 6, 15]
    assert task.train is task.train


# what settings decide


@quick
@given(st.integers(2, 40), st.one_of(st.none(), st.integers(1, 40)), st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_validation_is_disjoint_per_class_and_within_the_limit(images, limit, share):
    source = make_source(3, images=images, tests=1)
    kept = min(images, limit or images)
    count = round(share * kept)
    if share and not 0 < count < kept:
        with pytest.raises(DataError, match="both parts need one"):
            hold_out(source, limit, share)
        return
    held = hold_out(source, limit, share)
    rows = held.train.tolist() + held.validation.tolist()
    assert sorted(rows) == list(range(3 * kept))  # the first of each class, which are stored in turns
    assert source.train_y[held.validation].bincount(minlength=3).tolist() == [count] * 3
    assert torch.equal(held.train, held.train.sort().values)


@quick
@given(st.integers(2, 40), st.one_of(st.none(), st.integers(2, 40)), st.sampled_from([0.0, 0.1, 0.25]))
def test_the_first_images_of_all_can_be_held_out(images, limit, share):
    source = make_source(3, images=images, tests=1)
    kept = 3 * min(images, limit or images)
    held = hold_out(source, limit, share, "first")
    assert held.validation.tolist() == list(range(round(share * kept)))
    assert held.train.tolist() == list(range(round(share * kept), kept))


def test_holding_out_the_first_leaves_every_class_some_images():
    source = make_source(3, images=4)
    order = source.train_y.argsort()  # class after class, so that the first quarter is all of one
    sorted_source = replace(source, train_x=source.train_x[order], train_y=source.train_y[order])
    with pytest.raises(DataError, match=r"0\.5 of the class 'class 0' .* it has 4 training images"):
        hold_out(sorted_source, None, 0.5, "first")
    assert len(hold_out(sorted_source, None, 0.25, "first").validation) == 3


def test_a_class_with_too_few_images_for_validation_is_named():
    with pytest.raises(DataError, match=r"class 'class 0' for validation.* it has 3 training images"):
        hold_out(make_source(2, images=3), None, 0.1)


def test_a_class_without_images_is_named():
    source = make_source(3)
    rows = source.train_y != 1
    bare = Source(
        source.train_x[rows], source.train_y[rows], source.test_x, source.test_y, source.class_names, ""
    )
    with pytest.raises(DataError, match="class 'class 1' has no training images"):
        hold_out(bare, None, 0)
    rows = source.test_y != 2
    bare = Source(
        source.train_x, source.train_y, source.test_x[rows], source.test_y[rows], source.class_names, ""
    )
    with pytest.raises(DataError, match="class 'class 2' has no test images"):
        hold_out(bare, None, 0)


def test_limit_and_validation_reach_the_stream(settings):
    stream = build_stream(settings(limit=20, validation=0.25))
    assert [len(train()) for train in stream.trains] == [30] * 5
    assert [len(part) for part in stream.validations] == [10] * 5
    assert sum(map(len, stream.tests)) == 445
    assert build_stream(settings()).validations == ()


def test_later_tasks_can_have_less_to_learn_from(settings):
    plain, few = build_stream(settings(limit=20)), build_stream(settings(limit=20, later_limit=3))
    assert [len(train()) for train in few.trains] == [40, 6, 6, 6, 6]
    assert [len(part) for part in few.tests] == [len(part) for part in plain.tests]
    for whole, part in zip(plain.trains[1:], few.trains[1:], strict=True):
        for label in part().y.unique():
            mine, first = part().x[part().y == label], whole().x[whole().y == label][:3]
            assert torch.equal(mine, first), "the first of each class, as with the limit for all"
    assert few.fingerprint != plain.fingerprint
    assert build_stream(settings(limit=20, later_limit=20)).fingerprint == plain.fingerprint
    held = build_stream(settings(limit=20, later_limit=3, validation=0.25))
    assert [len(train()) for train in held.trains] == [30, 6, 6, 6, 6]
    assert [len(part) for part in held.validations] == [10] * 5, "what is held out is not what is left out"
    with pytest.raises(SettingsError, match="later_limit is the most"):
        build_stream(settings(later_limit=0))


def test_later_tasks_can_have_more_to_learn_from(settings):
    few, all_more = build_stream(settings(limit=20)), build_stream(settings(limit=50))
    more = build_stream(settings(limit=20, later_limit=50))
    assert [len(train()) for train in more.trains] == [40, 100, 100, 100, 100]
    assert torch.equal(more.trains[0]().x, few.trains[0]().x)
    for mine, theirs in zip(more.trains[1:], all_more.trains[1:], strict=True):
        assert torch.equal(mine().x, theirs().x), "the same images as with that limit for all"
    assert len({stream.fingerprint for stream in (few, all_more, more)}) == 3
    held = build_stream(settings(limit=20, later_limit=50, validation=0.25))
    assert [len(train()) for train in held.trains] == [30, 90, 90, 90, 90], "of 50, without the 5 held out"
    assert [len(part) for part in held.validations] == [10] * 5


def test_padding_is_a_border_of_zero_bytes(settings):
    plain, padded = build_stream(settings()), build_stream(settings(padding=3))
    assert padded.input_shape == (1, 14, 14)
    x = padded.trains[1]().x
    assert torch.equal(x[:, 3:-3, 3:-3], plain.trains[1]().x)
    assert x.long().sum() == plain.trains[1]().x.long().sum()


def test_permutations_of_padded_images_are_of_all_their_pixels(settings):
    stream = build_stream(settings(stream="permuted-digits", scenario="domain", padding=1))
    assert stream.input_shape == (1, 10, 10)
    border = stream.trains[1]().x.double().mean(0)[..., 0]
    assert border[0].sum() + border[-1].sum() > 0


def test_normalisation_is_the_sets_own_unless_given(settings):
    assert build_stream(settings()).tests[0].pixels == Pixels((0.3053,), (0.376,))
    assert build_stream(settings(mean=(0.1,), std=(0.2752,))).tests[0].pixels == Pixels((0.1,), (0.2752,))


def test_augmentation_is_the_streams_own_unless_switched_off(needs):
    root = needs("cifar10-subset")
    made = Settings("finetune", "split-cifar10-subset", "class", limit=2)
    pixels = build_stream(made, root).tests[0].pixels
    assert (pixels.crop, pixels.flip) == (4, True)
    pixels = (
        build_stream(Settings("finetune", "split-cifar10-subset", "class", limit=2, augment=False), root)
        .tests[0]
        .pixels
    )
    assert (pixels.crop, pixels.flip) == (0, False)


def test_class_order_and_suffix_reach_the_stream(settings):
    stream = build_stream(settings(stream="split-digits/B4-3", class_order="9,8,7,6,5,4,3,2,1,0"))
    assert [layout.classes for layout in stream.layouts] == [(0, 1, 2, 3), (4, 5), (6, 7), (8, 9)]
    assert stream.class_names == tuple("9876543210")
    digits = load_source("digits")
    assert torch.equal(stream.trains[1]().x, digits.train_x[(digits.train_y == 5) | (digits.train_y == 4)])


def test_the_articles_stream_is_its_own_prefix(needs):
    root = needs("mnist")
    whole, three = (
        build_stream(Settings("finetune", f"permuted-mnist-article{suffix}", "domain", seed=seed), root)
        for suffix, seed in (("", 5), ("/3", 0))
    )
    assert (len(whole), len(three)) == (10, 3)
    source = load_source("mnist", root)
    for task, order in enumerate(article_permutations(3)):
        assert torch.equal(whole.trains[task]().x, three.trains[task]().x)
        assert torch.equal(
            three.trains[task]().x[:100].reshape(100, 784),
            source.train_x[:100].reshape(100, 784)[:, list(order.order)],
        )
    assert three.tests[0].inputs(slice(0, 10)).max() == 1.0
    assert three.tests[0].pixels == Pixels()


def published(name, root, **changes):
    return build_stream(resolve("finetune", name, changes), root)


def test_the_permuted_stream_of_gpm_holds_out_the_first_six_thousand(needs):
    root = needs("mnist")
    stream, source = published("permuted-mnist-gpm", root, seed=1), load_source("mnist", root)
    assert [len(part) for part in stream.validations] == [6000] * 10
    for task in (0, 4, 9):
        order = list(gpm_permutations(10, 1)[task].order)
        train, held, test = stream.trains[task](), stream.validations[task], stream.tests[task]
        assert (len(train), len(test)) == (54000, 10000)
        assert torch.equal(held.y, source.train_y[:6000] + 10 * task)
        assert torch.equal(train.y, source.train_y[6000:] + 10 * task)
        for split, x in ((held, source.train_x), (train, source.train_x[6000:]), (test, source.test_x)):
            assert torch.equal(split.x[:50].reshape(50, 784), x[:50].reshape(50, 784)[:, order])
    assert train.pixels == Pixels((0.1307,), (0.3081,))


def test_the_share_held_out_can_be_asked_for_and_is_in_the_fingerprint(needs):
    root = needs("mnist")
    asked = {
        None: {}, 0.1: {"validation": 0.1}, 0.2: {"validation": 0.2},
        0.0: {"validation": 0, "schedule": "constant", "keep": "last"},
    }  # fmt: skip
    streams = {
        share: published("permuted-mnist-gpm/2", root, seed=1, **given) for share, given in asked.items()
    }
    assert {share: len(stream.trains[1]()) for share, stream in streams.items()} == {
        None: 54000, 0.1: 54000, 0.2: 48000, 0.0: 60000,
    }  # fmt: skip
    assert len(streams[0.2].validations[0]) == 12000
    assert streams[0.0].validations == ()
    assert streams[None].fingerprint == streams[0.1].fingerprint
    assert len({stream.fingerprint for stream in streams.values()}) == 3
    assert published("permuted-mnist-gpm/2", root, seed=2).fingerprint != streams[None].fingerprint


@pytest.fixture(scope="module")
def superclasses(needs):
    return published("cifar100-superclasses", needs("cifar100"))


def test_the_superclasses_of_cifar100_are_its_own_in_their_order(superclasses, needs):
    root = needs("cifar100")
    source = load_source("cifar100", root)
    coarse = read_names((root / "cifar-100-python" / "meta").read_bytes(), "coarse_label_names", "meta")
    assert np.bincount(source.groups).tolist() == [5] * 20
    tasks = [superclasses.class_names[5 * task : 5 * task + 5] for task in range(20)]
    assert (coarse[0], tasks[0]) == ("aquatic_mammals", ("beaver", "dolphin", "otter", "seal", "whale"))
    assert (coarse[5], tasks[5][1]) == ("household_electrical_devices", "keyboard")
    assert (coarse[14], tasks[14]) == ("people", ("baby", "boy", "girl", "man", "woman"))
    assert (coarse[19], tasks[19][0]) == ("vehicles_2", "lawn_mower")
    assert sorted(name for names in tasks for name in names) == sorted(source.class_names)
    for task in (0, 19):
        for label in range(5):
            wanted = source.class_names.index(tasks[task][label])
            test = superclasses.tests[task]
            assert torch.equal(test.x[test.y == 5 * task + label], source.test_x[source.test_y == wanted])


def test_a_superclass_holds_out_25_images_of_each_of_its_classes(superclasses):
    assert [len(part) for part in superclasses.validations] == [125] * 20
    assert [len(part) for part in superclasses.tests] == [500] * 20
    train, held = superclasses.trains[7](), superclasses.validations[7]
    assert train.y.bincount(minlength=40)[35:].tolist() == [475] * 5
    assert held.y.bincount(minlength=40)[35:].tolist() == [25] * 5
    assert not set(pairs(train.x, train.y)) & set(pairs(held.x, held.y))
    assert train.pixels == Pixels((0.0,) * 3, (1.0,) * 3), "bytes / 255 and nothing else"


def test_superclasses_have_an_order_and_a_first_part(superclasses, needs):
    root = needs("cifar100")
    three = published("cifar100-superclasses/3", root)
    assert three.class_names == superclasses.class_names[:15]
    assert torch.equal(three.trains[2]().x, superclasses.trains[2]().x)
    order = ",".join(str(19 - place) for place in range(20))
    last = published("cifar100-superclasses/1", root, class_order=order)
    assert last.class_names == superclasses.class_names[95:]
    assert torch.equal(last.trains[0]().x, superclasses.trains[19]().x)


def test_the_misread_stream_is_the_same_with_its_pixels_out_of_place(superclasses, needs):
    misread = published("cifar100-superclasses-misread/2", needs("cifar100"))
    right, wrong = superclasses.trains[1](), misread.trains[1]()
    assert torch.equal(wrong.x, Misread()(right.x))
    assert torch.equal(wrong.y, right.y)
    assert torch.equal(misread.tests[0].x, Misread()(superclasses.tests[0].x))
    assert torch.equal(misread.validations[0].x, Misread()(superclasses.validations[0].x))


# fingerprints


def test_fingerprints_differ_where_the_data_do_and_only_there(settings):
    changes = [
        {}, {"limit": 30}, {"limit": 30, "validation": 0.1}, {"padding": 1}, {"mean": (0.5,)}, {"std": (0.5,)},
        {"class_order": "seeded"}, {"class_order": "seeded", "seed": 1}, {"class_order": "1993"},
        {"stream": "split-digits/2"}, {"stream": "split-digits/B4-3"}, {"scenario": "task"}, {"scenario": "domain"},
        {"stream": "permuted-digits", "scenario": "domain"},
        {"stream": "permuted-digits", "scenario": "domain", "seed": 1},
        {"stream": "permuted-digits/3", "scenario": "domain"},
        {"stream": "rotated-digits", "scenario": "domain"}, {"stream": "rotated-digits/3", "scenario": "domain"},
    ]  # fmt: skip
    prints = [build_stream(settings(**change)).fingerprint for change in changes]
    assert len(set(prints)) == len(changes)
    for same in ({"seed": 5}, {"method": "lwf"}, {"hidden": (7,)}, {"threads": 2}):
        assert build_stream(settings(**same)).fingerprint == prints[0]
    assert [build_stream(settings(**change)).fingerprint for change in changes] == prints


def combinations() -> list[tuple[str, str]]:
    return [
        (name, scenario)
        for name, entry in STREAMS.items()
        for scenario in entry.scenarios
        if name != "split-cifar10"  # test_data_sources has it, on made-up files
    ]


@pytest.mark.parametrize(("name", "scenario"), combinations())
def test_every_stream_of_the_catalog_builds_in_each_of_its_scenarios(name, scenario, request):
    entry = find_stream(name)
    root = None if entry.source == "digits" else request.getfixturevalue("needs")(entry.source)
    own = {"class_order": entry.class_order, "validation": entry.validation}
    stream = build_stream(Settings("finetune", name, scenario, **own), root)
    assert len(stream) == entry.tasks
    assert (stream.name, stream.version, stream.scenario) == (name, 1, scenario)
    train = stream.trains[-1]()
    assert train.x.dtype == torch.uint8
    assert len(stream.validations) == (entry.tasks if entry.validation else 0)
    assert set(train.y.tolist()) == set(stream.tests[-1].y.tolist()) == set(stream.layouts[-1].classes)
    assert len(stream.class_names) == max(stream.layouts[-1].seen) + 1
    x = train.inputs(slice(0, 64), torch.Generator().manual_seed(0))
    assert tuple(x.shape[1:]) == stream.input_shape
    assert x.isfinite().all()
    assert stream.fingerprint == PINNED[f"{name} {scenario}"], (
        "a change of a stream's data needs a new version"
    )


# refusals


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stream": "split-minst"}, r"no stream 'split-minst'\. Did you mean split-mnist\?"),
        ({"stream": "split-minst/5"}, r"Did you mean split-mnist\?"),
        ({"stream": "zzz"}, r"There are: split-digits, "),
        ({"stream": "split-digits/"}, "suffix '/'"),
        ({"stream": "split-digits/0"}, r"suffix '/0' of .* split-digits/3"),
        ({"stream": "split-digits/five"}, "suffix '/five'"),
        ({"stream": "split-digits/B0-3"}, "suffix '/B0-3'"),
        ({"stream": "split-digits/B4"}, "suffix '/B4'"),
        ({"stream": "split-digits/-1"}, "suffix '/-1'"),
        ({"stream": "split-digits/2/2"}, "suffix '/2/2'"),
        ({"stream": "permuted-digits/B4-3", "scenario": "task"}, "suffix '/B4-3'"),
        ({"stream": "split-digits/11"}, "11 tasks were asked for, but there are 10 classes"),
        ({"stream": "split-digits/B8-3"}, "4 tasks were asked for, the first of 8 classes"),
        ({"stream": "split-digits/B10-1"}, "the first of 10 classes"),
        ({"stream": "split-digits/3", "scenario": "domain"}, "make tasks of 4, 3, 3"),
        ({"stream": "permuted-digits"}, r"permuted-digits has no class scenario.* It has: domain, task\."),
        (
            {"stream": "permuted-digits", "scenario": "task", "class_order": "1993"},
            "no class order to choose",
        ),
        ({"stream": "permuted-mnist-article", "scenario": "task", "padding": 2}, "another benchmark"),
        (
            {"stream": "permuted-mnist-gpm", "scenario": "task", "padding": 2},
            "another benchmark.*permuted-mnist",
        ),
        ({"stream": "permuted-mnist-gpm", "scenario": "domain"}, "has no domain scenario"),
        ({"stream": "permuted-mnist-gpm", "scenario": "task", "seed": 2**32}, "seeds below"),
        ({"stream": "permuted-mnist-gpm/B2-3", "scenario": "task"}, "suffix '/B2-3'"),
        (
            {"stream": "permuted-mnist-gpm", "scenario": "task", "class_order": "1993"},
            "no class order to choose",
        ),
        ({"stream": "cifar100-superclasses", "scenario": "class"}, "has no class scenario"),
        ({"stream": "cifar100-superclasses/21", "scenario": "task"}, "there are 20 superclasses"),
        ({"stream": "cifar100-superclasses", "scenario": "task", "class_order": "icarl"}, "here are 20"),
        (
            {"stream": "cifar100-superclasses-misread", "scenario": "task", "padding": 1},
            "or use cifar100-superc",
        ),
        ({"class_order": "icarl"}, "here are 10"),
        ({"class_order": "1,2,3"}, "lacks 0, 4, 5, 6, 7 and others"),
        ({"limit": 0}, "limit .* at least 1, not 0"),
        ({"validation": 1.0}, "validation is a share"),
        ({"validation": -0.1}, "validation is a share"),
        ({"validation": 0.001}, "both parts need one"),
        ({"limit": 1, "validation": 0.5}, "both parts need one"),
        ({"padding": -1}, "padding"),
        ({"size": 0}, "size"),
        ({"mean": (0.1, 0.2)}, "mean needs one value or one for each of 1 channels; 2 were given"),
        ({"std": (0.0,)}, "above zero"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(settings, changes, told, request):
    own = [source for source in ("mnist", "cifar100") if f"{source}-" in changes.get("stream", "")]
    root = request.getfixturevalue("needs")(own[0]) if own else None
    with pytest.raises((SettingsError, DataError), match=told):
        build_stream(settings(**changes), root)


def test_the_first_tasks_alone_are_those_of_the_whole_stream():
    whole, first = (
        build_stream(Settings("finetune", "split-digits", "class", tasks=count)) for count in (None, 2)
    )
    assert (len(whole), len(first)) == (5, 2)
    for one, two in zip(whole.tasks, first.tasks, strict=False):
        assert torch.equal(one.train.x, two.train.x)
        assert one.classes == two.classes
    assert whole.fingerprint != first.fingerprint
    with pytest.raises(SettingsError, match="at least 1"):
        build_stream(Settings("finetune", "split-digits", "class", tasks=0))
    with pytest.raises(SettingsError, match="has 5 tasks; 6"):
        resolve("finetune", "split-digits", {"tasks": 6})
