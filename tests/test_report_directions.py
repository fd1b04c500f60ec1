"""The pictures of a method that measures losses along lines: drawn to scale, in the page, in files, in numbers."""

import csv
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from fake_runs import comparison
from markupsafe import escape

from forgetless.cli import main
from forgetless.record import load
from forgetless.report.directions import PANELS
from forgetless.report.groups import sections_of
from forgetless.report.page import read_all, render_page
from forgetless.report.pictures import of_methods

PLACES = np.linspace(0, 1, 21)


def measured(tasks):
    """Curves of so many later tasks: a valley of its own for each segment."""
    found = {"direction/0x": [1.0]}  # not one of ours
    for task in range(1, tasks + 1):
        found[f"direction/{task}"] = [(0.1 + 0.05 * task * PLACES).tolist(), (0.1 + PLACES**2).tolist()]
        found[f"lambda/{task}"] = task / 12
        found[f"segment/{task}"] = (0.2 + (PLACES - task / 12) ** 2).tolist()
    return found


@pytest.fixture
def runs(tmp_path, request):
    """Runs of three methods; one of them measured lines."""
    paths = comparison(tmp_path / "runs")
    path = next(path for path in paths if path.name.startswith("lwf"))
    result = json.loads((path / "result.json").read_text())
    found = measured(getattr(request, "param", 4))
    (path / "result.json").write_text(json.dumps(result | {"measured": found}))
    return paths


def pictures(paths):
    found, _ = read_all(paths)
    made = [picture for section in sections_of(found) for picture in of_methods(section)]
    return {picture.name.split()[0]: picture for picture in made}


def panels(picture):
    """For each panel its words and the points of its lines, in its own coordinates."""
    groups = [g for g in ET.fromstring(picture.svg).findall("g") if g.get("transform")]
    return [
        (
            [text.text for text in g.iter("text")],
            [
                np.array([p.split(",") for p in line.get("points").split()], float)
                for line in g.iter("polyline")
            ],
        )
        for g in groups
    ]


def test_only_runs_that_measured_lines_have_these_pictures(runs):
    assert set(pictures(runs)) == {"direction", "segment"}
    assert pictures([path for path in runs if not path.name.startswith("lwf")]) == {}
    page = render_page([load(path) for path in runs])
    for picture in pictures(runs).values():
        assert picture.svg in page
        assert str(escape(picture.caption)) in page
        assert "Seed" in picture.caption


def test_every_curve_is_drawn_to_one_scale(runs):
    given = measured(4)
    for name in ("direction", "segment"):
        values, heights = [], []
        for task, (words, lines) in enumerate(panels(pictures(runs)[name]), 1):
            assert f"task {task + 1}" in words
            curves = np.atleast_2d(given[f"{name}/{task}"])
            curves = curves[::-1] if name == "direction" else curves  # the random one lies below the other
            for curve, line in zip(curves, lines, strict=True):
                values.append(curve)
                heights.append(line[:, 1])
                assert np.ptp(np.diff(line[:, 0])) < 0.2, "the places are even"
        slope, start = np.polyfit(np.ravel(values), np.ravel(heights), 1)
        assert slope < 0
        assert np.allclose(start + slope * np.array(values), heights, atol=0.08)


def test_the_place_that_was_chosen_is_named_and_lies_on_its_curve(runs):
    picture = pictures(runs)["segment"]
    for task, (words, (line,)) in enumerate(panels(picture), 1):
        assert f"λ = {task / 12:.2f}" in words
        group = [g for g in ET.fromstring(picture.svg).findall("g") if g.get("transform")][task - 1]
        (dot,) = [e for e in group.iter("polygon") if e.get("class") == "dot"]
        corners = np.array([p.split(",") for p in dot.get("points").split()], float)
        x, y = (corners.max(0) + corners.min(0)) / 2
        assert x == pytest.approx(line[0, 0] + task / 12 * (line[-1, 0] - line[0, 0]), abs=0.2)
        assert y == pytest.approx(np.interp(x, *line.T), abs=0.4)
    assert "task 2: 0.08" in picture.svg


@pytest.mark.parametrize("runs", [14, 1], indirect=True)
def test_many_tasks_are_thinned_and_one_alone_is_enough(runs):
    shown = [words[-2] if "λ" in words[-1] else words[-1] for words, _ in panels(pictures(runs)["segment"])]
    assert len(shown) in (PANELS, 1)
    assert shown[0] == "task 2"
    assert shown[-1] in ("task 15", "task 2")


def test_they_are_files_and_their_numbers_are_a_table(runs, tmp_path):
    figures, numbers, page = (str(tmp_path / name) for name in ("figures", "numbers", "r.html"))
    asked = ["report", str(runs[0].parent), "-o", page, "--figures", figures, "--tables", numbers]
    assert main(asked) == 0
    names = [path.name for path in (tmp_path / "figures").iterdir()]
    assert all(any(f"-{kind}-" in name for name in names) for kind in ("direction", "segment"))
    lines = list(csv.DictReader((tmp_path / "numbers" / "directions.csv").read_text().splitlines()))
    assert len(lines) == 4 * 3 * 21
    place = next(
        line for line in lines if (line["curve"], line["task"], line["place"]) == ("segment", "3", "0.5")
    )
    assert float(place["loss"]) == pytest.approx(0.2 + (0.5 - 2 / 12) ** 2)
