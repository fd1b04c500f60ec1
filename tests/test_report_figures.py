"""The report's numbers, words and drawings, part by part."""

import csv
import itertools
import json
import re

import numpy as np
import pytest
from fake_runs import comparison, fake_run

from forgetless.record import load
from forgetless.report import figures, formats, svg
from forgetless.report.export import write_tables
from forgetless.report.groups import sections_of
from forgetless.report.notes import Note, notes_for
from forgetless.report.palette import colours_of, heat_rules
from forgetless.report.series import POINTS, Series, after_each_task, forgetting_of_tasks, heat_of, losses_of
from forgetless.report.words import headline, sentence


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Three methods, two scenarios, three seeds, five tasks."""
    return comparison(tmp_path_factory.mktemp("runs"))


def sections(*paths):
    return sections_of([load(path) for path in paths])


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


def test_a_loss_is_not_drawn_through_a_fit_that_it_is_not_part_of(tmp_path):
    path = fake_run(tmp_path, log=False)
    fits = [(0, "main", "new"), (0, "equilibrium", "memory"), (1, "direction", "memory"), (1, "main", "new")]
    lines = [
        {"task": task, "fit": fit, "step": step, "terms": {term: 1.0}}
        for task, fit, term in fits
        for step in (50, 100)
    ]
    (path / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    losses = losses_of(sections_of([load(path)])[0].groups[0])
    found = {term.label: [term.x[part].tolist() for part in losses.stretches(term)] for term in losses.terms}
    assert found == {"new": [[50, 100], [350, 400]], "memory": [[150, 200, 250, 300]]}
    assert figures.loss_lines(losses).count("<polyline") == 3


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
    perfect = figures.accuracy_lines([Series("a", np.array([1.0, 2.0]), np.ones(2))], {"a": 0})
    assert "the axis begins at 90 %" in perfect
    assert ">100 %</text>" in perfect


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
    assert len({svg.marker(n, 0.0, 0.0) for n in range(7)}) == 7, "as many shapes as colours"
    colours = colours_of(groups)
    references = {colours.pop("finetune"), colours.pop("joint")}
    assert not references & {n % 7 for n in colours.values()}


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
