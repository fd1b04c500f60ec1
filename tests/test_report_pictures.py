"""What only some methods have to show: in the page, and as files that need nothing else."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from fake_runs import comparison
from markupsafe import escape

from forgetless.cli import main
from forgetless.record import load
from forgetless.report.groups import sections_of
from forgetless.report.page import read_all, render_page
from forgetless.report.pictures import of_methods

SVG = "{http://www.w3.org/2000/svg}"
MEASURED = {
    "cap_paper": [0.5, 0.6, 0.7], "cap_measured": [0.52, 0.63, 0.74], "cap_total": [1.2, 1.4, 1.6],
    "union_density": [0.5, 0.59, 0.68], "layer_density": [[0.5, 0.5]] * 3,
    "reuse": [[0.0, 0.0], [0.5, 0.8], [0.9, 1.0]], "overlap": [[1.0, 0.7, 0.6], [0.7, 1.0, 0.8], [0.6, 0.8, 1.0]],
}  # fmt: skip


@pytest.fixture
def compared(tmp_path):
    """Runs of three methods; one of them measured its subnetworks."""
    paths = comparison(tmp_path / "runs")
    path = next(path for path in paths if path.name.startswith("lwf"))
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps(result | {"measured": MEASURED}))
    return paths


def pictures(paths):
    found, _ = read_all(paths)
    return {
        picture.name.split()[0]: picture for section in sections_of(found) for picture in of_methods(section)
    }


def cells(picture):
    """Row by row, the numbers of a heat map, with what each says when it is pointed at."""
    groups = [g for g in ET.fromstring(picture.svg).iter("g") if g.find("rect") is not None]
    return [(g.find("title").text, g.findall("text")[-1].text) for g in groups]


def test_only_what_was_measured_is_drawn(compared):
    made = pictures(compared)
    assert set(made) == {"capacity", "overlap", "reuse"}
    assert pictures([path for path in compared if not path.name.startswith("lwf")]) == {}
    page = render_page([load(path) for path in compared])
    assert "Inside the methods" in page
    for picture in made.values():
        assert picture.svg in page
        assert str(escape(picture.caption)) in page


def test_the_heat_maps_show_the_numbers_where_they_belong(compared):
    made = pictures(compared)
    assert [text for _, text in cells(made["overlap"])] == [
        "100",
        "70",
        "60",
        "70",
        "100",
        "80",
        "60",
        "80",
        "100",
    ]
    assert cells(made["reuse"])[3] == ("task 2, in layer 2: 80.0 %", "80")
    assert len(cells(made["reuse"])) == 6


def test_the_capacity_is_drawn_to_scale_with_a_line_for_each_figure(compared):
    svg = ET.fromstring(pictures(compared)["capacity"].svg)
    lines = [
        [tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in svg.iter("polyline")
    ]
    drawn = ("cap_total", "cap_measured", "cap_paper", "union_density")
    values = np.array([MEASURED[name] for name in drawn])
    heights = np.array([[y for _, y in line] for line in lines])
    slope, start = np.polyfit(values.ravel(), heights.ravel(), 1)
    assert slope < 0
    assert np.allclose(start + slope * values, heights, atol=0.06)  # coordinates have one decimal
    assert [name for name, _ in pictures(compared)["capacity"].keys] == [
        "everything that is kept", "used weights, and masks as they are stored", "the paper's formula",
        "weights that any task uses",
    ]  # fmt: skip


def test_every_picture_is_a_file_that_needs_nothing_else(compared, tmp_path, capsys):
    runs, folder = compared[0].parent, tmp_path / "figures"
    assert main(["report", str(runs), "-o", str(tmp_path / "r.html"), "--figures", str(folder)]) == 0
    files = sorted(folder.iterdir())
    assert [str(path) for path in files] == sorted(capsys.readouterr().out.split()[1:])
    kinds = ("accuracy", "forgetting", "matrix", "loss", "capacity", "overlap", "reuse")
    assert all(any(f"-{kind}" in path.name for path in files) for kind in kinds)
    for path in files:
        root = ET.fromstring(path.read_text())
        assert root.tag == f"{SVG}svg"
        assert "prefers-color-scheme" in root.find(f"{SVG}style").text
        width, height = map(float, root.get("viewBox").split()[2:])
        for inner in root.findall(f"{SVG}svg"):
            assert float(inner.get("x")) + float(inner.get("width")) <= width
            assert float(inner.get("y")) + float(inner.get("height")) <= height


def test_the_numbers_are_written_on_request(compared, tmp_path, capsys):
    folder = tmp_path / "numbers"
    assert (
        main(["report", str(compared[0].parent), "-o", str(tmp_path / "r.html"), "--tables", str(folder)])
        == 0
    )
    assert {"table.csv", "loss.csv", "forgetting.csv"} <= {path.name for path in folder.iterdir()}
    assert str(folder / "table.csv") in capsys.readouterr().out
