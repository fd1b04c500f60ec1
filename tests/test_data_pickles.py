"""CIFAR's pickles are read; whatever else a pickle may ask for is refused before it happens."""

import pickle

import numpy as np
import pytest
from fabricated import Call, batch_pickle

from forgetless.data.pickles import read_pickle
from forgetless.errors import DataError


def test_a_batch_is_read_as_numpy_would():
    data = np.random.RandomState(0).randint(0, 256, (3, 3072)).astype(np.uint8)
    content = batch_pickle(data, b"fine_labels", [4, 0, 2])
    found = read_pickle(content, "train")
    assert np.array_equal(found["data"], data)
    assert found["fine_labels"] == [4, 0, 2]
    assert found["batch_label"] == b"testing batch 1 of 1"


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_refused_and_not_made(tmp_path, protocol):
    canary = tmp_path / "canary"
    content = pickle.dumps({"data": Call(canary.touch)}, protocol)
    pickle.loads(content)
    assert canary.exists(), "the attack works on an ordinary unpickler"
    canary.unlink()
    with pytest.raises(DataError, match=r"not one of the original CIFAR files.*Nothing in it was executed"):
        read_pickle(content, "train")
    assert not canary.exists()


@pytest.mark.parametrize(
    "hostile",
    [
        b"cos\nsystem\n(U\x04true" b"tR.",
        b"c__builtin__\neval\n(U\x011tR.",
        b"(i__builtin__\neval\n.",
        b"cforgetless.data.pickles\n_Reader\n.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"cnumpy\nndarray\n(K\x05tR.",
        b"cnumpy\ndtype\n(U\x01OtR.",
        b"cnumpy\ndtype\n}U\x08__call__K\x01sb.",
        b"\x80\x02P1\n.",
        b"\x80\x02U\x01xQ.",
        b"\x80\x02\x82\x01.",
        b"",
        b"<!DOCTYPE html>",
        b"\x80\x02]." ,
        b"\x80\x02}K\x01K\x02s.",
        b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    ],
)  # fmt: skip
def test_whatever_is_no_batch_is_refused_in_a_sentence(hostile):
    with pytest.raises(DataError, match="not one of the original CIFAR files"):
        read_pickle(hostile, "train")


def test_an_array_of_objects_or_of_another_length_is_refused():
    objects = pickle.dumps({"data": np.array([Call(print)], dtype=object)}, 2)
    with pytest.raises(DataError):
        read_pickle(objects, "train")
    content = batch_pickle(np.zeros((2, 300), np.uint8), b"labels", [0, 1])
    with pytest.raises(DataError, match="something other than bytes"):
        read_pickle(
            content.replace(b"M" + (2).to_bytes(2, "little"), b"M" + (3).to_bytes(2, "little"), 1), "train"
        )


def test_an_array_of_other_numbers_is_refused():
    content = batch_pickle(np.zeros((1, 3072), np.uint8), b"labels", [0])
    for other in (b"i1", b"f4", b"|O"):
        with pytest.raises(DataError, match="in place of bytes"):
            read_pickle(content.replace(b"U\x02u1", b"U\x02" + other), "train")


def test_the_refusal_says_what_was_asked_for():
    with pytest.raises(DataError, match=r"it asks for os\.system"):
        read_pickle(b"cos\nsystem\n(U\x04truetR.", "train")


def test_a_stand_in_cannot_be_altered_by_one_pickle_for_the_next():
    with pytest.raises(DataError):
        read_pickle(b"cnumpy.core.multiarray\n_reconstruct\nN}U\x08__code__K\x01s\x86b.", "train")
    data = np.zeros((1, 3072), np.uint8)
    assert np.array_equal(read_pickle(batch_pickle(data, b"labels", [1]), "x")["data"], data)
