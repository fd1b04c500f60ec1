"""The page: whole, small, needing nothing else, and with names from outside as text only."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from fake_runs import fake_run

from forgetless.errors import StorageError
from forgetless.record import load
from forgetless.report.page import render_page, write_report


class Parsed(HTMLParser):
    """The elements of a page, whether they nest, and the text between them."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.words, self.broken = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module")
def page(compared, tmp_path_factory):
    output = tmp_path_factory.mktemp("page") / "report.html"
    write_report(compared, output)
    return output.read_text()


def test_the_page_is_whole_and_needs_nothing_else(page):
    parsed = Parsed(page)
    assert not parsed.open
    assert not parsed.broken
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed"}
    for tag, attributes in parsed.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("href", "#").startswith("#")
        assert "src" not in attributes
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert {attributes["href"][1:] for _, attributes in parsed.elements if "href" in attributes} <= {
        attributes["id"] for _, attributes in parsed.elements if "id" in attributes
    }


def test_the_page_says_who_forgets_and_shows_every_figure(page):
    parsed = Parsed(page)
    assert re.search(r"<h1>lwf forgets [\d.]+ points less than finetune on split-mnist in the class", page)
    for words in ("Accuracy after each task", "Forgetting of each task", "Loss over time", "What it costs"):
        assert parsed.text.count(words) == 2, words
    pictures = [
        attributes for tag, attributes in parsed.elements if tag == "svg" and "aria-hidden" not in attributes
    ]
    assert len(pictures) == 2 * (1 + 1 + 3 + 3)
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    captions = [tag for tag, _ in parsed.elements if tag == "figcaption"]
    assert len(captions) == len(pictures)
    assert "forgetless run --config lwf-split-mnist-class.yaml --seeds 3" in parsed.text
    assert "2.13.0" in parsed.text


def test_the_settings_on_the_page_are_those_of_the_runs(page, compared):
    blocks = [yaml.safe_load(text) for text in re.findall(r"<pre>(method: .*?)</pre>", page, re.DOTALL)]
    assert len(blocks) == 6
    wrote = [{k: v for k, v in load(path).settings.items() if k != "seed"} for path in compared]
    assert all(block in wrote for block in blocks)


def test_every_cell_of_the_heat_map_is_there(page, compared):
    assert len(re.findall(r"<title>task \d after task \d: ", page)) == 6 * 15
    runs = [load(path) for path in compared if "lwf-split-mnist-class" in path.name]
    mean = np.mean([run.accuracy[4, 0] for run in runs])
    assert f"task 1 after task 5: {100 * mean:.1f} %" in page


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a&b", "{{ 7*7 }}"]
)
def test_names_from_outside_are_text(tmp_path, name):
    runs = [
        fake_run(tmp_path / str(k), method, stream=stream, state=state, learned=2, **{"note`<b>`": name})
        for k, (method, stream) in enumerate(((name.replace("/", "_"), "s"), ("lwf", name)))
        for state in ("diverged",)
    ]
    result = runs[0] / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"error": name + "`<i>`"}))
    write_report([*runs, tmp_path / name.replace("/", "_")], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    parsed = Parsed(text)
    assert not parsed.broken
    assert not {tag for tag, _ in parsed.elements} & {"script", "img", "i"}
    assert "49" not in re.findall(r"<h2>(.*?),", text)
    assert name in parsed.text


def test_the_page_stays_small(tmp_path):
    runs = [fake_run(tmp_path, "lwf", weight=float(w), tasks=20, kept=0.1 * w) for w in range(1, 9)]
    runs += [fake_run(tmp_path, method, tasks=20) for method in ("finetune", "joint")]
    write_report(runs, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 1_000_000


@pytest.mark.parametrize("tasks", [1, 2, 20])
def test_one_run_of_any_length_makes_a_page(tmp_path, tasks):
    page = render_page([load(fake_run(tmp_path, "finetune", tasks=tasks))])
    assert not Parsed(page).broken
    assert ("Forgetting of each task" in page) == (tasks > 1)
    assert ("one task alone" in page) == (tasks == 1)


def test_troubled_runs_are_shown_with_their_state(troubled, tmp_path):
    write_report(troubled, tmp_path / "report.html")
    parsed = Parsed((tmp_path / "report.html").read_text())
    assert "diverged after 1 of 5 tasks, seed 0" in parsed.text
    assert f"{len(troubled)} runs, {len(troubled) - 3} finished" in parsed.text
    assert "2 seeds: 1 diverged" in parsed.text


def test_folders_that_cannot_be_read_are_named_on_the_page(tmp_path):
    good = fake_run(tmp_path)
    foreign = tmp_path / "holidays"
    foreign.mkdir()
    broken = fake_run(tmp_path, seed=1)
    (broken / "result.json").write_text("{")
    lost = write_report([foreign, good, broken, tmp_path / "gone"], tmp_path / "report.html")
    assert [one.folder for one in lost] == ["holidays", broken.name, "gone"]
    text = Parsed((tmp_path / "report.html").read_text()).text
    assert "Left out" in text
    assert "1 run, all finished, 3 more could not be read; 1 configuration" in text
    for word in ("holidays", "is not a run folder", "is damaged", "There is no run folder"):
        assert word in text


def test_a_damaged_log_or_no_environment_costs_only_what_it_held(tmp_path):
    path = fake_run(tmp_path)
    (path / "steps.jsonl").write_bytes(b"\xff\x00{{{\n[1]\n")
    (path / "environment.json").unlink()
    (path / "predictions.npz").write_bytes(b"not an archive")
    (path / "settings.yaml").unlink()
    page = render_page([load(path)])
    assert "Loss over time" not in page
    assert "The settings of these runs were not kept." in page


def test_nothing_to_report_is_an_error_and_no_file(tmp_path):
    with pytest.raises(StorageError, match="no run to report on"):
        write_report([], tmp_path / "report.html")
    with pytest.raises(StorageError, match="There is no run folder"):
        write_report([tmp_path / "gone"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_needs_no_torch_and_no_matplotlib(compared, tmp_path):
    code = (
        "import sys; from pathlib import Path; from forgetless.report.page import write_report; "
        "from forgetless.report.render import render_text; from forgetless.report.export import write_tables; "
        f"write_report([Path(p) for p in {list(map(str, compared))!r}], Path({str(tmp_path / 'r.html')!r})); "
        "sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (tmp_path / "r.html").exists()
