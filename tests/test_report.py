"""The table and the page: what is grouped, what is shown of it, and that nothing else gets in."""

import csv
import io
import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from fake_runs import comparison, fake_run

from forgetless.errors import StorageError
from forgetless.record import load
from forgetless.report import figures, formats, svg
from forgetless.report.export import write_tables
from forgetless.report.groups import sections_of
from forgetless.report.notes import Note, notes_for
from forgetless.report.page import render_page, write_report
from forgetless.report.palette import colours_of, heat_rules
from forgetless.report.render import render_csv, render_markdown, render_text
from forgetless.report.series import POINTS, Series, after_each_task, forgetting_of_tasks, heat_of, losses_of
from forgetless.report.table import make_table, to_json
from forgetless.report.words import headline, sentence


def table_of(paths):
    return make_table([load(path) for path in paths])


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Three methods, two scenarios, three seeds, five tasks."""
    return comparison(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """A comparison in which not all went well."""
    tmp_path = tmp_path_factory.mktemp("troubled")
    return [
        *comparison(tmp_path, scenarios=("class",)),
        fake_run(tmp_path, "lwf", seed=0, weight=2.0),
        fake_run(tmp_path, "lwf", seed=1, weight=2.0, state="diverged", learned=2),
        fake_run(tmp_path, "lwf", seed=0, weight=9.0, state="diverged", learned=1),
        fake_run(tmp_path, "lwf", seed=0, weight=3.0, state="interrupted", learned=0, log=False),
    ]


# Grouping.


def test_runs_that_differ_in_the_seed_alone_are_one_row(compared):
    sections = sections_of([load(path) for path in reversed(compared)])
    assert [(s.stream, s.scenario) for s in sections] == [("split-mnist", "task"), ("split-mnist", "class")]
    for section in sections:
        assert [group.label for group in section.groups] == ["finetune", "lwf", "joint"]
        assert [[run.seed for run in group.runs] for group in section.groups] == [[0, 1, 2]] * 3
        assert section.differing == {}


def test_a_row_is_named_by_what_tells_it_from_its_kin(tmp_path):
    paths = [
        fake_run(tmp_path, "lwf", weight=w, temperature=t) for w, t in ((1.0, 2.0), (2.0, 2.0), (2.0, 4.0))
    ]
    labels = {group.label for group in sections_of([load(path) for path in paths])[0].groups}
    assert labels == {f"lwf temperature={t} weight={w}" for w, t in ((1, 2), (2, 2), (2, 4))}


def test_the_same_settings_in_two_folders_count_once(tmp_path):
    first = fake_run(tmp_path / "a", state="interrupted", learned=1)
    second = fake_run(tmp_path / "b")
    for order in ((first, second), (second, first)):
        (group,) = sections_of([load(path) for path in order])[0].groups
        assert [run.path for run in group.runs] == [second]


def test_rows_of_unlike_protocol_are_not_mixed_and_the_difference_is_said(tmp_path):
    paths = [fake_run(tmp_path, "finetune"), fake_run(tmp_path, "lwf", epochs=2.0, hidden=[100])]
    (block,) = table_of(paths).blocks
    assert block.section.differing == {
        "epochs": {"4": ["finetune"], "2": ["lwf"]},
        "hidden": {"400,400": ["finetune"], "100": ["lwf"]},
    }
    assert "Rows differ in epochs: 4 (finetune); 2 (lwf)." in block.remarks
    mixed = [fake_run(tmp_path, "ewc", seed=0), fake_run(tmp_path, "ewc", seed=1, epochs=1.0)]
    (block,) = table_of(mixed).blocks
    assert [row.label for row in block.rows if row.group.method == "ewc"] != ["ewc"]
    assert len(block.rows) == 2


def test_runs_made_by_unlike_software_are_told_apart(tmp_path):
    paths = [fake_run(tmp_path, "finetune"), fake_run(tmp_path, "lwf")]
    environment = paths[1] / "environment.json"
    environment.write_text(environment.read_text().replace("2.13.0", "2.14.1"))
    remarks = table_of(paths).blocks[0].remarks
    assert "Rows differ in torch: 2.13.0 (finetune); 2.14.1 (lwf)." in remarks


def test_a_method_s_own_settings_are_no_difference_of_protocol(tmp_path):
    paths = [fake_run(tmp_path, "lwf", weight=1.0), fake_run(tmp_path, "lwf", weight=2.0)]
    assert sections_of([load(path) for path in paths])[0].differing == {}


# The table.


def test_numbers_of_the_table_are_means_over_seeds(compared):
    rows = to_json(table_of(compared))
    row = next(row for row in rows if (row["scenario"], row["method"]) == ("class", "lwf"))
    runs = [load(path) for path in compared if "lwf-split-mnist-class" in path.name]
    for name in ("average_accuracy", "forgetting", "average_incremental_accuracy"):
        values = [run.metrics[name] for run in runs]
        assert row["metrics"][name]["mean"] == pytest.approx(np.mean(values))
        assert row["metrics"][name]["std"] == pytest.approx(np.std(values, ddof=1))
        assert row["metrics"][name]["n"] == 3
    assert row["memory_bytes"] == 1_913_640
    assert row["seconds"] == pytest.approx(11.4)
    assert [row["role"] for row in rows[:3]] == ["floor", None, "ceiling"]
    json.dumps(rows, allow_nan=False)


def test_a_run_without_figures_shows_its_state_and_no_number(troubled):
    table = table_of(troubled)
    (block,) = table.blocks
    rows = {row.label: row for row in block.rows}
    assert [cell.text() for cell in rows["lwf weight=9"].cells.values()] == ["diverged"] * 3
    assert [cell.text() for cell in rows["lwf weight=3"].cells.values()] == ["interrupted"] * 3
    assert rows["lwf weight=9"].memory is None
    assert rows["lwf weight=9"].seconds is None
    half = rows["lwf weight=2"]
    assert half.cells["average_accuracy"].estimate.n == 1
    assert half.group.status == "2 seeds: 1 diverged"
    told = "\n".join(block.remarks)
    assert "its numbers are of the 1 that finished" in told
    assert "The term `new` of lwf became nan in task 3" in told
    assert (block.rows[0].label, block.rows[-1].label) == ("finetune", "joint")
    plain = next(row for row in to_json(table) if row["label"] == "lwf weight=9")
    assert set(plain["metrics"].values()) == {None}
    assert set(plain["reasons"].values()) == {"diverged"}


def test_an_undefined_number_is_a_dash_with_its_reason(tmp_path):
    (block,) = table_of([fake_run(tmp_path, tasks=1)]).blocks
    cell = block.rows[0].cells["forgetting"]
    assert (cell.text(), cell.reason) == ("–", "one task only")


def test_a_metric_newer_than_the_run_is_worked_out_from_its_records(tmp_path):
    path = fake_run(tmp_path)
    result = json.loads((path / "result.json").read_text())
    expected = result["metrics"].pop("average_incremental_accuracy")
    (path / "result.json").write_text(json.dumps(result))
    row = table_of([path]).blocks[0].rows[0]
    assert row.cells["average_incremental_accuracy"].estimate.mean == pytest.approx(expected)


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_plain_text_fits_and_cuts_no_number(troubled, tmp_path, width):
    table = table_of([*troubled, fake_run(tmp_path, "a_method_with_quite_a_long_name", weight=2.0)])
    text = render_text(table, width)
    assert max(map(len, text.splitlines())) <= width
    squeezed = re.sub(r"\s+", " ", text)
    digits = 2 if formats.with_spread(table.blocks[0].rows[0].cells["forgetting"].estimate) in squeezed else 1
    assert digits == 2 or width < 80
    for row in table.blocks[0].rows:
        for cell in row.cells.values():
            assert cell.text(digits) in squeezed
        assert row.memory_text in squeezed
    for label in ("lwf", "weight=2", "(floor)", "(ceiling)"):
        assert label in text


def test_a_very_narrow_terminal_gets_one_number_to_a_line(compared):
    text = render_text(table_of(compared), 30)
    assert max(map(len, text.splitlines())) <= 30
    assert "  accuracy " in text


def test_markdown_cannot_be_broken_by_a_name(tmp_path):
    text = render_markdown(table_of([fake_run(tmp_path, "a|b<script>", stream="x")]))
    (line,) = [line for line in text.splitlines() if "script" in line]
    assert line.startswith("| a\\|b&lt;script>")
    assert line.replace("\\|", "").count("|") == 8


def test_csv_holds_the_numbers_in_full(compared):
    lines = list(csv.DictReader(io.StringIO(render_csv(table_of(compared)))))
    assert len(lines) == 6
    runs = [load(path) for path in compared if "finetune-split-mnist-task" in path.name]
    mean = sum(run.metrics["average_accuracy"] for run in runs) / 3
    assert float(lines[0]["average_accuracy_mean"]) == pytest.approx(mean, abs=1e-15)
    assert (lines[0]["role"], lines[0]["seeds"], lines[0]["finished"]) == ("floor", "0 1 2", "3")


def test_csv_does_not_start_a_formula(tmp_path):
    text = render_csv(table_of([fake_run(tmp_path, "=cmd()", stream="x")]))
    assert "'=cmd()" in text


# Series.


def test_the_last_point_of_the_line_is_the_final_average_accuracy(compared):
    group = sections_of([load(path) for path in compared])[1].groups[1]
    line = after_each_task(group)
    assert line.mean[-1] == pytest.approx(group.estimate("average_accuracy").mean)
    assert line.std[-1] == pytest.approx(group.estimate("average_accuracy").std)
    assert forgetting_of_tasks(group).mean.mean() == pytest.approx(group.estimate("forgetting").mean)
    np.testing.assert_allclose(heat_of(group).mean, np.mean([run.accuracy for run in group.runs], axis=0))


def test_losses_are_thinned_and_tasks_are_laid_end_to_end(tmp_path):
    path = fake_run(tmp_path)
    lines = [
        {"task": task, "fit": fit, "step": step, "rate": 0.1, "terms": {"new": float(task)}}
        for task in range(3)
        for fit in ("warmup", "main")
        for step in range(1, 301)
    ]
    lines[5]["terms"]["new"] = float("nan")
    (path / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    losses = losses_of(sections_of([load(path)])[0].groups[0])
    assert losses.starts == (0, 600, 1200)
    (term,) = losses.terms
    assert term.label == "new"
    assert len(term.x) <= POINTS
    assert (np.diff(term.x) > 0).all()
    assert term.x[-1] <= 1800
    np.testing.assert_allclose(term.mean, np.floor((term.x - 1) / 600), atol=0.5)
    assert set(np.round(term.mean[[0, len(term.mean) // 2, -1]])) == {0, 1, 2}


def test_the_files_of_numbers_hold_what_the_figures_show(compared, tmp_path):
    files = write_tables(compared, tmp_path)
    read = {path.name: list(csv.DictReader(path.read_text().splitlines())) for path in files}
    assert {path.name for path in tmp_path.iterdir()} == set(read)
    assert len(read["accuracy_matrix.csv"]) == 6 * 15
    assert len(read["accuracy_after_each_task.csv"]) == 6 * 5
    assert len(read["forgetting.csv"]) == 6 * 4
    assert {line["term"] for line in read["loss.csv"]} == {"new", "old"}
    line = next(x for x in read["accuracy_matrix.csv"] if (x["scenario"], x["label"]) == ("class", "lwf"))
    runs = [load(path) for path in compared if "lwf-split-mnist-class" in path.name]
    assert float(line["mean"]) == pytest.approx(np.mean([run.accuracy[0, 0] for run in runs]))


# The page.


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
    write_report([foreign, good, broken, tmp_path / "gone"], tmp_path / "report.html")
    text = Parsed((tmp_path / "report.html").read_text()).text
    assert "Left out" in text
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


# Words.


def sections(*paths):
    return sections_of([load(path) for path in paths])


def test_the_headline_claims_no_more_than_the_seeds_carry(tmp_path):
    same = [fake_run(tmp_path / "a", m, seed=s, kept=0.4) for m in ("finetune", "lwf") for s in range(3)]
    assert "forgets about as much as finetune" in headline(sections(*same))
    worse = [
        fake_run(tmp_path / "b", m, kept=k, seed=s)
        for m, k in (("finetune", 0.9), ("lwf", 0.1))
        for s in (0, 1)
    ]
    assert re.match(r"lwf forgets [\d.]+ points more than finetune", headline(sections(*worse)))
    assert "ends at" in headline(sections(fake_run(tmp_path / "c", "lwf")))
    nothing = sections(fake_run(tmp_path / "d", "lwf", state="failed", learned=0))
    assert headline(nothing) == "No run has finished yet."
    assert "None of these runs has finished" in sentence(nothing[0])


def test_a_long_comparison_is_told_by_its_ends(tmp_path):
    paths = [fake_run(tmp_path, "lwf", weight=float(w), kept=0.1 * w) for w in range(1, 6)]
    told = sentence(sections(*paths, fake_run(tmp_path, "finetune"), fake_run(tmp_path, "joint"))[0])
    assert told.startswith("finetune ends at")
    assert "lwf weight=5 ends at" in told
    assert "4 more" in told


def test_notes_are_said_where_they_are_true(tmp_path):
    default, seen = (
        fake_run(tmp_path, "lwf"),
        fake_run(tmp_path, "lwf", scope="seen", scenario="class", seed=1),
    )
    told = fake_run(tmp_path, "lwf", scenario="task")
    assert any("24 %" in note for note in notes_for(sections(default)))
    assert not any("24 %" in note for note in notes_for(sections(seen)))
    assert not any("24 %" in note for note in notes_for(sections(told)))
    own = {"lwf": (Note("mine"), Note("never", when={"weight": (7.0,)}))}
    assert notes_for(sections(default, told), own) == ["mine"]


def drawn(picture):
    """All places of a picture's lines and shapes, and its size."""
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture).groups())
    places = [
        tuple(map(float, pair.split(",")))
        for text in re.findall(r'points="(.*?)"', picture)
        for pair in text.split()
    ]
    bars = re.findall(r'<rect x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"', picture)
    for x, y, w, h in (map(float, bar) for bar in bars):
        places += [(x, y), (x + w, y + h)]
    return places, width, height


