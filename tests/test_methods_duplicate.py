"""Duplicate and fine-tune: a network for each task, learned as fine-tuning learns."""

import pytest
import tiny
import torch
from reference_loop import learn

from forgetless.engine import count_bytes
from forgetless.errors import SettingsError
from forgetless.methods import METHODS


def learned(name, tasks):
    stream, method = tiny.stream("task"), METHODS[name](tiny.net(dropout=0.5))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for index in range(tasks):
            learn(method, stream.task(index), momentum=0.9, weight_decay=0.01)
    return method


def test_each_task_has_the_network_that_fine_tuning_would_have_had_after_it():
    method, stream = learned("duplicate", 3), tiny.stream("task")
    for index in range(3):
        floor = learned("finetune", index + 1)
        assert tiny.same(tiny.bits(method.copies[index]), tiny.bits(floor.model))
        x, labels = tiny.split((0, 5)).x, list(stream.task(index).classes)
        scores = method.logits(x, stream.task(index))
        assert scores.shape == (12, 6)
        assert torch.equal(scores[:, labels], floor.model(x)[:, labels])
        assert torch.isneginf(scores[:, labels[-1] + 1 :]).all()


def test_what_is_kept_is_never_trained():
    method, before = learned("duplicate", 2), tiny.bits(learned("duplicate", 2).copies)
    fit = next(method.learn(tiny.stream("task").task(2)))
    assert not {id(w) for part in fit.only for w in part.parameters()} & set(
        map(id, method.copies.parameters())
    )
    kept = learned("duplicate", 3).copies.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in before.items())


def test_it_must_be_told_the_task():
    assert METHODS["duplicate"].scenarios == METHODS["duplicate"].isolates == ("task",)
    with pytest.raises(SettingsError, match="told which task"):
        learned("duplicate", 1).logits(tiny.split((0, 1)).x)


def test_its_networks_are_counted_as_old_ones():
    method = learned("duplicate", 2)
    counted = count_bytes(method, 0)
    copies = [sum(t.nbytes for t in copy.state_dict().values()) for copy in method.copies]
    assert (counted["old_models"], counted["statistics"]) == (sum(copies), 0)
