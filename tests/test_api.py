"""The public names: `import forgetless as fl`."""

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import forgetless as fl
from forgetless.errors import SettingsError
from forgetless.methods import METHODS, Method, method
from forgetless.settings.fields import method_facts, method_names
from forgetless.settings.resolve import resolve

QUICK = {"epochs": 1, "hidden": (8,), "batch": 256, "limit": 20}


@pytest.mark.parametrize("name", fl.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fl, name)
    assert name in dir(fl)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = fl.nothing


def test_run_is_the_command_lines_run(tmp_path):
    run = fl.run("lwf", "split-digits", scenario="class", seed=0, weight=1.0, runs=tmp_path, **QUICK)
    settings = resolve(
        "lwf", "split-digits", {"weight": "1", "epochs": "1", "hidden": "8", "batch": "256", "limit": "20"}
    )
    assert run.path.name == settings.folder
    assert run.accuracy.shape == (5, 5)
    assert np.isnan(run.accuracy[0, 1])
    assert run.metrics["average_accuracy"] is not None
    assert fl.load(run.path).result == run.result


def test_run_and_methods_are_modules_too(tmp_path):
    module = importlib.import_module("forgetless.run")
    assert module is fl.run
    assert isinstance(fl.run, ModuleType)
    assert callable(module.run_settings)
    assert set(method_names()) <= set(fl.methods())
    assert fl.methods()["lwf"] is fl.methods.METHODS["lwf"]


def test_a_mistake_in_a_setting_is_a_sentence():
    with pytest.raises(SettingsError, match="lr: -1 is not possible; it must be a number above 0"):
        fl.run("lwf", "split-digits", lr=-1)
    with pytest.raises(SettingsError, match=r"wieght: lwf has no such setting\. Did you mean 'weight'\?"):
        fl.run("lwf", "split-digits", wieght=1)
    with pytest.raises(SettingsError, match="A run names its method"):
        fl.run(fl.methods()["lwf"], "split-digits")


def test_a_folder_may_be_given_as_a_path_and_nothing_else_passes_for_a_name(tmp_path, monkeypatch):
    for name in ("bird", "cat"):
        (tmp_path / "split-digits" / name).mkdir(parents=True)
        for k in range(4):
            Image.new("L", (8, 8), 40 * k + 10 * len(name)).save(
                tmp_path / "split-digits" / name / f"{k}.png"
            )
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / "split-digits", Path("split-digits")):
        assert fl.stream(folder, scenario="class").class_names == ("bird", "cat")
    for wrong in (None, 5, fl.stream("split-digits")):
        with pytest.raises(SettingsError, match=f"not {type(wrong).__name__}"):
            fl.run("lwf", wrong)


def test_streams_and_models_by_name():
    stream = fl.stream("split-digits/2", scenario="task", class_order="seeded")
    assert (len(stream), stream.scenario) == (2, "task")
    one, two = (fl.build_model("mlp", stream, seed=3, hidden=(7,)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("name", method_names())
def test_what_is_read_of_a_methods_source_is_what_its_class_has(name):
    cls, facts = fl.methods()[name], method_facts(name)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.name != "model"}
    assert [field.name for field in facts.fields] == list(fields)
    for field in facts.fields:
        assert field.default == fields[field.name].default
        assert type(field.default) is type(fields[field.name].default)
        assert field.type == fields[field.name].type
    assert facts.scenarios == cls.scenarios
    assert (facts.needs_task, facts.needs_past) == (cls.needs_task, cls.needs_past)
    assert facts.name == cls.name == name
    assert facts.summary == cls.__doc__.partition("\n")[0]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        (
            "wsn",
            {"capacity": 7},
            "capacity: 7 is not possible; it must be a number at least 0 and at most 1.",
        ),
        ("wsn", {"score": "ab", "ste_sign": 3}, "Did you mean 'abs'?\nste_sign: 3 is not possible"),
        ("lwf", {"weight": float("nan")}, "weight: NaN is not a finite number"),
        ("icarl", {"memory": None}, "memory: null is not possible; it must be a whole number above 0."),
    ],
)
def test_an_object_is_made_with_possible_values_only(name, given, words):
    stream = fl.stream("split-digits", scenario="task")
    with pytest.raises(SettingsError) as caught:
        fl.methods()[name](fl.build_model("mlp", stream), **given)
    assert words in str(caught.value)


def test_what_settings_do_not_know_is_taken_as_it_is():
    def twice(x):
        return 2 * x

    @method("taker")
    class Taker(Method):
        widths: tuple[int, ...] = (1,)
        how: Callable[[int], int] = twice

    made = Taker(fl.build_model("mlp", fl.stream("split-digits")), widths="3,4")
    assert made.widths == (3, 4)
    assert made.how(2) == 4
    del METHODS["taker"]
