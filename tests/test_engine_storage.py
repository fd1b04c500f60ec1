"""Checkpoints that are whole or not there; clocks; what a first and a second Ctrl-C do."""

import json
import os
import signal
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from forgetless.checks.toys import Case
from forgetless.clock import Clock
from forgetless.engine import Checkpoint, Checkpoints, capture, hash_of_tensors
from forgetless.engine import checkpoint as module
from forgetless.engine.checkpoint import FILES, pack, unpack
from forgetless.errors import StorageError
from forgetless.files import explained, write_atomically
from forgetless.interrupts import stoppable
from forgetless.methods import METHODS

SEEN = (OSError, ValueError, KeyError, TypeError, SafetensorError)  # what `read` takes for damage


def tiny(value=1.0):
    return Checkpoint({"w": torch.full((2,), value)}, {"step": int(value)})


def same(one, two):
    assert one.facts == two.facts
    assert one.tensors.keys() == two.tensors.keys()
    for name, tensor in one.tensors.items():
        other = two.tensors[name]
        assert (tensor.dtype, tensor.shape, tensor.stride()) == (other.dtype, other.shape, other.stride()), (
            name
        )
    return hash_of_tensors(one.tensors) == hash_of_tensors(two.tensors)


# Nothing that is damaged is used.


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_seen(name):
    content = pack(tiny())
    data = content[name]
    for place in range(len(data)):
        for bit in range(8):
            flipped = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            with pytest.raises(SEEN):
                unpack(content | {name: flipped})


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_and_every_added_byte_is_seen(name):
    content = pack(tiny())
    data = content[name]
    for length in range(len(data)):
        with pytest.raises(SEEN):
            unpack(content | {name: data[:length]})
    for more in (b"\0", b"\n", b" ", data):
        with pytest.raises(SEEN):
            unpack(content | {name: data + more})


def test_files_of_two_generations_do_not_go_together():
    old, new = pack(tiny(1.0)), pack(tiny(2.0))
    for name in FILES:
        with pytest.raises(SEEN):
            unpack(new | {name: old[name]})


