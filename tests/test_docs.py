"""The documentation: what it shows works, what is generated is whole, and no page says what it must not."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from docs import figures, generated, markdown, methods, pictures
from forgetless.cli import VERBS, asked, main
from forgetless.errors import ForgetlessError, SettingsError
from forgetless.metrics import METRICS
from forgetless.record import load
from forgetless.report.groups import sections_of
from forgetless.settings.catalog import MODELS, STREAMS
from forgetless.settings.fields import method_facts, method_names
from forgetless.settings.presets import PRESETS

TOP = Path(__file__).resolve().parents[1]
PAGES = [
    TOP / "README.md",
    *sorted((TOP / "docs").glob("*.md")),
    *sorted((TOP / "docs/differences").glob("*.md")),
]
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"python", "console", "sh", "{toctree}", "{include}"}
RUN = {"list", "config", "inspect", "completion", "doctor"}  # verbs that are done in a moment
ELSEWHERE = re.compile(r"(?<![\w.])/(work|tmp|home|root|opt|usr|var|mnt)/|\.\./shared|localhost|127\.0\.0\.1")


class UnderstoodError(Exception):
    """A command was parsed; it need not be run."""


def blocks(text, language):
    """The fenced blocks of a language."""
    return [body for kind, body in FENCE.findall(text) if kind == language]


def commands(text):
    """The words of each `forgetless` command in console blocks, up to a comment or a file for its output."""
    lines = [
        line[2:] for body in blocks(text, "console") for line in body.splitlines() if line.startswith("$ ")
    ]
    found = [shlex.split(line, comments=True) for line in lines if line.startswith("forgetless")]
    return [words[1 : words.index(">") if ">" in words else None] for words in found]


def method_page(name):
    return methods.page(method_facts(name), "no pictures")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder but for what the pages speak of: mine.py, photos, settings.yaml."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORGETLESS_RUNS", "FORGETLESS_DATA", "FORGETLESS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "mine.py").write_text(blocks((TOP / "docs/add.md").read_text(), "python")[0])
    for shade, name in enumerate(("cats", "dogs", "owls")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(6):
            Image.new("RGB", (32, 32), (40 * k, 80 * shade, 7)).save(tmp_path / "photos" / name / f"{k}.png")
    (tmp_path / "settings.yaml").write_text(generated.printed("config", "lwf", "split-digits"))
    return tmp_path


def understand(words, monkeypatch):
    """Take a command as far as its settings, by the program's own parser; to the end where that is quick."""
    verb = words[0]
    if verb in RUN or "--help" in words:
        assert main(words) == 0, words
    elif verb in ("run", "compare"):
        told = (
            asked.read_compare(words[1:], (), "")
            if verb == "compare"
            else asked.read_run(verb, words[1:], (), "")
        )
        assert told.cells(jobs=1), words
    else:
        module = import_module(f"forgetless.cli.{VERBS[verb][0]}")

        def parsed(command, argv, parse=module.parse):
            raise UnderstoodError(parse(command, argv))

        with monkeypatch.context() as patched:
            patched.setattr(module, "parse", parsed)
            with pytest.raises(UnderstoodError):
                module.main(words[1:])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_command_shown_is_understood(path, place, monkeypatch, capsys):
    text = path.read_text()
    assert {kind for kind, _ in FENCE.findall(text)} <= LANGUAGES
    for words in commands(text):
        understand(words, monkeypatch)


@pytest.mark.parametrize("name", method_names())
def test_every_method_page_has_commands_that_are_understood(name, place, monkeypatch, capsys):
    shown = commands(method_page(name))
    assert [words[0] for words in shown] == ["run", "compare", "check", "run"]
    for words in shown:
        understand(words, monkeypatch)


def test_a_command_that_is_wrong_is_noticed(place, monkeypatch):
    wrong = "```console\n$ forgetless run lwf split-digits --wieght 2  # no\n$ forgetless report --outptu x\n```\n"
    for words in commands(wrong):
        with pytest.raises(SettingsError, match="no flag"):
            understand(words, monkeypatch)
    with pytest.raises(ForgetlessError):
        understand(["run", "lfw", "split-digits"], monkeypatch)


