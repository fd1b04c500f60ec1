"""Exemplars: what is kept, what is forgotten, what is saved; and herding against a naive transcription."""

import numpy as np
import pytest
import torch
from tiny import split

from forgetless.checks.toys import Case
from forgetless.engine import capture, count_bytes, restore
from forgetless.errors import SettingsError
from forgetless.memory import Memory
from forgetless.methods import METHODS
from forgetless.ops import herd


def filled():
    data, memory = split([0, 1, 2], per_class=5, dtype=torch.float32), Memory()
    for label in (2, 0, 1):
        memory.add(data, (data.y == label).nonzero().flatten().flip(0))
    return data, memory


def test_groups_follow_one_another_in_order_of_arrival_and_of_importance():
    data, memory = filled()
    assert memory.groups == 3
    assert len(memory) == 15
    assert memory.y.tolist() == [2] * 5 + [0] * 5 + [1] * 5
    assert torch.equal(memory.split(data, 1).x, data.x[data.y == 0].flip(0))
    assert len(memory.split(data)) == 15


def test_trimming_keeps_the_first_of_each_group():
    data, memory = filled()
    before = [memory.split(data, group).x for group in range(3)]
    memory.trim(2)
    assert memory.groups == 3
    assert len(memory) == 6
    for group in range(3):
        assert torch.equal(memory.split(data, group).x, before[group][:2])
    memory.trim(5)
    assert len(memory) == 6


def test_trimming_groups_of_different_sizes():
    data, memory = split([0], per_class=9, dtype=torch.float32), Memory()
    for size in (4, 1, 3):
        memory.add(data, torch.arange(size))
    memory.trim(2)
    assert memory.group.tolist() == [0, 0, 1, 2, 2]


def test_trimming_each_group_to_a_size_of_its_own():
    data, memory = filled()
    before = [memory.split(data, group).x for group in range(3)]
    memory.trim(torch.tensor([3, 1, 9, 4]))
    assert memory.group.tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 2]
    assert torch.equal(memory.x, torch.cat([before[0][:3], before[1][:1], before[2]]))


def test_a_fresh_memory_takes_its_size_from_what_was_saved():
    data, memory = filled()
    fresh = Memory()
    restore(fresh, capture(memory))
    assert torch.equal(fresh.x, memory.x)
    assert torch.equal(fresh.group, memory.group)
    fresh.trim(1)
    assert len(memory) == 15  # what is loaded is a copy
    assert torch.equal(memory.split(data, 2).x, data.x[data.y == 1].flip(0))


def test_a_group_of_nothing_is_refused():
    data, memory = filled()
    with pytest.raises(SettingsError, match="at least one"):
        memory.add(data, torch.empty(0, dtype=torch.int64))


def test_what_is_remembered_is_counted_as_exemplars_and_not_as_statistics():
    case = Case(METHODS["finetune"], {}, "class", "mlp")
    method = case.fresh()
    before = count_bytes(method, 0)
    method.memory = Memory()
    task = case.stream.task(0)
    method.memory.add(task.train, torch.arange(10))
    method.measured["a"] = torch.zeros(3)
    bytes_each = 64 + 8 + 8  # an image of 8 x 8, its label, its group
    assert count_bytes(method, 0) == before | {"exemplars": 10 * bytes_each}


def naive_herding(features, count):
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    mean, chosen = unit.mean(0), []
    for _ in range(count):
        best, found = None, np.inf
        for row in range(len(unit)):
            if row in chosen:
                continue
            distance = np.linalg.norm(unit[[*chosen, row]].mean(0) - mean)
            if distance < found - 1e-12:
                best, found = row, distance
        chosen.append(best)
    return chosen


def test_herding_equals_its_definition():
    features = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
    assert herd(features, 12).tolist() == naive_herding(features.numpy().astype(float), 12)


def test_a_longer_list_begins_with_a_shorter_one_and_no_row_comes_twice():
    features = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))
    whole = herd(features, 99).tolist()
    assert sorted(whole) == list(range(20))
    assert herd(features, 7).tolist() == whole[:7]


def test_of_equals_the_lowest_row_is_chosen():
    assert herd(torch.ones(5, 3), 3).tolist() == [0, 1, 2]