def test_an_undamaged_one_is_read():
    assert same(unpack(pack(tiny())), tiny())


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "remove", "garbage"])
@pytest.mark.parametrize("name", FILES)
def test_damage_on_the_disk_falls_back_to_the_generation_before(name, harm, tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    for value in (1.0, 2.0):
        checkpoints.write(tiny(value))
    newest = checkpoints.generations()[0]
    path = newest / name
    data = path.read_bytes()
    if harm == "remove":
        path.unlink()
    else:
        flipped = bytes([data[0] ^ 4]) + data[1:]
        path.write_bytes(
            {"flip": flipped, "cut": data[:-1], "empty": b"", "garbage": b"\xff\x00[]" * 9}[harm]
        )
    found, complaints = checkpoints.read()
    assert same(found, tiny(1.0))
    assert len(complaints) == 1
    assert str(newest) in complaints[0]
    checkpoints.write(tiny(3.0))
    assert newest not in checkpoints.generations(), "the damaged one is not kept in place of a sound one"
    assert [
        unpack({n: (p / n).read_bytes() for n in FILES}).facts["step"] for p in checkpoints.generations()
    ] == [3, 1]


def test_where_none_is_sound_it_says_so(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.read() == (None, [])
    for value in (1.0, 2.0):
        checkpoints.write(tiny(value))
    for path in checkpoints.generations():
        (path / "facts.json").write_bytes(b"{}")
    with pytest.raises(StorageError, match=r"No checkpoint in .* is sound.*--fresh") as caught:
        checkpoints.read()
    assert caught.value.exit_code == 5
    checkpoints.clear()
    assert checkpoints.read() == (None, [])


def test_two_generations_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for value in (1.0, 2.0, 3.0, 4.0):
        checkpoints.write(tiny(value))
        assert checkpoints.read()[0].facts["step"] == value
    assert [path.name for path in checkpoints.generations()] == ["g00000004", "g00000003"]


def test_nothing_is_unpickled(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(tiny())
    generation = checkpoints.generations()[0]
    assert sorted(path.name for path in generation.iterdir()) == sorted(FILES)
    json.loads((generation / "facts.json").read_text())
    torch.save({"w": torch.ones(2)}, generation / "tensors.safetensors")
    with pytest.raises(StorageError):
        checkpoints.read()


# Exact to the bit and to the stride.


def test_the_order_of_tensors_survives():
    """A penalty that adds up over remembered tensors adds in their order, and rounds by it."""
    names = [f"{letter}/{number}" for number in (10, 9, 1) for letter in "zax"]
    kinds = (torch.float32, torch.uint8, torch.int64)
    tensors = {name: torch.ones(2, dtype=kinds[k % 3]) for k, name in enumerate(names)}
    assert list(unpack(pack(Checkpoint(tensors, {}))).tensors) == names


def test_kinds_bits_and_strides_survive():
    draw = torch.Generator().manual_seed(0)
    image = torch.randn(3, 4, 5, 6, generator=draw)
    state = {
        "rows": image,
        "channels last": image.contiguous(memory_format=torch.channels_last),
        "one channel, last": torch.randn(8, 1, 3, 3, generator=draw).to(memory_format=torch.channels_last),
        "one pixel, last": torch.randn(8, 4, 1, 1, generator=draw).to(memory_format=torch.channels_last),
        "transposed": torch.randn(4, 7, generator=draw).t(),
        "permuted": image.permute(2, 0, 3, 1),
        "scalar": torch.tensor(3),
        "none": torch.empty(0, 3),
        "flags": torch.tensor([True, False]),
        "bytes": torch.randint(0, 256, (5056,), dtype=torch.uint8, generator=draw),
        "half": image.to(torch.bfloat16),
        "double": image.double(),
        "strange numbers": torch.tensor([float("nan"), float("inf"), -0.0, 1e-42]),
    }
    checkpoint = Checkpoint(state, {"text": "é\n", "list": [1, 2.5, None], "deep": {"a": {"b": True}}})
    assert same(unpack(pack(checkpoint)), checkpoint)


@pytest.mark.parametrize("name", ["l2_anchor", "joint", "lwf"])
def test_a_methods_state_survives(name):
    method = Case(METHODS[name], {}, "class", "conv").learned(2)
    state = capture(method)
    assert any(not value.is_contiguous() for value in state.values())
    for key, value in method.state_dict().items():
        assert state[key].stride() == value.stride()
        assert state[key].data_ptr() != value.data_ptr()
    assert same(unpack(pack(Checkpoint(state, {}))), Checkpoint(state, {}))


# Disks that are full or refuse.


class Failing:
    """Lets every call that touches the disk pass but one, which finds the disk full."""

    def __init__(self, patch, at):
        self.calls, self.at = 0, at
        for owner, name in (
            (os, "fsync"),
            (os, "rename"),
            (os, "open"),
            (tempfile, "mkdtemp"),
            (Path, "mkdir"),
        ):
            patch.setattr(owner, name, self.guard(getattr(owner, name)))
        original = Path.open

        def opened(path, mode="r", **options):
            file = original(path, mode, **options)
            return Halved(file, self) if "w" in mode else file

        patch.setattr(Path, "open", self.guard(opened))

    def count(self):
        self.calls += 1
        if self.calls == self.at:
            raise OSError(28, "No space left on device")

    def guard(self, call):
        def guarded(*args, **options):
            self.count()
            return call(*args, **options)

        return guarded


class Halved:
    """A file whose write may fail with half of it written."""

    def __init__(self, file, failing):
        self.file, self.failing = file, failing

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.failing.count()
        return self.file.write(data[len(data) // 2 :])

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def calls_of_a_write(folder):
    with pytest.MonkeyPatch.context() as patch:
        failing = Failing(patch, at=0)
        Checkpoints(folder).write(tiny(9.0))
        return failing.calls


def test_a_disk_that_is_full_at_any_call_costs_nothing_saved_before(tmp_path):
    calls = calls_of_a_write(tmp_path / "count")
    assert calls >= 12, "three files each opened, written and flushed; folders made, renamed and flushed"
    for at in range(1, calls + 1):
        checkpoints = Checkpoints(tmp_path / str(at))
        for value in (1.0, 2.0):
            checkpoints.write(tiny(value))
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, at)
            with pytest.raises(
                StorageError, match=r"No space left on device \([\d,]+ bytes are free\)"
            ) as caught:
                checkpoints.write(tiny(3.0))
        assert failing.calls >= at
        assert "what was saved before is intact" in str(caught.value)
        found, complaints = Checkpoints(checkpoints.folder).read()
        assert complaints == []
        assert found.facts["step"] == (2 if at < calls - 1 else 3), (
            "only after the renaming is it the new one"
        )
        assert not list(checkpoints.folder.glob(".new-*"))
        checkpoints.write(tiny(4.0))
        assert checkpoints.read()[0].facts["step"] == 4
        assert len(checkpoints.generations()) == module.KEPT


def test_a_real_limit_on_file_size_costs_nothing_saved_before(tmp_path):
    resource = pytest.importorskip("resource")
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(tiny(1.0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (0, 10, 100):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            try:
                with pytest.raises(StorageError, match="File too large"):
                    checkpoints.write(tiny(2.0))
                with pytest.raises(StorageError, match="File too large"):
                    write_atomically(tmp_path / "result.json", "x" * 1000)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert same(checkpoints.read()[0], tiny(1.0))
            assert sorted(path.name for path in tmp_path.iterdir()) == ["g00000001"]
    finally:
        signal.signal(signal.SIGXFSZ, handler)


def test_a_place_that_is_a_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "checkpoint").write_text("a file")
    with pytest.raises(StorageError, match=r"Cannot write a checkpoint into .*File exists"):
        Checkpoints(tmp_path / "checkpoint").write(tiny())


def test_what_a_manifest_lacks_is_named(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(tiny())
    (tmp_path / "g00000001" / "manifest.json").write_text("{}")
    with pytest.raises(StorageError, match=r"damaged \(it lacks 'files'\).* --fresh starts it anew"):
        checkpoints.read()


def test_what_cannot_be_read_is_not_said_to_want_room(tmp_path):
    for verb, cure in (("read", "may be read"), ("write", "Free some room")):
        with pytest.raises(StorageError, match=cure) as caught, explained(tmp_path / "gone", verb):
            (tmp_path / "gone").read_text()
        assert str(caught.value).count("Free some room") == (verb == "write")


def test_what_an_earlier_crash_left_is_swept_away(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / ".new-crashed").mkdir()
    (tmp_path / ".new-crashed" / "facts.json").write_text("{")
    assert checkpoints.read() == (None, [])
    checkpoints.write(tiny())
    assert [path.name for path in tmp_path.iterdir()] == ["g00000001"]


def test_an_atomic_write_keeps_the_old_content_until_the_new_is_whole(tmp_path):
    path = tmp_path / "result.json"
    write_atomically(path, "old")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", Failing(patch, at=0).guard(os.replace))

        def full(*_):
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="Cannot write"):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    write_atomically(path, b"new")
    assert path.read_text() == "new"


# The clock.


def test_each_moment_counts_for_one_activity(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    clock = Clock()
    wait(100)  # nothing is going on
    with clock.during("train"):
        wait(1)
        with clock.during("checkpoint"):
            wait(10)
            assert clock.read() == {"train": 1, "checkpoint": 10, "total": 11}
        wait(2)
        assert clock.read()["train"] == 3
    with suppress(KeyError), clock.during("train"):
        wait(4)
        raise KeyError
    wait(100)
    assert clock.read() == {"train": 7, "checkpoint": 10, "total": 17}
    later = Clock()
    later.add(clock.read())
    with later.during("train"):
        wait(1)
    assert later.read() == {"train": 8, "checkpoint": 10, "total": 18}


# Ctrl-C.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_asks_and_a_second_ends(number, second):
    before = signal.getsignal(number)
    with stoppable() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), second)
    assert signal.getsignal(number) is before
    with stoppable() as again:
        assert not again.asked


def test_handlers_are_put_back_after_an_error():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyError), stoppable():
        raise KeyError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def inside():
        with stoppable() as stop:
            seen.append((stop.asked, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [(False, True)]