@pytest.mark.parametrize("kept", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_nothing_is_drawn_outside_its_picture(tmp_path, kept, tasks):
    paths = [fake_run(tmp_path, "lwf", seed=s, tasks=tasks, kept=kept) for s in (0, 1)]
    groups = sections(*paths)[0].groups
    colours = colours_of(groups)
    pictures = [
        figures.accuracy_lines([after_each_task(groups[0])], colours),
        figures.forgetting_bars([forgetting_of_tasks(groups[0])], colours),
        figures.heat_map(heat_of(groups[0])),
        figures.loss_lines(losses_of(groups[0])),
    ]
    for picture in pictures:
        places, width, height = drawn(picture)
        assert places
        assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def test_an_axis_that_does_not_begin_at_zero_says_so():
    high = Series("a", np.array([1.0, 2.0]), np.array([0.99, 0.93]))
    low = Series("b", np.array([1.0, 2.0]), np.array([0.99, 0.13]))
    assert "the axis begins at 90 %" in figures.accuracy_lines([high], {"a": 0})
    both = figures.accuracy_lines([high, low], {"a": 0, "b": 1})
    assert "the axis begins" not in both
    assert ">0</text>" in both


# Small parts.


def test_sizes_and_times_are_short():
    assert [formats.size(n) for n in (0, 999, 1000, 1_913_640, 250e6, 3.2e9)] == [
        "0 B", "999 B", "1.0 kB", "1.9 MB", "250 MB", "3.2 GB",
    ]  # fmt: skip
    assert [formats.duration(s) for s in (0.04, 9.96, 59.6, 61, 3_700)] == [
        "0.04 s", "10.0 s", "1 min 00 s", "1 min 01 s", "1 h 01 min",
    ]  # fmt: skip
    assert formats.percent(-0.00001) == "0.00"
    assert formats.percent(-0.5, 1) == "−50.0"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.1), (-0.3, 0.9), (0, 1234), (0, 0), (-1e-3, 7e-3)])
