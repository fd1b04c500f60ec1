"""The command line as a user meets it: words in, text and an exit code out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from forgetless.cli import VERBS, main, printable
from forgetless.settings.fields import method_facts, method_names

QUICK = ("--epochs", "1", "--hidden", "8", "--batch", "256", "--limit", "20")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder, with no environment of the machine's."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORGETLESS_RUNS", "FORGETLESS_DATA", "FORGETLESS_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def refused(capsys, *words: str) -> str:
    """The message of a command that is refused as a mistake in its words, with nothing on standard output."""
    code = main(words)
    out, err = capsys.readouterr()
    assert code == 2, (code, out, err)
    assert out == ""
    assert "Traceback" not in err
    return err


def python(code: str, **environment: str) -> str:
    """What a fresh process prints."""
    variables = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables, timeout=120
    )
    return done.stdout


def imported(*commands: list[str]) -> set[str]:
    """The heavy packages that commands, one after the other in one process, bring in."""
    heavy = ("torch", "tyro", "pydantic", "matplotlib", "sklearn")
    code = (
        f"import sys; from forgetless.cli import main; [main(words) == 0 or 1 / 0 for words in {commands!r}]"
    )
    lines = python(
        f"{code}; print(); print(*[name for name in {heavy!r} if name in sys.modules])"
    ).splitlines()
    return set(lines[-1].split())


def test_help_imports_nothing_heavy():
    assert imported(["--help"], [], ["--version"]) == set()


HELP = (
    ["run", "lwf", "--help"], ["run", "--help"], ["compare", "--help"], ["config", "--help"], ["doctor", "--help"],
    ["compare", "lwf", "--on", "split-mnist", "--help"], ["demo", "--help"], ["inspect", "--help"], ["check", "--help"],
    ["resume", "--help"], ["report", "--help"], ["list", "--help"], ["completion", "bash"],
)  # fmt: skip


def test_help_needs_no_torch():
    assert imported(*HELP) == {"tyro"}


def test_what_only_tells_needs_no_torch():
    assert not imported(["config", "lwf", "split-mnist"], ["list"], ["list", "--json"]) & {"torch", "sklearn"}


def test_importing_the_package_needs_no_torch():
    assert python("import sys, forgetless; print('torch' in sys.modules, forgetless.__version__)").startswith(
        "False"
    )


def test_overview_names_every_verb(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert main([]) == 0
    assert capsys.readouterr().out == out


def test_the_module_runs_as_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "forgetless", "--version"],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    assert re.fullmatch(r"forgetless \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("method", method_names())
def test_help_of_a_method_lists_its_own_settings_with_their_meaning(capsys, method):
    assert main(["run", method, "split-mnist", "--help"]) == 0
    out = capsys.readouterr().out
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", out).split())
    for field in method_facts(method).fields:
        assert f"--{field.name.replace('_', '-')} " in out
        assert field.help, f"{method}.{field.name} has no comment that says what it means"
        assert " ".join(field.help.split()) in text
    assert "Examples:" in out
    assert "--lr FLOAT>0" in out
    assert "(default: 0.001)" in text  # the stream's own


def test_unknown_words_get_a_suggestion(capsys):
    assert "There is no verb 'runn'. Did you mean 'run'?" in refused(capsys, "runn", "lwf")
    assert "flags come after the verb" in refused(capsys, "--json", "list")
    assert "There is no method 'lfw'. Did you mean 'lwf'?" in refused(capsys, "run", "lfw", "split-mnist")
    assert "Did you mean split-mnist?" in refused(capsys, "run", "lwf", "split-mnst")
    assert "has no flag --lrr. Did you mean 'lr'?" in refused(
        capsys, "run", "lwf", "split-mnist", "--lrr", "1"
    )
    assert "has no flag --weight" in refused(capsys, "run", "finetune", "split-mnist", "--weight", "1")
    assert "no list of 'stream'. Did you mean 'streams'?" in refused(capsys, "list", "stream")
    assert "There is no model 'resnet23'" in refused(
        capsys, "run", "lwf", "split-mnist", "--model", "resnet23"
    )
    assert "no preset 'hsuu'. Did you mean 'hsu'?" in refused(
        capsys, "run", "lwf", "split-mnist", "--preset", "hsuu"
    )
    assert "Did you mean 'split-digits'?" in refused(capsys, "check", "split-digit")
    assert "Did you mean 'bash'?" in refused(capsys, "completion", "bsh")


def test_words_that_are_missing(capsys):
    assert "Which method?" in refused(capsys, "run")
    assert "Which stream?" in refused(capsys, "run", "lwf")
    assert "Which method?" in refused(capsys, "compare", "--on", "split-mnist")
    assert "Which stream?" in refused(capsys, "compare", "lwf")
    assert "What is to be checked?" in refused(capsys, "check")
    assert "Which folder?" in refused(capsys, "inspect")
    assert "Missing value" in refused(capsys, "run", "lwf", "split-mnist", "--lr")
    assert "Unrecognized options: extra" in refused(capsys, "run", "lwf", "split-mnist", "extra")


def test_values_that_cannot_be_are_told_all_at_once(capsys):
    err = refused(capsys, "run", "lwf", "split-mnist", "--lr", "-1", "--batch", "two", "--weight", "-3")
    assert [line.removeprefix("forgetless: ").split(":")[0] for line in err.splitlines()] == [
        "weight",
        "batch",
        "lr",
    ]
    assert "seeds: 0 is not possible" in refused(capsys, "run", "lwf", "split-mnist", "--seeds", "0")
    assert "jobs: x is not possible" in refused(capsys, "run", "lwf", "split-mnist", "--jobs", "x")
    assert "leave one out" in refused(capsys, "run", "lwf", "split-mnist", "--seeds", "2", "--seed", "1")


def test_an_unknown_folder_is_a_matter_of_data(capsys):
    assert main(["run", "lwf", "./nowhere"]) == 3
    assert "There is no folder nowhere" in capsys.readouterr().err


def test_truth_values_are_given_as_flags(capsys):
    def setting(*words: str) -> object:
        assert main(["config", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert setting("lwf", "split-mnist")["kd_scale_t2"] is False
    assert setting("lwf", "split-mnist", "--kd-scale-t2")["kd_scale_t2"] is True
    assert setting("lwf", "split-mnist", "--kd-scale-t2", "false")["kd_scale_t2"] is False
    assert setting("lwf", "split-mnist", "--no-train-old-heads")["train_old_heads"] is False
    assert setting("--no-augment", "lwf", "split-mnist")["augment"] is False
    assert setting("--lr=0.5", "lwf", "split-mnist", "--class_order", "seeded")["lr"] == 0.5


def test_config_prints_what_run_takes(capsys):
    assert main(["config", "lwf", "split-mnist", "--preset", "vandeven", "--weight", "3"]) == 0
    text = capsys.readouterr().out
    assert "steps: 2000  # mini-batches" in text
    assert "weight: 3.0  # " in text
    Path("settings.yaml").write_text(text)
    assert main(["config", "--config", "settings.yaml"]) == 0
    assert capsys.readouterr().out == text
    assert (
        "weight: 4.0"
        in (main(["config", "--config=settings.yaml", "--weight", "4"]), capsys.readouterr().out)[1]
    )
    err = refused(capsys, "run", "finetune", "--config", "settings.yaml")
    assert "settings.yaml: temperature: finetune has no such setting." in err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_verbs_and_flags(capsys, shell):
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    for word in ("compare", "--class-order", "temperature"):
        assert word in out


def test_lists_as_json_have_names(capsys):
    for kind in ("methods", "streams", "models", "metrics", "presets"):
        assert main(["list", kind, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert rows
        assert all(isinstance(row["name"], str) and row["name"] for row in rows)
    assert main(["list", "--json"]) == 0
    assert {row["kind"] for row in json.loads(capsys.readouterr().out)} == {
        "method", "stream", "model", "metric", "preset",
    }  # fmt: skip


def test_messages_cannot_control_a_terminal(capsys):
    assert printable("a\x1b[31mb\nc\rλ") == "a\\x1b[31mb\nc\\rλ"
    err = refused(capsys, "run", "lwf\x1b[2J", "split-mnist")
    assert not CONTROL.search(err)


def test_errors_show_their_traceback_on_request(monkeypatch):
    from forgetless.errors import SettingsError

    monkeypatch.setenv("FORGETLESS_DEBUG", "1")
    with pytest.raises(SettingsError):
        main(["run", "lfw", "split-mnist"])


def test_a_second_stop_is_130(monkeypatch, capsys):
    def stopped(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("forgetless.cli.listing.main", stopped)
    assert main(["list"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_has_had_enough_is_no_failure():
    code = "import sys; from forgetless.cli import main; sys.exit(main(['list']))"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -u -c "{code}" | true; echo ${{PIPESTATUS[0]}}'],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert done.stdout == "0\n"
    assert done.stderr == ""
