"""The certificate: it holds for what forgot nothing, and fails for one flipped bit of what an old task needs."""

import json
import re
import shutil

import pytest
import torch
from safetensors.numpy import load_file, save_file

from forgetless import certificate
from forgetless.certificate import certify
from forgetless.cli import main
from forgetless.cli.certify import ABOUT, lines
from forgetless.engine import choose_plan, describe_machine, restore
from forgetless.errors import InterruptedRun, SettingsError, StorageError
from forgetless.events import TaskScored
from forgetless.methods import METHODS
from forgetless.methods.registry import fresh_method
from forgetless.run import run_settings
from forgetless.settings.resolve import resolve

QUICK = {"epochs": 1, "limit": 20}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of a method that isolates."""
    settings = resolve("frozen", "split-digits/3", QUICK | {"scenario": "task"})
    return run_settings(settings, runs=tmp_path_factory.mktemp("runs")).path


@pytest.fixture
def run(finished, tmp_path):
    """A copy to damage."""
    return shutil.copytree(finished, tmp_path / finished.name)


def flip(run, name, place=0, bit=0):
    """Flip one bit of one stored tensor."""
    path = run / "model.safetensors"
    tensors = load_file(path)
    tensors[name].reshape(-1).view("uint8")[place] ^= 1 << bit
    save_file(tensors, path)


def test_what_forgot_nothing_is_certified(run, capsys):
    proof = certify(run)
    assert proof.holds
    assert [(task.task, task.changed, task.scores) for task in proof.tasks] == [
        (i, (), True) for i in range(3)
    ]
    assert main(["certify", str(run)]) == 0
    out = capsys.readouterr().out
    assert "certified: 3 tasks, nothing forgotten" in out
    for fact in ("1 thread", describe_machine(choose_plan("auto", 1, "mlp"))["precision"], "torch"):
        assert fact in out


def test_every_tensor_that_matters_is_guarded_bit_by_bit(run, tmp_path):
    names = [name for name, value in load_file(run / "model.safetensors").items() if value.dtype == "float32"]
    assert len(names) == 2 + 3 * 2  # one hidden layer, three heads
    for name in names:
        copy = shutil.copytree(run, tmp_path / name / run.name)
        flip(copy, name)  # the lowest bit of the first number: no accuracy would show it
        proof = certify(copy)
        assert not proof.holds, name
        guilty = [task.task for task in proof.tasks if task.changed]
        block = name.split("blocks.")[1][0] if "blocks." in name else None
        assert guilty == ([int(block)] if block else [0, 1, 2])


def test_a_change_is_refused_with_a_sentence_and_its_exit_code(run, capsys):
    flip(run, "model.head.blocks.1.weight")
    assert main(["certify", str(run)]) == 6
    printed = capsys.readouterr()
    assert "1 CHANGED" in printed.out
    assert "something that was learned has changed" in printed.err
    assert main(["certify", str(run), "--json"]) == 6
    assert json.loads(capsys.readouterr().out)["holds"] is False


def test_scores_fail_where_only_the_function_changed(run, monkeypatch):
    kept = certificate._scores

    def other(method, stream, index, plan):
        return kept(method, stream, index, plan) | {"scores": "another function of the same tensors"}

    monkeypatch.setattr(certificate, "_scores", other)
    assert [task.holds for task in certify(run).tasks] == [False] * 3


def test_on_another_machine_scores_are_not_compared_and_that_is_said(run):
    path = run / certificate.FILE
    facts = json.loads(path.read_text())
    facts["recorded_on"]["device_name"] = "another"
    path.write_text(json.dumps(facts))
    proof = certify(run)
    assert proof.holds
    assert proof.elsewhere == ("device_name",)
    assert [task.scores for task in proof.tasks] == [None] * 3
    assert "not comparable here" in "\n".join(lines(proof))


def test_a_certificate_kept_elsewhere_finds_a_run_that_was_exchanged(run, tmp_path):
    kept = tmp_path / "kept.json"
    shutil.copy(run / certificate.FILE, kept)
    other = resolve("frozen", "split-digits/3", QUICK | {"scenario": "task", "lr": 0.01})
    exchanged = run_settings(other, runs=tmp_path / "other").path
    assert certify(exchanged).holds
    assert not certify(exchanged, against=kept).holds
    assert certify(run, against=kept).holds


def test_a_run_that_was_stopped_and_resumed_has_the_same_certificate(finished, tmp_path):
    settings = resolve("frozen", "split-digits/3", QUICK | {"scenario": "task"})

    def stop(event):
        if isinstance(event, TaskScored) and event.task == 1:
            raise InterruptedRun("stopped")

    with pytest.raises(InterruptedRun):
        run_settings(settings, runs=tmp_path, listen=stop)
    again = run_settings(settings, runs=tmp_path)
    assert again.result["resumed"] == 1
    kept, made = ((path / certificate.FILE).read_text() for path in (finished, again.path))
    assert json.loads(made) == json.loads(kept)


@pytest.mark.parametrize(
    ("method", "scenario"), [("finetune", "class"), ("lwf", "task"), ("frozen", "class")]
)
def test_what_does_not_isolate_is_refused(method, scenario, tmp_path):
    settings = resolve(method, "split-digits/2", QUICK | {"scenario": scenario})
    path = run_settings(settings, runs=tmp_path).path
    assert not (path / certificate.FILE).exists()
    with pytest.raises(SettingsError, match="does not isolate"):
        certify(path)


def test_a_damaged_certificate_or_a_damaged_model_is_said(run):
    weights, path = run / "model.safetensors", run / certificate.FILE
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    with pytest.raises(StorageError, match="damaged"):
        certify(run)
    weights.write_bytes(whole)
    for text in ("{", "[]", '{"format": 1}', '{"format": 1, "tasks": [1]}', '{"format": 2, "tasks": []}'):
        path.write_text(text)
        with pytest.raises(StorageError, match="damaged"):
            certify(run)
    path.unlink()
    with pytest.raises(StorageError, match="Cannot read"):
        certify(run)


def test_a_flipped_bit_that_no_answer_hangs_on_is_said_too(tmp_path, capsys):
    settings = resolve("wsn", "split-digits/3", QUICK | {"scenario": "task"})
    run = run_settings(settings, runs=tmp_path / "runs").path
    assert certify(run).holds
    layer = "model.backbone.layers.0.weight"
    tensors = load_file(run / "model.safetensors")
    method = fresh_method(settings, (1, 8, 8))
    restore(method, {name: torch.from_numpy(value) for name, value in tensors.items()})
    free = int((~method.get_submodule(layer).masks.union()).flatten().nonzero()[0])  # no task's own
    for name, place in ((f"{layer}.s", 0), (f"{layer}.theta", free), ("measured.cap_paper", 0)):
        copy = shutil.copytree(run, tmp_path / name / run.name)
        flip(copy, name, place * tensors[name].itemsize)
        assert main(["certify", str(copy)]) == 5, name
        assert "not those that the run wrote" in capsys.readouterr().err
    result = run / "result.json"
    result.write_text(result.read_text().replace("weights_sha256", "another"))
    with pytest.raises(StorageError, match="not those that the run wrote"):
        certify(run)


def test_a_flipped_bit_of_a_used_weight_or_of_a_mask_makes_it_fail(tmp_path, capsys):
    settings = resolve("wsn", "split-digits/3", QUICK | {"scenario": "task", "hidden": "20,12"})
    run = run_settings(settings, runs=tmp_path / "runs").path
    layer = "model.backbone.layers.0.weight"
    tensors = load_file(run / "model.safetensors")
    method = fresh_method(settings, (1, 8, 8))
    restore(method, {name: torch.from_numpy(value) for name, value in tensors.items()})
    used = int(method.get_submodule(layer).masks.of(0).flatten().nonzero()[0])
    masks = [name for name in tensors if ".masks." in name]
    flips = [(f"{layer}.theta", 4 * used, 0)]
    flips += [(name, place, 3) for name in masks for place in range(0, len(tensors[name]), 7)]
    codes = []
    for number, (name, place, bit) in enumerate(flips):
        copy = shutil.copytree(run, tmp_path / str(number) / run.name)
        flip(copy, name, place, bit)
        codes.append(main(["certify", str(copy)]))
        said = capsys.readouterr()
        if codes[-1] == 6:
            named = name if name.endswith("theta") else f"{name.partition('.masks.')[0]}.mask"
            assert named.removeprefix("model.") in said.out, name
        else:
            assert "model.safetensors is damaged" in said.err, name
    assert set(codes) == {5, 6}, "the header of a mask's code, and the rest"
    assert codes[0] == 6


@pytest.mark.parametrize("name", ["model.backbone.layers.0.weight.masks.0", "model.head.blocks.2.weight"])
def test_a_model_without_what_a_task_answers_with_is_damaged(name, tmp_path):
    settings = resolve("wsn", "split-digits/3", QUICK | {"scenario": "task"})
    weights = run_settings(settings, runs=tmp_path).path / "model.safetensors"
    tensors = load_file(weights)
    del tensors[name]
    save_file(tensors, weights)
    with pytest.raises(StorageError, match="not those that the run wrote"):
        certify(weights.parent)


def row_with(**damage):
    """What spoils the first row of a certificate's tasks."""
    return lambda facts: {"tasks": [facts["tasks"][0] | damage, *facts["tasks"][1:]]}