def python(text, folder):
    """What the Python blocks of a page print, run one after the other in a process of their own."""
    (folder / "page.py").write_text("\n".join(blocks(text, "python")))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FORGETLESS_")}
    environment |= {"PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "page.py"], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "path", [path for path in PAGES if "```python" in path.read_text()], ids=lambda path: path.stem
)
def test_python_that_is_shown_runs(path, tmp_path):
    python(path.read_text(), tmp_path)


def test_the_method_that_is_shown_learns(place):
    shown = [blocks((TOP / name).read_text(), "python") for name in ("README.md", "docs/add.md")]
    assert shown[0][1] == shown[1][0].removeprefix("# mine.py\n")
    learn = 'fl.run("./mine.py", "split-digits", epochs=1, limit=5, tasks=2, hidden="8", weight=2)'
    assert "accuracy" in python(f"```python\nimport forgetless as fl\nprint({learn}.metrics)\n```\n", place)


def test_python_that_fails_is_noticed(tmp_path):
    assert python("```python\nprint(1)\n```\n```python\nprint(2)\n```\n", tmp_path) == "1\n2\n"
    with pytest.raises(AssertionError, match="NameError"):
        python("```python\nnothing\n```\n", tmp_path)


@pytest.mark.parametrize("name", method_names())
def test_every_method_has_its_page_with_all_fields_and_its_differences(name):
    facts, text = method_facts(name), method_page(name)
    for part in (
        "Where it is defined",
        "What can be set",
        "Run it",
        "Our figures",
        "Where we differ from the paper",
    ):
        assert f"\n## {part}\n" in text
    for field in facts.fields:
        assert f"\n| `{field.name}` |" in text
    assert len(methods.differences(name)) > 100
    assert methods.differences(name) in text
    boxes = [part for part in facts.doc.split("\n\n") if part.startswith("    ")]
    for line in "\n".join(boxes).splitlines():
        assert line[4:] in text or line.strip() in methods.citation(facts.doc)


def test_differences_are_of_methods_that_there_are():
    assert {path.stem for path in methods.DIFFERENCES.glob("*.md")} == set(method_names())


def test_a_method_without_differences_is_noticed(tmp_path, monkeypatch):
    assert not methods.without_differences()
    monkeypatch.setattr(methods, "DIFFERENCES", tmp_path)
    (tmp_path / "lwf.md").write_text("Here and there.")
    assert set(methods.without_differences()) == set(method_names()) - {"lwf"}


def test_the_box_stays_as_it_is_written():
    parts = list(methods.algorithm(method_facts("lwf").doc))
    assert parts[0].startswith("> Li & Hoiem")
    assert "(https://arxiv.org/abs/1606.09282v3)" in parts[0]
    (box,) = [part for part in parts if part.startswith("```")]
    assert "\njoint        train θ_s, θ_o, θ_n on λ_o L_old(Y_o, Ŷ_o) + L_new(Y_n, Ŷ_n)" in box
    assert not methods.citation(method_facts("cumulative").doc)
    assert methods.symbol_of(method_facts("lwf").fields[0])[0] == "λ_o"


def test_pages_of_methods_that_are_gone_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "PAGES", tmp_path)
    (tmp_path / "gone.md").write_text("# Gone")
    methods.write_pages(pictures.left_out)
    assert {path.stem for path in tmp_path.glob("*.md")} == {*method_names(), "index"}
    before = (tmp_path / "lwf.md").stat().st_mtime_ns
    methods.write_pages(pictures.left_out)
    assert (tmp_path / "lwf.md").stat().st_mtime_ns == before


