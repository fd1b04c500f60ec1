"""What is captured and when, on graphs that are made up: a captured update is called again instead of launched."""

import gc
from contextlib import contextmanager

import pytest
import torch

from forgetless.data import Batch
from forgetless.engine.graphs import WARM, Graphs
from forgetless.errors import SettingsError


class Updates:
    """Sums what it is given into a weight; knows whether it is being captured."""

    def __init__(self):
        self.weight, self.made, self.graph = torch.zeros(()), 0, None
        self.error = None

    def __call__(self, batch):
        self.made += 1
        told = torch.zeros(())

        def run():
            self.weight += batch.x.sum() * (batch.visit + 1)
            told.copy_(batch.x.sum())

        if self.graph is None:
            run()
        else:
            assert not gc.isenabled()
            self.graph.run = run  # nothing is made yet
            if self.error is not None:
                raise self.error
        return {"new": told}


@pytest.fixture
def updates(monkeypatch):
    made = Updates()

    class Graph:
        def pool(self):
            return 7

        def replay(self):
            self.run()

    @contextmanager
    def graph(graph, pool=None):
        made.graph = graph
        made.pools = [*getattr(made, "pools", []), pool]
        try:
            yield
        finally:
            made.graph = None

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    return made


def batch(value, size=2, visit=0, replay=None):
    x = torch.full((size, 3), float(value))
    return Batch(x, torch.zeros(size), torch.zeros(size), torch.zeros(()), replay, visit)


def test_updates_are_made_until_all_is_warm_and_launched_from_then_on(updates):
    graphs = Graphs(updates)
    told = [graphs(batch(value))["new"].item() for value in range(10)]
    assert told == [6.0 * value for value in range(10)]
    assert updates.weight == 6 * sum(range(10))
    assert updates.made == WARM + 1


def test_each_form_of_batch_has_a_graph_of_its_own_in_one_memory(updates):
    graphs = Graphs(updates)
    forms = [{"size": 2}, {"size": 1}, {"visit": 1}, {"replay": batch(5)}, {"replay": batch(5, size=1)}]
    for _ in range(WARM + 2):
        for form in forms:
            graphs(batch(1, **form))
    assert updates.made == len(forms) * (WARM + 1)
    assert updates.weight == (WARM + 2) * (6 + 3 + 2 * 6 + 6 + 6)
    assert updates.pools == [None, 7, 7, 7, 7]
    graphs.close()
    assert not graphs.captured


def test_what_a_graph_reads_is_its_own(updates):
    graphs = Graphs(updates)
    given = [batch(value, replay=batch(value)) for value in range(WARM + 2)]
    for one in given:
        graphs(one)
    (captured,) = graphs.captured.values()
    assert captured.batch.x.data_ptr() not in {one.x.data_ptr() for one in given}
    assert torch.equal(captured.batch.replay.x, given[-1].replay.x)
    assert torch.equal(given[-2].x, torch.full((2, 3), WARM, dtype=torch.float))


def test_an_update_that_cannot_be_captured_is_told_so(updates):
    graphs = Graphs(updates)
    for _ in range(WARM):
        graphs(batch(1))
    updates.error = RuntimeError("operation not permitted when stream is capturing\nmore")
    with pytest.raises(
        SettingsError, match=r"is capturing\. Something in it waits .* Leave `capturable` out"
    ):
        graphs(batch(1))
    assert gc.isenabled()
    updates.error = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(torch.OutOfMemoryError):
        graphs(batch(1))
    assert gc.isenabled()
