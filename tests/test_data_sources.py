"""Data sets are read as they are published, and nothing damaged or missing passes for one."""

import gzip
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import fabricated
import numpy as np
import pytest
import torch

from forgetless.data import build_stream, load_source, published
from forgetless.data.cache import data_root as resolve_root
from forgetless.data.cifar import take_groups
from forgetless.data.digest import digest_of
from forgetless.data.idx import read_idx
from forgetless.data.published import PUBLISHED, File
from forgetless.data.unpack import gunzip
from forgetless.errors import DataError, SettingsError, StorageError
from forgetless.settings.catalog import STREAMS
from forgetless.settings.settings import Settings

SHAPES = {
    "digits": ((1352, 8, 8, 1), (445, 8, 8, 1), 10),
    "mnist": ((60000, 28, 28, 1), (10000, 28, 28, 1), 10),
    "fashion-mnist": ((60000, 28, 28, 1), (10000, 28, 28, 1), 10),
    "cifar10-subset": ((10000, 32, 32, 3), (2000, 32, 32, 3), 10),
    "cifar100": ((50000, 32, 32, 3), (10000, 32, 32, 3), 100),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_set_is_what_it_was_published_as(name, request):
    root = None if name == "digits" else request.getfixturevalue("needs")(name)
    source = load_source(name, root)
    train, test, classes = SHAPES[name]
    assert (tuple(source.train_x.shape), tuple(source.test_x.shape), len(source.class_names)) == (
        train,
        test,
        classes,
    )
    assert source.train_x.dtype == source.test_x.dtype == torch.uint8
    assert source.train_y.dtype == source.test_y.dtype == torch.int64
    assert source.train_x.is_contiguous()
    assert source.train_y.unique().tolist() == source.test_y.unique().tolist() == list(range(classes))
    assert len(source.fingerprint) == 64


def test_cifar100_has_its_classes_in_balance_and_its_colours_in_place(needs):
    source = load_source("cifar100", needs("cifar100"))
    assert source.train_y.bincount().tolist() == [500] * 100
    assert source.test_y.bincount().tolist() == [100] * 100
    assert source.class_names[:2] == ("apple", "aquarium_fish")
    assert source.class_names[99] == "worm"
    means = source.train_x[:5000].double().mean((0, 1, 2)) / 255
    torch.testing.assert_close(means, torch.tensor([0.5071, 0.4866, 0.4409]).double(), rtol=0, atol=0.01)


def test_the_subset_of_cifar10_is_in_balance(needs):
    source = load_source("cifar10-subset", needs("cifar10-subset"))
    assert source.train_y.bincount().tolist() == [1000] * 10
    assert source.test_y.bincount().tolist() == [200] * 10
    assert source.class_names[0] == "airplane"
    assert source.class_names[9] == "truck"


def test_mnist_begins_with_a_five_and_has_the_published_mean(needs):
    source = load_source("mnist", needs("mnist"))
    assert source.train_y[:5].tolist() == [5, 0, 4, 1, 9]
    assert source.test_y[:5].tolist() == [7, 2, 1, 0, 4]
    assert float(source.train_x.double().mean() / 255) == pytest.approx(0.1307, abs=5e-5)


def test_digits_are_scikit_learns_with_bytes_that_can_be_turned_back():
    from sklearn.datasets import load_digits

    stored = load_digits()
    source = load_source("digits")
    turned_back = [np.rint(x.double().numpy() * 16 / 255) for x in (source.train_x, source.test_x)]
    assert {int(v) for v in source.train_x.unique()} == {(255 * v + 8) // 16 for v in range(17)}
    place = np.array([(stored.target[:i] == label).sum() for i, label in enumerate(stored.target)])
    test = place % 4 == 3
    order = np.concatenate([np.flatnonzero(~test), np.flatnonzero(test)])
    assert np.array_equal(np.concatenate(turned_back)[..., 0], stored.images[order])
    assert np.array_equal(torch.cat([source.train_y, source.test_y]).numpy(), stored.target[order])


def test_digits_are_split_the_same_way_in_each_class():
    source = load_source("digits")
    train, test = source.train_y.bincount(), source.test_y.bincount()
    assert ((train + test) // 4 == test).all()
    assert source.fingerprint == "4bc80021bfe53edfdaed0f45882077773f2028f70f384cb1fef81bc2853919e5"


def test_digits_that_are_missing_or_altered_are_refused(tmp_path, monkeypatch):
    from importlib.machinery import ModuleSpec

    spec = ModuleSpec("sklearn", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    with pytest.raises(DataError, match=rf"there is no {tmp_path}.*Install scikit-learn"):
        load_source("digits")
    (tmp_path / "datasets" / "data").mkdir(parents=True)
    (tmp_path / "datasets" / "data" / "digits.csv.gz").write_bytes(gzip.compress(b"1," * 64 + b"1\n"))
    with pytest.raises(DataError, match="is not the file that scikit-learn comes with"):
        load_source("digits")


def test_an_unknown_set_is_refused_with_the_names_there_are():
    with pytest.raises(SettingsError, match=r"no data set 'minst'.*mnist"):
        load_source("minst")


# damaged and missing files


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A data root with a tiny set in MNIST's layout, pinned in MNIST's place; nothing to download it from."""

    def idx(array: np.ndarray) -> bytes:
        return (
            b"\x00\x00\x08"
            + bytes([array.ndim])
            + b"".join(n.to_bytes(4, "big") for n in array.shape)
            + array.tobytes()
        )

    draw = np.random.RandomState(0)
    arrays = [
        draw.randint(0, 256, (20, 4, 4)), np.arange(20) % 10, draw.randint(0, 256, (10, 4, 4)), np.arange(10),
    ]  # fmt: skip
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    files = []
    for file, array in zip(PUBLISHED["mnist"].files, arrays, strict=True):
        content = idx(array.astype(np.uint8))
        (folder / file.name).write_bytes(content)
        files.append(File(file.name, len(content), hashlib.sha256(content).hexdigest()))
    archives = tuple(
        replace(archive, addresses=("http://127.0.0.1:9/",)) for archive in PUBLISHED["mnist"].archives
    )
    monkeypatch.setitem(
        PUBLISHED, "mnist", replace(PUBLISHED["mnist"], files=tuple(files), archives=archives)
    )
    return tmp_path


def test_a_set_is_read_from_gz_files_without_writing(small_mnist):
    plain = load_source("mnist", small_mnist)
    for path in (small_mnist / "MNIST" / "raw").iterdir():
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    before = sorted(small_mnist.rglob("*"))
    packed = load_source("mnist", small_mnist)
    assert torch.equal(packed.train_x, plain.train_x)
    assert torch.equal(packed.test_y, plain.test_y)
    assert packed.fingerprint == plain.fingerprint
    assert sorted(small_mnist.rglob("*")) == before


@pytest.mark.parametrize("fault", ["bit", "short", "long", "empty", "page"])
def test_a_damaged_file_is_named_with_both_digests(small_mnist, fault):
    path = small_mnist / "MNIST/raw/train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    content[100] ^= 1
    damaged = {
        "bit": bytes(content), "short": bytes(content[:-1]), "long": bytes(content) + b"x", "empty": b"",
        "page": b"<!DOCTYPE html>",
    }[fault]  # fmt: skip
    path.write_bytes(damaged)
    with pytest.raises(DataError) as caught:
        load_source("mnist", small_mnist)
    for part in (str(path), expected, hashlib.sha256(damaged).hexdigest(), "Delete it"):
        assert part in str(caught.value)


def test_a_damaged_gz_is_named(small_mnist):
    path = small_mnist / "MNIST/raw/train-labels-idx1-ubyte"
    content = path.read_bytes()
    packed = path.with_name(path.name + ".gz")
    path.unlink()
    for damaged, told in (
        (gzip.compress(content)[:-9], "cannot be unpacked"),
        (b"<html>", "cannot be unpacked"),
        (gzip.compress(content + b"more"), "another train-labels-idx1-ubyte than was published"),
        (gzip.compress(bytes(1 << 24)), "another train-labels-idx1-ubyte than was published"),
    ):
        packed.write_bytes(damaged)
        with pytest.raises(DataError, match=told) as caught:
            load_source("mnist", small_mnist)
        assert str(packed) in str(caught.value)


def test_a_gz_that_is_a_bomb_does_not_fill_the_memory(tmp_path):
    import tracemalloc

    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(1 << 26)))
    tracemalloc.start()
    with pytest.raises(DataError, match="another x than was published"):
        gunzip(tmp_path / "x.gz", File("x", 1000, "0" * 64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22


def test_a_missing_set_is_described_so_that_it_can_be_put_there_by_hand(small_mnist):
    shutil.rmtree(small_mnist / "MNIST")
    with pytest.raises(DataError) as caught:
        load_source("mnist", small_mnist)
    said = str(caught.value)
    for file in PUBLISHED["mnist"].files:
        assert (
            f"{small_mnist / 'MNIST/raw' / file.name}  ({file.size:,} bytes, SHA-256 {file.digest})" in said
        )
    for archive in PUBLISHED["mnist"].archives:
        assert f"{small_mnist / archive.path}  ({archive.size:,} bytes, MD5 {archive.digest})" in said
    assert "http://127.0.0.1:9/" in said
    assert "--data or FORGETLESS_DATA" in said


def test_a_missing_set_that_nobody_offers_says_so(tmp_path):
    with pytest.raises(
        DataError, match=r"not offered for download; split-cifar10 uses the complete set"
    ) as caught:
        load_source("cifar10-subset", tmp_path)
    assert "train/0_airplane.webp" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_root_that_cannot_be_written_is_a_matter_of_storage(tmp_path):
    (tmp_path / "root").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="root"):
        load_source("mnist", tmp_path / "root")


def test_the_root_is_the_one_given_else_the_environments_else_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FORGETLESS_DATA", str(tmp_path / "named"))
    assert resolve_root(tmp_path) == tmp_path
    assert resolve_root() == tmp_path / "named"
    monkeypatch.delenv("FORGETLESS_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert resolve_root().parts[-2:] == ("forgetless", "data")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not an IDX file"),
        (b"\x00\x00\x08", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00", "not an IDX file"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x01", "not an IDX file"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x02\x07", "2,"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x01\x07\x07", "2 bytes follow"),
    ],
)
def test_what_is_no_idx_is_refused(content, told):
    with pytest.raises(DataError, match=told):
        read_idx(content, "labels")


def test_an_idx_array_has_the_shape_of_its_header():
    found = read_idx(b"\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03abcdef", "x")
    assert found.tolist() == [[97, 98, 99], [100, 101, 102]]


FINE = list(range(100)) * 2


def test_the_superclass_of_each_class_is_read_off_the_labels():
    found = {"fine_labels": FINE, "coarse_labels": [y % 20 for y in FINE]}
    assert take_groups(found, "test") == tuple(range(20)) * 5


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"fine_labels": FINE},
        {"fine_labels": FINE, "coarse_labels": 7},
        {"fine_labels": FINE, "coarse_labels": [0] * 199},
        {"fine_labels": FINE, "coarse_labels": [[]] * 200},
        {"fine_labels": FINE, "coarse_labels": [0] * 199 + [1]},
        {"fine_labels": FINE[:99], "coarse_labels": [0] * 99},
    ],
)
def test_labels_that_give_no_superclasses_are_refused(found):
    with pytest.raises(DataError, match="test is not of CIFAR-100: its 'coarse_labels'"):
        take_groups(found, "test")


# complete CIFAR-10, fabricated


@pytest.fixture
def small_cifar10(tmp_path, monkeypatch) -> tuple[Path, np.ndarray]:
    """A data root with CIFAR-10's files, one image of each class in each, and the table of digests of these."""
    table, pixels = fabricated.cifar10(tmp_path)
    monkeypatch.setitem(PUBLISHED, "cifar10", table)
    return tmp_path, pixels


def test_complete_cifar10_is_read_from_its_batches(small_cifar10):
    root, pixels = small_cifar10
    source = load_source("cifar10", root)
    images = torch.from_numpy(pixels.reshape(-1, 3, 32, 32)).permute(0, 2, 3, 1)
    assert torch.equal(torch.cat([source.train_x, source.test_x]), images)
    assert torch.cat([source.train_y, source.test_y]).tolist() == list(range(10)) * 6
    assert source.class_names == tuple("abcdefghij")
    assert len(source.test_y) == 10


@pytest.mark.parametrize("scenario", STREAMS["split-cifar10"].scenarios)
def test_the_stream_of_complete_cifar10_builds_in_each_of_its_scenarios(small_cifar10, scenario):
    stream = build_stream(Settings("finetune", "split-cifar10", scenario), small_cifar10[0])
    assert [len(train()) for train in stream.trains] == [10] * 5
    assert stream.input_shape == (3, 32, 32)
    assert set(stream.trains[4]().y.tolist()) == {0, 1} if scenario == "domain" else {8, 9}


def test_a_malicious_batch_is_refused_even_if_its_digest_matched(small_cifar10, monkeypatch, tmp_path):
    import pickle

    root = small_cifar10[0]
    canary = tmp_path / "canary"
    content = pickle.dumps({"data": fabricated.Call(canary.touch), "labels": [0]}, 2)
    (root / "cifar-10-batches-py" / "data_batch_3").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        load_source("cifar10", root)
    files = tuple(
        File(f.name, len(content), digest_of(content, f.digest)) if f.name == "data_batch_3" else f
        for f in PUBLISHED["cifar10"].files
    )
    monkeypatch.setitem(PUBLISHED, "cifar10", replace(PUBLISHED["cifar10"], files=files))
    with pytest.raises(DataError, match="data_batch_3 is not one of the original CIFAR files"):
        load_source("cifar10", root)
    assert not canary.exists()


def test_every_published_file_and_archive_has_a_digest_and_a_size():
    for name, published_set in published.PUBLISHED.items():
        for file in published_set.files:
            assert len(file.digest) in (32, 64), (name, file)
            assert int(file.digest, 16) >= 0
            assert file.size > 0
        offered = {held for archive in published_set.archives for held in archive.holds}
        assert offered in (set(), {file.name for file in published_set.files})
    md5 = {name for name, p in PUBLISHED.items() if any(len(file.digest) == 32 for file in p.files)}
    assert md5 == {"cifar10"}
