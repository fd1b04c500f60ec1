"""Verbs that train: what they print, what they leave, how they end."""

import json
import re
from pathlib import Path
from urllib.error import URLError
from urllib.request import OpenerDirector

import pytest
import torch

from forgetless import record
from forgetless.cli import main
from forgetless.cli.demo import moral
from forgetless.errors import DataError, InterruptedRun

QUICK = ("--epochs", "1", "--hidden", "8", "--batch", "256", "--limit", "20")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")

MINE = '''"""Mine: a trial."""

from forgetless import Fit, Method, method


@method("mine")
class Mine(Method):
    """Cross-entropy, as it comes."""

    share: float = 1.0  # of the loss that is used

    def learn(self, task):
        self.model.grow(task.classes)
        yield Fit(task.train)
'''


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FORGETLESS_RUNS", "FORGETLESS_DATA", "FORGETLESS_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def test_run_prints_its_result_and_is_reused(capsys):
    words = ["run", "finetune", "split-digits", *QUICK]
    assert main(words) == 0
    first = capsys.readouterr()
    assert "finetune on split-digits, class scenario, seed 0" in first.out
    assert "average accuracy" in first.out
    assert "task 5 learned" in first.err
    assert not CONTROL.search(first.out + first.err)
    assert main(words) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert "reused" in again.err
    assert "learned" not in again.err
    assert main([*words, "--fresh", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("finetune-split-digits-class-s0-")


def test_run_as_json_has_standard_output_for_itself(capsys, monkeypatch):
    monkeypatch.setenv("FORGETLESS_RUNS", "elsewhere")
    assert main(["run", "finetune", "split-digits", "--json", "--seeds", "2", *QUICK]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [(result["seed"], result["state"]) for result in results] == [(0, "finished"), (1, "finished")]
    assert all(Path(result["path"]).parent == Path("elsewhere") for result in results)


def test_a_run_is_repeated_from_its_settings(capsys):
    assert main(["run", "lwf", "split-digits", "--json", "--weight", "3", *QUICK]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["run", "--config", f"{first['path']}/settings.yaml", "--runs", "again", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert Path(second["path"]).name == Path(first["path"]).name
    assert second["accuracy"] == first["accuracy"]
    assert second["weights_sha256"] == first["weights_sha256"]


def test_compare_puts_methods_scenarios_and_seeds_into_one_table(capsys):
    words = [
        "compare",
        "finetune",
        "joint",
        "--on",
        "split-digits",
        "--scenario",
        "task,class",
        "--seeds",
        "2",
        *QUICK,
    ]
    assert main([*words, "--jobs", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["scenario"], row["method"], row["seeds"]) for row in rows] == [
        ("task", "finetune", [0, 1]), ("task", "joint", [0, 1]),
        ("class", "finetune", [0, 1]), ("class", "joint", [0, 1]),
    ]  # fmt: skip
    assert main([*words, "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "finetune" in out
    assert "joint" in out
    assert "split-digits" in out


def test_a_flag_of_one_method_leaves_the_others_alone(capsys):
    words = ["compare", "finetune", "lwf", "--on", "split-digits", "--weight", "3", *QUICK]
    assert main([*words, "--jobs", "1", "--json"]) == 0
    rows = {row["method"]: row["settings"] for row in json.loads(capsys.readouterr().out)}
    assert rows["lwf"]["weight"] == 3.0
    assert "weight" not in rows["finetune"]


def test_a_preset_leaves_methods_alone_that_it_has_nothing_for(capsys):
    words = ["compare", "finetune", "lwf", "--on", "split-digits", *QUICK, "--jobs", "1", "--json"]
    assert main([*words, "--preset", "paper"]) == 0
    captured = capsys.readouterr()
    assert "preset paper: nothing for finetune; run without it." in captured.err
    rows = {row["method"]: row["settings"] for row in json.loads(captured.out)}
    assert rows["lwf"]["teacher"] == "recorded"
    assert main([*words, "--preset", "lwm-cvpr19"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "lwm-cvpr19 sets nothing for finetune on split-digits" in captured.err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_cell_that_fails_is_named_and_the_table_has_the_others(capsys, jobs):
    words = ["compare", "finetune", "lwm", "--on", "split-digits", *QUICK, "--jobs", jobs, "--quiet"]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert "finetune" in captured.out
    assert "lwm" not in captured.out
    assert re.search(r"^forgetless: lwm-split-digits-class-s0-\w+: .* MLP has none", captured.err)
    assert "Traceback" not in captured.err


def test_where_every_cell_fails_there_is_no_table(capsys):
    assert main(["compare", "lwm", "--on", "split-digits", *QUICK, "--jobs", "1"]) == 2
    assert capsys.readouterr().out == ""
    assert main(["run", "lwm", "split-digits", *QUICK, "--seeds", "2", "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert captured.err.count("MLP has none") == 2


def test_an_interrupted_run_is_resumed(capsys, monkeypatch):
    from forgetless import cell

    words = ["run", "finetune", "split-digits", *QUICK]
    learn = cell.Cell._learn_and_score

    def once(self):
        learn(self)
        raise self._interruption()

    monkeypatch.setattr(cell.Cell, "_learn_and_score", once)
    assert main(words) == 75
    err = capsys.readouterr().err
    assert "forgetless resume" in err
    assert "Traceback" not in err
    monkeypatch.setattr(cell.Cell, "_learn_and_score", learn)
    assert main(["resume", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["state"], result["resumed"]) == ("finished", 1)
    assert main(["resume"]) == 0
    assert "Nothing under runs is unfinished" in capsys.readouterr().err
    assert issubclass(InterruptedRun, Exception)


def test_a_run_that_fails_does_not_keep_the_others_from_being_resumed(capsys, monkeypatch):
    from forgetless import cell

    learn = cell.Cell._learn_and_score

    def stop(self):
        raise self._interruption()

    def fail(self):
        if self.settings.seed == 0:
            raise RuntimeError("out of memory")
        if self.settings.seed == 1:
            raise DataError("no such image")
        learn(self)

    monkeypatch.setattr(cell.Cell, "_learn_and_score", stop)
    for seed in "012":
        assert main(["run", "finetune", "split-digits", "--seed", seed, *QUICK]) == 75
    capsys.readouterr()
    monkeypatch.setattr(cell.Cell, "_learn_and_score", fail)
    assert main(["resume", "--json"]) == 1, "the code of the first failure"
    captured = capsys.readouterr()
    assert [result["seed"] for result in json.loads(captured.out)] == [2]
    assert re.search(r"class-s0-\w+: It crashed: RuntimeError: out of memory\.", captured.err)
    assert re.search(r"class-s1-\w+: no such image", captured.err)
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_crash_does_not_take_the_table_with_it(capsys, jobs):
    """What one method measured of itself cannot be written down: its own lines are not to blame."""
    line = "self.measured['odd'] = __import__('torch').zeros(1, dtype=__import__('torch').complex64)"
    Path("mine.py").write_text(MINE.replace("self.model.grow", f"{line}\n        self.model.grow"))
    words = ["compare", "./mine.py", "finetune", "--on", "split-digits", *QUICK, "--jobs", jobs, "--json"]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert [row["method"] for row in json.loads(captured.out)] == ["finetune"]
    assert re.search(r"mine-split-digits-class-s0-\w+: It crashed: TypeError: ", captured.err)
    assert "Traceback" not in captured.err
    with pytest.raises(TypeError):
        main(["run", "./mine.py", "split-digits", *QUICK])


def test_a_crash_shows_how_it_came_about_on_request(capsys, monkeypatch):
    def crash(self):
        raise KeyError("seven")

    monkeypatch.setattr("forgetless.cell.Cell._learn_and_score", crash)
    monkeypatch.setenv("FORGETLESS_DEBUG", "1")
    assert main(["run", "finetune", "split-digits", "--seeds", "2", *QUICK]) == 1
    err = capsys.readouterr().err
    assert err.count("Traceback") == err.count("It crashed: KeyError: 'seven'.") == 2
    assert record.load(next(Path("runs").iterdir())).state == "failed"


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 2147483648 bytes."),
         "than there is: it asked for 2.0 GiB at once."),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has"),
         "it asked for 20.00 MiB at once."),
        (MemoryError(), "than there is. A smaller network"),
    ],
)  # fmt: skip
def test_too_little_memory_is_a_sentence(capsys, monkeypatch, raised, words):
    def crash(self):
        raise raised

    monkeypatch.setattr("forgetless.cell.Cell._learn_and_score", crash)
    assert main(["run", "finetune", "split-digits", *QUICK]) == 2
    assert words in capsys.readouterr().err
    assert not list(Path("runs").iterdir()), "what is refused before its first step leaves nothing"


def test_a_network_beyond_any_memory_is_refused(capsys):
    assert main(["run", "finetune", "split-digits", "--hidden", f"{10**12},{10**12}", "--quiet"]) == 2
    assert "forgetless: The run needs more memory" in capsys.readouterr().err


def test_every_cell_that_cannot_be_is_named_at_once(capsys):
    words = ["compare", "finetune", "lwm", "wsn", "--on", "split-digits", "--scenario", "task,domain,class"]
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("forgetless: ").split(" ")[0] for line in lines] == ["lwm", "wsn", "wsn"]


@pytest.mark.parametrize("name", ["json", "seeds", "training", "method", "on"])
def test_a_method_may_be_called_as_a_word_of_the_command_line_is(capsys, name):
    Path("mine.py").write_text(MINE.replace('"mine"', f'"{name}"'))
    for words in (
        ["run", "./mine.py", "split-digits"],
        ["compare", "./mine.py", "finetune", "--on", "split-digits"],
    ):
        assert main([*words, "--help"]) == 0
        assert "--share FLOAT" in capsys.readouterr().out


def test_resuming_what_is_no_run_folder_is_a_matter_of_storage(capsys):
    assert main(["resume", "nowhere"]) == 5
    assert "nowhere is no run folder" in capsys.readouterr().err


def test_a_run_that_diverges_ends_with_4(capsys):
    words = ["run", "finetune", "split-digits", "--optimizer", "sgd", "--lr", "1e30", "--quiet", *QUICK[2:]]
    assert main(words) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "not a finite number" in captured.err or "diverged" in captured.err
    assert main(["compare", *words[1:2], "--on", *words[2:], "--jobs", "1"]) == 4
    captured = capsys.readouterr()
    assert "diverged" in captured.out
    assert "Traceback" not in captured.err


def test_a_place_that_cannot_be_written_ends_with_5(capsys):
    Path("taken").write_text("a file, not a folder")
    assert main(["run", "finetune", "split-digits", "--runs", "taken", *QUICK]) == 5
    assert "taken" in capsys.readouterr().err


def test_a_data_set_that_is_not_there_ends_with_3(capsys, monkeypatch):
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(OpenerDirector, "open", unreachable)
    assert main(["run", "finetune", "split-mnist", "--data", "empty", *QUICK]) == 3
    err = capsys.readouterr().err
    assert "train-images-idx3-ubyte" in err
    assert "Traceback" not in err


def test_a_method_of_ones_own_is_run_and_its_faults_are_named(capsys):
    Path("mine.py").write_text(MINE)
    assert main(["run", "./mine.py", "split-digits", "--share", "0.5", "--json", *QUICK]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["method"] == "mine"
    settings = record.load(result["path"]).settings
    assert settings["share"] == 0.5
    assert settings["method_sha256"]
    Path("mine.py").write_text(MINE.replace("self.model.grow", "self.model.shrink"))
    assert main(["run", "mine.py", "split-digits", *QUICK]) == 2
    err = capsys.readouterr().err
    assert "mine.py, line 13, in learn: AttributeError" in err
    assert "self.model.shrink(task.classes)" in err
    assert "Traceback" not in err


def test_report_writes_one_page(capsys):
    assert main(["report"]) == 5
    assert "There is no folder runs" in capsys.readouterr().err
    assert main(["run", "finetune", "split-digits", *QUICK]) == 0
    capsys.readouterr()
    assert main(["report", "-o", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n"
    assert Path("page.html").read_text().startswith("<!doctype html>")
    Path("nothing").mkdir()
    assert main(["report", "nothing"]) == 3


def test_check_tells_what_is_in_a_stream(capsys):
    assert main(["check", "split-digits/2"]) == 0
    out = capsys.readouterr().out
    assert "split-digits/2, class scenario: 2 tasks, inputs 1x8x8" in out
    assert "task 2: " in out


def test_inspect_tells_what_is_wrong_with_a_folder(capsys):
    from PIL import Image

    for label in ("cat", "dog"):
        Path("photos", label).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (9, 9), (i, 9, len(label) + ord(label[0]))).save(
                Path("photos", label, f"{i}.png")
            )
    assert main(["inspect", "photos"]) == 0
    out = capsys.readouterr().out
    assert "photos: 12 images of 2 classes, colour, brought to 32 x 32 pixels" in out
    assert "A fifth of each class will be held out" in out
    Path("photos", "dog", "broken.png").write_bytes(b"no image")
    assert main(["inspect", "photos", "--json"]) == 3
    captured = capsys.readouterr()
    assert any("broken.png" in problem["text"] for problem in json.loads(captured.out)["problems"])
    assert "1 errors must be mended" in captured.err


def test_demo_shows_forgetting_and_its_cure(capsys):
    assert main(["demo", "--seeds", "1", "--jobs", "1", "-o", "demo.html", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert all(word in captured.out for word in ("finetune", "lwf", "joint", "task", "class"))
    sentence = captured.out.strip().splitlines()[-1]
    floor, ceiling, cured, _ = (int(number) for number in re.findall(r"(\d+) %", sentence))
    assert floor < 30 < cured < 90 < ceiling  # what a user is told is seen
    assert Path("demo.html").stat().st_size > 10_000


def test_the_demos_sentence_is_of_its_own_runs(fake_run):
    runs = [
        fake_run(method=method, scenario=scenario, average_accuracy=value)
        for scenario in ("task", "class")
        for method, value in (("finetune", 0.2), ("lwf", 0.5), ("joint", 0.8))
    ]
    for line in moral(runs).splitlines():
        assert "gets 20 % right, where all data at once give 80 %" in line
        assert "gets 50 %: it kept 50 % of what was forgotten" in line
    near = [fake_run(method=run.method, scenario=run.scenario, average_accuracy=0.97) for run in runs]
    assert moral(near).count("little is forgotten here") == 2
    assert "not every run finished" in moral([fake_run(method="lwf", scenario=s) for s in ("task", "class")])


@pytest.fixture
def fake_run(tmp_path):
    def make(**facts):
        value = facts.pop("average_accuracy", None)
        result = {"state": "finished", "metrics": {"average_accuracy": value}} | facts
        return record.Run(tmp_path, {}, result)

    return make


def test_doctor_looks_at_the_machine(capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts) >= {"torch", "device", "precision", "threads", "runs", "data", "versions"}
    assert "mlp: " in facts["precision"]


def test_doctor_works_where_torch_does_not(capsys, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.startswith(("forgetless.data", "forgetless.engine"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "torch       cannot be used: ModuleNotFoundError" in out
    assert "without torch" in out