def test_ticks_are_round_and_enclose(low, high):
    marks = svg.ticks(low, high)
    assert marks[0] <= low + 1e-12
    assert marks[-1] >= high - 1e-12
    assert 2 <= len(marks) <= 9
    assert len({round(b - a, 9) for a, b in itertools.pairwise(marks)}) == 1


def test_no_two_configurations_look_alike(tmp_path):
    paths = [fake_run(tmp_path, "lwf", weight=float(w)) for w in range(20)]
    groups = sections(*paths, fake_run(tmp_path, "finetune"), fake_run(tmp_path, "joint"))[0].groups
    looks = {(svg.marker(n, 0.0, 0.0), n % 7, n // 7 % 2) for n in colours_of(groups).values()}
    assert len(looks) == 22


def test_every_heat_level_has_colours_and_legible_ink():
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    found = re.findall(r"\.h(\d+) rect\{fill:(#\w{6})\}\.h\d+ text\{fill:(#\w{6})\}", heat_rules())
    assert [int(level) for level, _, _ in found] == [*range(11)] * 2
    for level, paper, ink in found:
        a, b = sorted((light(paper), light(ink)))
        assert (b + 0.05) / (a + 0.05) >= 4.5, level


def test_needs_no_torch_and_no_matplotlib(compared, tmp_path):
    code = (
        "import sys; from pathlib import Path; from forgetless.report.page import write_report; "
        "from forgetless.report.render import render_text; from forgetless.report.export import write_tables; "
        f"write_report([Path(p) for p in {list(map(str, compared))!r}], Path({str(tmp_path / 'r.html')!r})); "
        "sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (tmp_path / "r.html").exists()
