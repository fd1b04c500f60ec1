"""Anybody's arrays: what fits becomes a stream, what does not is told in a sentence."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examine
from hypothesis import strategies as st

from forgetless.data import Pixels, stream_from_arrays
from forgetless.errors import DataError, SettingsError


def images(count: int, *shape: int, kind: type = np.uint8) -> np.ndarray:
    return np.random.RandomState(count).randint(0, 256, (count, *(shape or (4, 4)))).astype(kind)


def labels(count: int, classes: int = 4) -> np.ndarray:
    return np.arange(count) % classes


@pytest.mark.parametrize("wrap", [np.array, torch.from_numpy, lambda a: a.tolist() if a.ndim == 1 else a])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_images_in_bytes_become_a_stream(wrap, shape):
    x, y = images(24, *shape), labels(24)
    stream = stream_from_arrays(wrap(x), wrap(y), (wrap(x[:8]), wrap(y[:8])))
    assert stream.input_shape == ((*shape, 1)[2], 4, 5)
    assert [layout.classes for layout in stream.layouts] == [(0, 1), (2, 3)]
    train = stream.trains[0]()
    assert np.array_equal(train.x.numpy().reshape(-1, *shape), x[y < 2])
    assert train.y.tolist() == y[y < 2].tolist()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_float_features_are_taken_as_they_are(kind):
    x = np.random.RandomState(0).randn(12, 7).astype(kind)
    stream = stream_from_arrays(x, labels(12), (x, labels(12)))
    assert stream.input_shape == (7,)
    inputs, _ = next(stream.tests[0].batches(100))
    assert inputs.dtype == torch.float32
    torch.testing.assert_close(inputs, torch.from_numpy(x[labels(12) < 2].astype(np.float32)))


def test_bytes_are_normalised_by_the_training_images_own_mean_and_deviation():
    x = images(40, 6, 6, 3)
    stream = stream_from_arrays(x, labels(40), (x[:8], labels(8)))
    pixels = stream.tests[0].pixels
    assert pixels.mean == tuple(round(v, 4) for v in (x / 255).mean((0, 1, 2)).tolist())
    assert pixels.std == tuple(round(v, 4) for v in (x / 255).std((0, 1, 2)).tolist())
    given = stream_from_arrays(
        x, labels(40), (x[:8], labels(8)), mean=(0.5,) * 3, std=(0.1,) * 3, crop=2, flip=True
    )
    assert given.tests[0].pixels == Pixels((0.5,) * 3, (0.1,) * 3, 2, True)


def test_images_of_one_colour_can_be_normalised():
    x = np.full((8, 3, 3), 7, np.uint8)
    stream = stream_from_arrays(x, labels(8), (x, labels(8)))
    assert stream.tests[0].inputs(slice(None)).isfinite().all()


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([7, 900, 3], ("3", "7", "900")),
        ([-1, 0, 2.5], ("-1", "0", "2.5")),
        (["item 10", "item 2", "Item 1"], ("Item 1", "item 2", "item 10")),
        ([("a", 1), ("a", 2)], ("('a', 1)", "('a', 2)")),
        ([False, True], ("False", "True")),
        ([5, "five"], ("5", "five")),
        ([b"x", frozenset({1})], ("b'x'", "frozenset({1})")),
    ],
)
def test_labels_of_any_kind_become_names_in_natural_order(named, expected):
    y = [named[i % len(named)] for i in range(12)]
    stream = stream_from_arrays(images(12), y, (images(12), y))
    assert stream.class_names == expected
    joined = {}
    for train in (make() for make in stream.trains):
        for image, label in zip(train.x, train.y, strict=True):
            joined[image.numpy().tobytes()] = stream.class_names[label]
    assert joined == {image.tobytes(): str(label) for image, label in zip(images(12), y, strict=True)}


def test_numpy_strings_are_labels():
    y = np.array(["b", "a"] * 4)
    assert stream_from_arrays(images(8), y, (images(8), y)).class_names == ("a", "b")


def test_options_reach_the_stream():
    x, y = images(40), labels(40)
    stream = stream_from_arrays(
        x, y, (x, y), tasks=3, base=2, scenario="task", name="mine", order="3,2,1,0", limit=8, validation=0.25
    )
    assert (stream.name, stream.scenario) == ("mine", "task")
    assert [layout.classes for layout in stream.layouts] == [(0, 1), (2,), (3,)]
    assert stream.class_names == ("3", "2", "1", "0")
    assert [len(train()) for train in stream.trains] == [12, 6, 6]
    assert [len(part) for part in stream.validations] == [4, 2, 2]
    seeded = [
        stream_from_arrays(x, y, (x, y), order="seeded", seed=seed).class_names for seed in (0, 0, 1, 2, 3)
    ]
    assert seeded[0] == seeded[1]
    assert len(set(seeded)) > 1


def test_the_fingerprint_is_that_of_the_content():
    x, y = images(16), labels(16)
    same = [stream_from_arrays(x.copy(), y, (x, y)).fingerprint for _ in range(2)]
    assert same[0] == same[1]
    other = x.copy()
    other[3, 2, 1] ^= 1
    assert stream_from_arrays(other, y, (x, y)).fingerprint != same[0]
    assert stream_from_arrays(x, y, (other, y)).fingerprint != same[0]
    assert stream_from_arrays(x, np.roll(y, 1), (x, y)).fingerprint != same[0]


def test_the_arrays_given_are_left_alone_and_not_shared():
    x, y = images(16), labels(16)
    stream = stream_from_arrays(x, y, (x, y))
    before = stream.trains[0]().x.clone()
    x[:] = 0
    assert torch.equal(stream.trains[0]().x, before)


GOOD, NAMES = images(8), labels(8)
FEATURES = np.zeros((8, 3))


@pytest.mark.parametrize(
    ("x", "y", "tests", "told"),
    [
        (GOOD, NAMES[:7], (GOOD, NAMES), "8 training examples but 7 labels"),
        (GOOD, NAMES, (GOOD, [*NAMES, 1]), "8 test examples but 9 labels"),
        (GOOD[:0], NAMES[:0], (GOOD, NAMES), r"no training examples: the array is \(0, 4, 4\) of uint8"),
        (GOOD, NAMES, ([], []), "no test examples"),
        (np.uint8(3), NAMES, (GOOD, NAMES), "no training examples|are \\(\\) of uint8"),
        (GOOD, NAMES, (GOOD, [*NAMES[:7], 9]), "test labels have '9', of which there is no training example"),
        (GOOD, NAMES, (GOOD[:3], NAMES[:3]), "class '3' has no test images"),
        (GOOD.astype(int), NAMES, (GOOD, NAMES), "of type torch.int64; give images as uint8"),
        (GOOD > 3, NAMES, (GOOD, NAMES), "of type torch.bool"),
        (GOOD.reshape(8, 16), NAMES, (GOOD, NAMES), r"are \(8, 16\) of uint8; bytes are images"),
        (images(8, 4, 4, 2), NAMES, (GOOD, NAMES), r"\(N, H, W, 1 or 3\)"),
        (GOOD, NAMES, (images(8, 5, 5), NAMES), r"\(8, 4, 4, 1\) of uint8 and test examples \(8, 5, 5, 1\)"),
        (FEATURES, NAMES, (GOOD, NAMES), "must be of one kind"),
        (FEATURES[:, 0], NAMES, (FEATURES[:, 0], NAMES), "at least two dimensions"),
        (FEATURES + np.nan, NAMES, (FEATURES, NAMES), "8 of 8 training examples hold NaN, infinity"),
        (FEATURES, NAMES, (np.where(np.eye(8, 3), np.inf, 0), NAMES), "3 of 8 test examples hold NaN, infinity"),
        (FEATURES + 1e300, NAMES, (FEATURES, NAMES), "numbers too large"),
        (["a"] * 8, NAMES, (GOOD, NAMES), "no array of numbers"),
        ([[1], [1, 2]], NAMES[:2], (GOOD, NAMES), "no array of numbers"),
        (GOOD, [None, *NAMES[1:]], (GOOD, NAMES), "None is among the training labels"),
        (GOOD, [float("nan"), *NAMES[1:]], (GOOD, NAMES), "nan is among the training labels"),
        (GOOD, [[1], *NAMES[1:]], (GOOD, NAMES), r"\[1\] is among the training labels"),
        (GOOD, [1, "1"] * 4, (GOOD, NAMES), "all called '1'"),
        (GOOD, NAMES, (GOOD, [*NAMES[:7], np.zeros(2)]), "among the test labels"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(x, y, tests, told):
    with pytest.raises(DataError, match=told):
        stream_from_arrays(x, y, tests)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tasks": 5}, "5 tasks were asked for, but there are 4 classes"),
        ({"tasks": 0}, "at least one task"),
        ({"tasks": 3, "scenario": "domain"}, "tasks of 2, 1, 1"),
        ({"scenario": "online"}, "It has: class, task, domain"),
        ({"order": "0,1,2"}, "lacks 3"),
        ({"validation": 0.1}, "both parts need one"),
        ({"validation": 2.0}, "validation is a share"),
        ({"limit": 0}, "limit"),
        ({"mean": (0.1, 0.2)}, "mean needs one value"),
        ({"std": (0.0,)}, "above zero"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, told):
    with pytest.raises((SettingsError, DataError), match=told):
        stream_from_arrays(GOOD, NAMES, (GOOD, NAMES), **options)


ANY_LABEL = st.one_of(
    st.integers(-2, 2), st.text("-012", max_size=2), st.booleans(), st.tuples(st.integers(0, 2))
)


@examine(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(ANY_LABEL, min_size=1, max_size=12))
def test_any_labels_come_out_as_names_that_are_known(y):
    x = images(len(y))
    if len({str(label) for label in set(y)}) < len(set(y)):
        with pytest.raises(DataError, match="are all called"):
            stream_from_arrays(x, y, (x, y), tasks=1)
        return
    stream = stream_from_arrays(x, y, (x, y), tasks=1)
    split = stream.tests[0]
    assert [stream.class_names[label] for label in split.y] == [
        str(next(k for k in y if k == label)) for label in y
    ]
