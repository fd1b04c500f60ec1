"""From what was asked to what is run."""

import dataclasses
from pathlib import Path

import pytest

from forgetless.errors import DataError, SettingsError
from forgetless.settings.catalog import STREAMS, find_stream
from forgetless.settings.fields import method_facts, method_names
from forgetless.settings.files import read_settings, to_mapping, to_yaml, write_settings
from forgetless.settings.presets import PRESETS, Preset
from forgetless.settings.resolve import concerns, resolve
from forgetless.settings.schema import all_flags, method_flags, shared_flags

MINE = '''"""Mine: a trial."""
from typing import Literal
from forgetless import Fit, Method, method
from forgetless.kinds import Positive

Scope = Literal["new", "seen"]


@method("mine")
class Mine(Method):
    """One line that says what it does."""

    needs_task = True
    scenarios = ("task",)
    weight: Positive = 1.0  # lambda_o, page 4
    # how many epochs of the head alone
    # come first
    warmup: float = 0
    scope: Scope = "new"
    bound: float | None = None
    squared: bool = False
    widths: tuple[int, ...] = (1, 2)
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def sentence(*args, **kwargs) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(*args, **kwargs)
    return str(caught.value)


def config(tmp_path: Path, text: str, suffix: str = "yaml") -> Path:
    path = tmp_path / f"settings.{suffix}"
    path.write_text(text)
    return path


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_resolves_to_its_own_recipe(stream):
    settings = resolve("finetune", stream, {})
    entry = STREAMS[stream]
    assert settings.recipe == entry.recipe
    assert (settings.scenario, settings.model, settings.hidden) == (
        entry.scenarios[0],
        entry.model,
        entry.hidden,
    )
    assert (settings.mean, settings.std, settings.class_order) == (entry.mean, entry.std, entry.class_order)
    assert settings.validation == entry.validation


def test_the_streams_of_gpm_and_wsn_are_run_as_their_scripts_do():
    recipe = resolve("finetune", "permuted-mnist-gpm", {}).recipe
    plateau = {
        "optimizer": "adam",
        "lr": 1e-3,
        "schedule": "plateau",
        "patience": 6,
        "lr_factor": 0.5,
        "keep": "best",
    }
    own = {"epochs": 5, "batch": 10, "lr_floor": 1e-6}
    assert recipe == dataclasses.replace(recipe, **plateau, **own, weight_decay=0.0, steps=None)
    for name in ("cifar100-superclasses", "cifar100-superclasses-misread"):
        settings = resolve("finetune", name, {})
        own = {"epochs": 50, "batch": 64, "lr_floor": 1e-5}
        assert settings.recipe == dataclasses.replace(recipe, **own)
        assert (settings.scenario, settings.model, settings.hidden) == ("task", "lenet-wsn", None)
    assert resolve("finetune", "permuted-mnist-gpm", {"validation": 0.2}).validation == 0.2
    told = sentence("finetune", "permuted-mnist-gpm", {"validation": 0})
    assert "schedule: plateau goes by the loss on held-out data" in told
    free = {"validation": 0, "schedule": "constant", "keep": "last"}
    assert resolve("finetune", "permuted-mnist-gpm", free).validation == 0


def test_later_layers_have_the_last_word(tmp_path):
    path = config(tmp_path, "lr: 1e-2\nbatch: 7\n")
    given = {"batch": "9"}
    settings = resolve("finetune", "split-mnist", given, preset="hsu", config=path)
    assert settings.padding == 2  # the preset's, over the stream's
    assert settings.recipe.lr == 0.01  # the file's, over the preset's; a word in YAML 1.1
    assert settings.recipe.batch == 9  # the flag's, over the file's


def test_steps_and_epochs_replace_each_other(tmp_path):
    assert resolve("finetune", "split-mnist", {}, preset="vandeven").recipe.steps == 2000
    assert resolve("finetune", "split-mnist", {}, preset="vandeven").class_order == "seeded", (
        "drawn by the seed"
    )
    assert resolve("finetune", "permuted-mnist", {}, preset="vandeven").class_order == "natural", (
        "none to choose"
    )
    later = resolve("finetune", "split-mnist", {"epochs": 3}, preset="vandeven").recipe
    assert (later.epochs, later.steps) == (3.0, None)
    both = resolve("finetune", "split-mnist", {"epochs": 3, "steps": 5}).recipe
    assert both.steps == 5


@pytest.mark.parametrize(
    ("preset", "method", "stream", "scenario", "expected"),
    [
        ("hsu", "ewc", "split-mnist", "class", {"strength": 1200}),
        ("hsu", "ewc", "split-mnist", "task", {"strength": 200}),
        ("hsu-online", "ewc", "split-mnist", "class", {"strength": 200, "online": True}),
        ("hsu-online", "ewc", "split-mnist", "domain", {"strength": 1400, "online": True}),
        (
            "vandeven",
            "icarl",
            "split-mnist",
            "class",
            {"memory": 2000, "per_class": 0, "steps": 2000, "lr": 1e-3},
        ),
        ("paper", "wsn", "permuted-mnist-gpm/3", "task", {"capacity": 0.3}),
        ("paper", "wsn", "cifar100-superclasses", "task", {"capacity": 0.5}),
        (
            "paper",
            "wsn",
            "split-cifar100",
            "task",
            {"capacity": 0.5, "model": "alexnet-small-bn", "patience": 6},
        ),
        ("paper", "lwm", "split-cifar100", "class", {"model": "resnet34", "epochs": 10.0, "lr": 0.01}),
        ("lwfmc-icarl", "lwf_mc", "split-cifar100", "class", {"weight_decay": 2e-5, "lr": 2.0}),
        ("paper", "lwf_mc", "split-cifar100", "class", {"milestones": (0.7, 0.9), "class_order": "icarl"}),
        ("lwfmc-icarl", "lwf_mc", "split-cifar100", "class", {"step_factor": 0.2, "class_order": "icarl"}),
    ],
)
def test_presets_have_what_the_papers_set(preset, method, stream, scenario, expected):
    values = PRESETS[preset].values(method, find_stream(stream), scenario)
    assert {key: values.get(key) for key in expected} == expected
    if preset.startswith("hsu"):
        assert (values["padding"], values["epochs"], values["batch"]) == (2, 4.0, 128)


def test_a_preset_may_speak_of_one_scenario_or_one_stream(monkeypatch, tmp_path):
    where = {("lwf", "task"): {"weight": 2.0}, ("lwf", "split-mnist"): {"temperature": 3.0}}
    monkeypatch.setitem(PRESETS, "made", Preset("", "", methods={"lwf": {"weight": 5.0}}, where=where))
    file = config(tmp_path, "scenario: task")

    def found(stream, given, **more):
        hyper = resolve("lwf", stream, given, preset="made", **more).hyper
        return hyper["weight"], hyper["temperature"]

    assert found("split-mnist/3", {}) == (5.0, 3.0)
    assert found("split-mnist", {"scenario": "task"}) == (2.0, 3.0)
    assert found("split-digits", {"scenario": "task"}) == (2.0, 2.0)
    assert found("split-digits", {}, config=file) == (2.0, 2.0)
    assert found("split-digits", {"scenario": "class"}, config=file) == (5.0, 2.0)
    assert found("split-digits", {"scenario": "task", "weight": 7}) == (7.0, 2.0)


@pytest.mark.parametrize(
    ("preset", "method", "speaks_of"),
    [
        ("lwm-cvpr19", "lwf", "lwm"),
        ("paper", "ewc", "lwf, lwf_mc, lwm, wsn"),
        ("lwfmc-icarl", "lwm", "lwf_mc"),
    ],
)
def test_a_preset_that_sets_nothing_is_refused(preset, method, speaks_of):
    words = sentence(method, "split-digits", {}, preset=preset)
    assert f"{preset} sets nothing for {method} on split-digits in the class scenario." in words
    assert f"It has settings for {speaks_of};" in words


def test_a_preset_of_shared_settings_is_for_every_method(mine):
    for preset in ("hsu", "hsu-online", "vandeven"):
        assert resolve("lfl", "split-digits", {"scenario": "domain"}, preset=preset).hidden == (400, 400)
    given = {"scenario": "task"}
    assert resolve(str(mine), "split-digits", given, preset="hsu").recipe.epochs == 4
    assert "paper sets nothing for mine" in sentence(str(mine), "split-digits", given, preset="paper")


def test_what_a_preset_concerns_may_hang_on_the_scenario_of_a_file(monkeypatch, tmp_path):
    monkeypatch.setitem(PRESETS, "made", Preset("", "", where={("lwf", "task"): {"weight": 2.0}}))
    file = config(tmp_path, "scenario: task")
    assert concerns("made", "lwf", "split-digits", {}, file)
    assert not concerns("made", "lwf", "split-digits", {})
    assert "It has settings for lwf;" in sentence("lwf", "split-digits", {}, preset="made")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_give_methods_settings_that_they_have(name):
    preset = PRESETS[name]
    for method, place in [(method, "") for method in preset.methods] + list(preset.where):
        stream = place if place in STREAMS else "split-mnist"
        scenario = place if stream == "split-mnist" and place else method_facts(method).scenarios[0]
        settings = resolve(method, stream, {"scenario": scenario}, preset=name)
        given = preset.values(method, find_stream(stream), scenario)
        assert settings.hyper.items() >= {key: given[key] for key in given if key in settings.hyper}.items()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lr": "-1"}, "lr: -1 is not possible; it must be a number above 0."),
        ({"lr": float("nan")}, "lr: NaN is not a finite number"),
        ({"lr": "1e999"}, "lr: 1e999 is not possible"),
        ({"batch": "two"}, "batch: two is not possible; it must be a whole number above 0."),
        ({"batch": 2.5}, "batch: 2.5 is not possible"),
        ({"batch": True}, "batch: true is a truth value"),
        ({"limit": 0}, "limit: 0 is not possible"),
        ({"seed": -1}, "seed: -1 is not possible"),
        ({"momentum": 1}, "momentum: 1 is not possible; it must be a number at least 0 and below 1."),
        ({"std": "0.0"}, "std: 0.0 is not possible"),
        ({"optimizer": "adma"}, "it must be sgd, adam or adamw. Did you mean 'adam'?"),
        ({"optimzer": "adam"}, "optimzer: finetune has no such setting. Did you mean 'optimizer'?"),
        ({"model": "resent32"}, "There is no model 'resent32'. Did you mean 'resnet32'?"),
        ({"model": "lenet", "hidden": "40"}, "only an mlp has hidden layers"),
        ({"later_limit": 0}, "later_limit: 0 is not possible"),
        ({"hidden": f"40,{2**63}"}, "is too large a number; it must be a list with commas"),
        ({"batch": 2**63}, "is too large a number; it must be a whole number above 0"),
        ({"head_layers": 0}, "head_layers: 0 is not possible"),
        (
            {"head_layers": 3},
            "head_layers: mlp can give its tasks 2 layers of their own, the head among them, not 3.",
        ),
        ({"head_layers": 2, "model": "resnet32"}, "resnet32 can give its tasks 1 layer of their own"),
        (
            {"head_layers": 2, "scenario": "domain"},
            "head_layers: in the domain scenario all tasks share one head",
        ),
        ({"widen": 8, "scenario": "domain"}, "widen: in the domain scenario all tasks share one head"),
        ({"widen": -1}, "widen: -1 is not possible"),
        ({"widen": 8, "model": "lenet"}, "widen: only an mlp can be widened; the model is lenet."),
        ({"class_order": "icarl"}, "an order of the 100 classes of CIFAR-100"),
        ({"class_order": "naturel"}, "'naturel' is not an order. Did you mean 'natural'?"),
        ({"class_order": "1,2,3"}, "each of the numbers 0 to 9"),
        ({"mean": "0.1,0.2"}, "the images have 1 channel; 2 numbers"),
        ({"size": 32}, "only a folder's images"),
        (
            {"schedule": "plateau", "validation": 0.2, "lr_floor": 1},
            "lr_floor: a task ends once the rate is below 1, and it begins at 0.001.",
        ),
        ({"schedule": "plateau", "validation": 0.2, "lr": 0.1, "lr_floor": 0.1}, "below 0.1"),
    ],
)
def test_a_value_that_cannot_be_is_a_sentence(given, words):
    assert words in sentence("finetune", "split-mnist", given)


def test_a_floor_is_asked_for_by_the_plateau_alone():
    assert resolve("finetune", "split-mnist", {"lr_floor": 1}).recipe.lr_floor == 1
    plateau = {"schedule": "plateau", "validation": 0.2, "lr": 0.1}
    assert resolve("finetune", "split-mnist", plateau | {"lr_floor": 0.09}).recipe.lr_floor == 0.09


def test_names_that_do_not_exist_get_a_suggestion():
    assert "Did you mean 'finetune'?" in sentence("finetun", "split-mnist", {})
    assert "Did you mean split-mnist?" in sentence("finetune", "split-mnst/5", {})
    assert "Presets: hsu" in sentence("finetune", "split-mnist", {}, preset="none")
    assert "There is no file nowhere.py" in sentence("nowhere.py", "split-mnist", {})


def test_a_scenario_that_the_stream_has_not():
    assert "split-cifar100 has no domain scenario; it has class and task." in sentence(
        "finetune", "split-cifar100", {"scenario": "domain"}
    )


def test_a_method_that_needs_the_task_is_refused_where_it_is_hidden(mine):
    words = sentence(str(mine), "split-mnist", {"scenario": "class"})
    assert "mine must be told the task at test time, which the class scenario hides." in words
    assert "--scenario task" in words
    assert "finetune" in words
    assert resolve(str(mine), "split-mnist", {"scenario": "task"}).method == "mine"
    mine.write_text(MINE.replace('    scenarios = ("task",)\n', ""))  # needs_task alone says it too
    assert "Use --scenario task, or" in sentence(str(mine), "split-mnist", {"scenario": "domain"})


def test_all_errors_of_a_file_and_of_the_flags_at_once(tmp_path):
    path = config(tmp_path, "lr: -1\nbatch: two\nlimt: 3\n7: 1\nmean: {a: 1}\n")
    lines = sentence("finetune", "split-mnist", {"epochs": 0}, config=path).splitlines()
    assert len(lines) == 6
    assert [line.split(": ")[1] for line in lines[:5]] == ["lr", "batch", "limt", "7", "mean"]
    assert all(line.startswith(f"{path}: ") for line in lines[:5])
    assert "Did you mean 'limit'?" in lines[2]
    assert lines[5].startswith("epochs: 0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr: 1\nlr: 2\n", "line 2 is not valid YAML: 'lr' is given twice"),
        ("- 1\n", "holds no settings"),
        ("lr: 1\n? [a]\n: 2\n", "line 2 is not valid YAML: a key must be a single word"),
        ("? {a: 1}\n: 2\n", "line 1 is not valid YAML: a key must be a single word"),
        ("lr: [\n", "not valid YAML"),
        ("x: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("a: &a [1]\nb: *a\n", "references (& and *)"),
        ("[" * 5000, "a flat list of keys"),
        ("seed: 2000-13-45\n", "seed: 2000-13-45 is not possible"),
        ("seed: " + "9" * 5000, "not valid YAML"),
        ("lr: 1" + " " * 300_000, "too many for a file of settings"),
    ],
)
def test_a_file_that_is_no_list_of_settings(tmp_path, text, words):
    assert words in sentence("finetune", "split-mnist", {}, config=config(tmp_path, text))


def test_a_billion_laughs_are_refused_before_they_are_built(tmp_path):
    lines = ["a0: &a0 [lol]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert "references" in sentence("finetune", "split-mnist", {}, config=config(tmp_path, "\n".join(lines)))


def test_toml_is_read_too(tmp_path):
    settings = resolve(
        "finetune", "split-mnist", {}, config=config(tmp_path, "lr = 1e-2\nhidden = [9]\n", "toml")
    )
    assert (settings.recipe.lr, settings.hidden) == (0.01, (9,))
    assert "not valid TOML" in sentence(
        "finetune", "split-mnist", {}, config=config(tmp_path, "lr = ", "toml")
    )


CELLS = [
    (method, stream, scenario, preset)
    for method in method_names()
    for stream in ("split-digits", "permuted-mnist", "split-cifar100/20")
    for scenario in STREAMS[stream.partition("/")[0]].scenarios[:1]
    if scenario in method_facts(method).scenarios
    for preset in (None, *PRESETS)
    if preset is None or concerns(preset, method, stream, {"scenario": scenario})
]


@pytest.mark.parametrize(("method", "stream", "scenario", "preset"), CELLS)
def test_written_settings_are_read_back_as_they_were(tmp_path, method, stream, scenario, preset):
    given = {"scenario": scenario, "limit": 3, "lr": 1e-5, "hidden": None}
    settings = resolve(method, stream, given, preset=preset)
    write_settings(tmp_path / "settings.yaml", settings)
    again = read_settings(tmp_path / "settings.yaml")
    assert again == settings
    assert again.key == settings.key


def test_a_file_of_ones_own_is_read_back_while_it_is_the_same(tmp_path, mine):
    settings = resolve(
        str(mine), "split-mnist", {"scenario": "task", "bound": 2, "widths": "3,4", "squared": "true"}
    )
    assert settings.hyper == {
        "weight": 1.0, "warmup": 0.0, "scope": "new", "bound": 2.0, "squared": True, "widths": (3, 4),
    }  # fmt: skip
    write_settings(tmp_path / "settings.yaml", settings)
    assert read_settings(tmp_path / "settings.yaml") == settings
    mine.write_text(MINE + "# changed\n")
    with pytest.raises(SettingsError, match="written for another version"):
        read_settings(tmp_path / "settings.yaml")


def test_the_commented_file_has_every_setting_with_its_meaning():
    settings = resolve("finetune", "split-mnist", {})
    flags = all_flags(method_facts("finetune"))
    lines = to_yaml(settings, flags).splitlines()
    assert [line.split(":")[0] for line in lines] == list(to_mapping(settings))
    assert {line.split(":")[0] for line in lines if "  # " in line} == set(flags)


def test_threads_follow_the_network_and_the_jobs():
    def threads(stream, given=None, **kwargs):
        return resolve("finetune", stream, given or {}, **kwargs).threads

    assert threads("split-mnist", cores=8) == 1
    assert threads("split-cifar10", cores=8) == 4
    assert threads("split-cifar10", cores=2) == 2
    assert threads("split-cifar10", cores=8, jobs=2) == 1
    assert threads("split-cifar10", {"threads": "auto"}, cores=3) == 3
    assert threads("split-mnist", {"threads": "3"}, cores=8, jobs=2) == 3


def test_the_key_tells_every_setting_apart():
    base = resolve("finetune", "split-mnist", {})
    for field in dataclasses.fields(base):
        if field.name != "method_file":
            assert dataclasses.replace(base, **{field.name: "other"}).key != base.key, field.name


@pytest.mark.parametrize("name", method_names())
def test_no_method_has_a_setting_with_a_shared_name(name):
    assert not set(method_flags(method_facts(name))) & set(shared_flags())


def test_a_file_of_ones_own_with_a_shared_name_is_refused(tmp_path, mine):
    mine.write_text(MINE.replace("warmup", "lr"))
    assert "the setting 'lr' has the name of one that every method has" in sentence(
        str(mine), "split-mnist", {}
    )


def test_streams_are_cut_as_their_suffix_says(tmp_path):
    assert "too few for it" in sentence("finetune", "split-mnist/11", {})
    assert "too few for it" in sentence("finetune", "split-cifar100/B60-41", {})
    assert "there are 20 superclasses, a task for each" in sentence(
        "finetune", "cifar100-superclasses/21", {}
    )
    assert "others" in sentence("finetune", "cifar100-superclasses", {"class_order": "icarl"})
    assert "numbers 0 to 19" in sentence("finetune", "cifar100-superclasses", {"class_order": "1,2"})
    assert resolve("finetune", "cifar100-superclasses/2", {"class_order": "1993"}).class_order == "1993"
    assert "The suffix '/B5-5'" in sentence("finetune", "permuted-mnist/B5-5", {})
    assert "The suffix '/five'" in sentence("finetune", "split-mnist/five", {})
    assert "no domain scenario: its 10 classes" in sentence(
        "finetune", "split-mnist/3", {"scenario": "domain"}
    )
    assert "there is no order to choose" in sentence("finetune", "permuted-mnist", {"class_order": "seeded"})
    assert resolve("finetune", "split-cifar100/B50-5", {}).stream == "split-cifar100/B50-5"


def test_a_folder_is_named_from_the_root(tmp_path):
    for label in range(5):
        (tmp_path / "photos" / f"cat {label}").mkdir(parents=True)
    settings = resolve("finetune", f"{tmp_path}/photos/5", {})
    assert settings.stream == f"{tmp_path}/photos/5"
    assert settings.folder.startswith("finetune-photos-5-class-s0-")
    assert (settings.mean, settings.std, settings.model) == (None, None, "resnet18")
    assert "too few for it" in sentence("finetune", f"{tmp_path}/photos/6", {})
    assert resolve("finetune", f"{tmp_path}/photos", {"size": 24}).size == 24
    with pytest.raises(DataError, match="There is no folder nowhere"):
        resolve("finetune", "./nowhere", {})
