"""Evaluation asks a folded copy of the network, gives the method its own back, and stays exact where asked to."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from forgetless.data import Stream, Task
from forgetless.engine import Plan, evaluate
from forgetless.errors import SettingsError
from forgetless.methods import Method
from forgetless.models import build_model


class Spy(Method):
    """Notes what it is asked with."""

    def setup(self) -> None:
        self.norms: list[int] = []

    def logits(self, x: Tensor, task: Task | None = None) -> Tensor:
        self.norms.append(sum(isinstance(part, torch.nn.BatchNorm2d) for part in self.model.modules()))
        if len(self.norms) > 2:
            raise KeyError("enough")
        return super().logits(x, task)


@pytest.fixture
def spy(tiny_stream: Callable[..., Stream]) -> tuple[Spy, Stream]:
    stream = tiny_stream("class", 2)
    torch.manual_seed(0)
    model = build_model("resnet32", stream.input_shape)
    model.grow(range(4))
    return Spy(model), stream


@pytest.mark.parametrize(("deterministic", "norms"), [(False, 0), (True, 31)])
def test_only_an_exact_evaluation_keeps_the_normalisations(
    spy: tuple[Spy, Stream], deterministic: bool, norms: int
) -> None:
    method, stream = spy
    own = method.model
    evaluate(method, stream, 0, Plan(torch.device("cpu"), "fp32", "", 1, deterministic))
    assert method.norms == [norms]
    assert method.model is own


def test_the_method_has_its_network_back_when_evaluation_fails(spy: tuple[Spy, Stream]) -> None:
    method, stream = spy
    own = method.model
    method.norms = [0, 0]
    with pytest.raises(KeyError):
        evaluate(method, stream, 0, Plan(torch.device("cpu"), "fp32", "", 1, deterministic=False))
    assert method.model is own


def test_a_folded_network_gives_the_same_labels(spy: tuple[Spy, Stream]) -> None:
    method, stream = spy
    with torch.no_grad():
        for _ in range(20):
            method.model.train()(stream.tests[1].inputs(slice(None)))  # running statistics of its own
    plans = [Plan(torch.device("cpu"), "fp32", "", 1, deterministic) for deterministic in (False, True)]
    folded, whole = (evaluate(method, stream, 0, plan)[0].agnostic for plan in plans)
    assert folded is not None
    assert whole is not None
    assert torch.equal(folded, whole)
    assert len(folded.unique()) > 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda scores: scores[:, 0], r"a tensor of shape \(\d+,\)"),
        (lambda scores: scores[:, :3], r"a tensor of shape \(\d+, 3\)"),
        (lambda scores: scores[:-1], "a tensor of shape"),
        (lambda scores: scores.numpy(), "a ndarray"),
        (lambda scores: None, "None"),
    ],
)
def test_what_are_no_scores_is_refused(tiny_stream, spoil, words):
    class Mine(Method):
        def logits(self, x, task=None):
            return spoil(super().logits(x, task))

    stream = tiny_stream("class", 2)
    model = build_model("mlp", stream.input_shape)
    model.grow(range(4))
    plan = Plan(torch.device("cpu"), "fp32", "", 1, deterministic=False)
    with pytest.raises(SettingsError, match=rf"^Mine.logits gave {words}.* \(\d+, 4\) or wider"):
        evaluate(Mine(model), stream, 1, plan)