def test_what_is_generated_is_whole():
    for text, names in (
        (generated.streams(), STREAMS), (generated.models(), MODELS), (generated.metrics(), METRICS),
    ):  # fmt: skip
        assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == list(names)
    assert re.findall(r"^## `(.*)`$", generated.presets(), re.MULTILINE) == list(PRESETS)
    assert re.findall(r"^## forgetless (.*)$", generated.commands(), re.MULTILINE) == list(VERBS)
    assert "every term moves a weight" in generated.method_contract()
    assert "--kd-scale-t2" in generated.run_help()


def test_every_gap_of_a_page_is_known():
    found = {name for path in PAGES for name in generated.MARK.findall(path.read_text())}
    assert found == {*generated.TABLES, *generated.RUNS}
    with pytest.raises(LookupError):
        generated.filled("<!-- generated: nothing -->", None)


def test_our_figures_are_the_rows_of_the_method():
    assert "lwf (vandeven)" in figures.of_method("lwf")
    own = figures.of_method("l2_anchor")
    assert "alpha 0.05" in own
    assert "finetune" not in own
    assert "| frozen |" in figures.of_method("lwf"), "a table that is about a method is shown whole"
    assert "kill -9" in figures.of_method("lwf")
    assert figures.of_method("nobody").startswith("None are recorded yet")


def test_pictures_have_the_colours_of_the_report_in_light_and_dark():
    style = pictures.style()
    assert style.count("{") == style.count("}")
    for theme in ("", 'body[data-theme="dark"] ', 'body:not([data-theme="light"]) '):
        assert re.search(re.escape(theme) + r"\.drawn \{\n[^}]*--c6: #", style)
    assert ".h10 rect" in style
    assert "prefers-color-scheme" not in style.partition("body")[0]


def test_only_a_methods_own_pictures_and_those_of_all_are_on_its_page(compared):
    (section,) = [one for one in sections_of([load(path) for path in compared]) if one.scenario == "class"]
    titles = re.findall(r"<figcaption>(.*?)<span>", pictures.drawn(section, "lwf"))
    assert titles[:2] == ["Mean accuracy over the tasks seen so far", "Forgetting of each task, in points"]
    assert "Accuracy matrix of lwf" in titles
    assert not [title for title in titles if "finetune" in title or "joint" in title]
    assert re.findall(r"<figcaption>(.*?)<span>", pictures.drawn(section, "")) == titles[:2]


def test_marks_in_text_are_harmless():
    assert markdown.prose("a_b * `c_d` | <e>") == r"a\_b \* `c_d` \| \<e\>"
    assert markdown.table(("a",), [("`x|y`",)]).splitlines()[2] == r"| `x\|y` |"
    assert markdown.block("```\n```").startswith("````text\n")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_page_names_a_machines_path(path):
    assert not ELSEWHERE.search(path.read_text())


def test_no_generated_page_names_a_machines_path():
    texts = [method_page(name) for name in method_names()] + [make() for make in generated.TABLES.values()]
    assert not [found.group() for text in texts if (found := ELSEWHERE.search(text))]
    assert ELSEWHERE.search("/".join(("in ", "home", "me")))
    assert ELSEWHERE.search("/".join(("see ..", "shared", "x")))


def test_the_site_builds_without_a_warning_and_reaches_nowhere(tmp_path):
    for name in ("sphinx", "furo", "myst_parser"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed; `make docs` builds the site where it is")
    ignored = shutil.ignore_patterns("_build", "method", "__pycache__")
    for folder in ("docs", "benchmarks"):
        shutil.copytree(TOP / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(TOP / "CHANGELOG.md", tmp_path)
    build = [
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-D",
        "draw_pictures=0",
        "-b",
        "html",
        "docs",
        "html",
    ]
    done = subprocess.run(
        [sys.executable, *build], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(TOP)}, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    site = tmp_path / "html"
    pages = {path.relative_to(site).as_posix(): path.read_text() for path in site.rglob("*.html")}
    assert {f"method/{name}.html" for name in method_names()} <= set(pages)
    remote = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?:https?:)?//")
    assert not [name for name, text in pages.items() if remote.search(text) or ELSEWHERE.search(text)]