def machine_with(**damage):
    """What spoils what a certificate says of the machine."""
    return lambda facts: {"recorded_on": facts["recorded_on"] | damage}


@pytest.mark.parametrize(
    "damage",
    [
        *({key: None} for key in ("method", "fingerprint", "recorded_on", "tasks")),
        *({"recorded_on": value} for value in ("a string", {}, [])),
        *(machine_with(**{key: None}) for key in ("platform", "threads")),
        *({"tasks": value} for value in ({}, 3, [None], [[]])),
        *(row_with(task=value) for value in ("a", True, 0.0, [], None)),
        *(row_with(tensors=value) for value in ([], "a", None)),
        *(row_with(**{key: None}) for key in ("probe", "scores")),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_damage(damage, run, capsys):
    path = run / certificate.FILE
    facts = json.loads(path.read_text())
    facts |= damage(facts) if callable(damage) else damage
    for spoilt in (facts, {key: value for key, value in facts.items() if value is not None}):
        path.write_text(json.dumps(spoilt))
        assert main(["certify", str(run)]) == 5
        assert "is damaged, or was not written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"null", b""]
)
def test_bytes_that_are_no_certificate_are_said(content, run):
    (run / certificate.FILE).write_bytes(content)
    with pytest.raises(StorageError, match="is damaged, or was not written"):
        certify(run)


@pytest.mark.parametrize("order", [[0, 1], [0, 0, 0], [0, 2, 1], [0, 1, 2, 2], [0, 1, 9], []])
def test_a_certificate_speaks_of_each_task_once_and_in_order(order, run):
    path = run / certificate.FILE
    facts = json.loads(path.read_text())
    rows = [facts["tasks"][index % 3] | {"task": index} for index in order]
    path.write_text(json.dumps(facts | {"tasks": rows}))
    with pytest.raises(StorageError, match="each of the 3 tasks once and in order"):
        certify(run)


@pytest.mark.parametrize("key", ["method", "stream", "scenario", "fingerprint"])
def test_a_certificate_of_another_run_is_refused(key, run, tmp_path):
    facts = json.loads((run / certificate.FILE).read_text())
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(facts | {key: "another"}))
    with pytest.raises(StorageError, match=r"kept\.json .*other"):
        certify(run, against=kept)


def test_the_help_names_examples_that_isolate_and_no_list_that_falls_behind():
    isolating = {name for name, made in METHODS.items() if made.isolates}
    named = {name for name in METHODS if re.search(rf"\b{name}\b", ABOUT)}
    assert named == isolating or (named <= isolating and all(f"such as {name}" in ABOUT for name in named))


def test_nothing_named_is_a_matter_of_usage(capsys):
    assert main(["certify"]) == 2
    assert "Which run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "form", "guarded"),
    [
        ("frozen", {"widen": 5, "hidden": (12, 8)}, 2 * (3 + 3) + 3 * 2),
        ("frozen", {"head_layers": 2, "hidden": (12, 8)}, 2 + 3 * 4),
        ("wsn", {"head_layers": 2, "hidden": (12, 8)}, None),
    ],
)
def test_networks_that_gain_nodes_or_layers_are_certified_too(method, form, guarded, tmp_path):
    settings = resolve(method, "split-digits/3", QUICK | form | {"scenario": "task"})
    run = run_settings(settings, runs=tmp_path / "runs").path
    assert certify(run).holds
    names = [name for name, value in load_file(run / "model.safetensors").items() if value.dtype == "float32"]
    if guarded is None:
        names = [name for name in names if "head.blocks.0" in name]
        assert len(names) == 2, "no biases, as in the official networks"
    else:
        assert len(names) == guarded
    for name in names:
        copy = shutil.copytree(run, tmp_path / name / run.name)
        flip(copy, name)
        assert not certify(copy).holds, name
