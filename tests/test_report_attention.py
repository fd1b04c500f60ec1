"""The pictures of where methods look: right maps in the right places, dead ones said to be so, files by themselves."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from fake_runs import fake_run
from PIL import Image
from test_report import Parsed

from forgetless.attention import FILE, Attention, read_attention, write_attention
from forgetless.errors import StorageError
from forgetless.record import load
from forgetless.report.attention import _columns, _shaded, _stretches, dead_lines, drift_lines, grid
from forgetless.report.export import write_tables
from forgetless.report.files import write_figures
from forgetless.report.groups import sections_of
from forgetless.report.looks import begin_alike, drifts_of, rows_of
from forgetless.report.page import render_page
from forgetless.report.palette import colours_of

NAMES = tuple(f"kind {k}" for k in range(10))


def attention(seed=0, tasks=5, pull=0.3, images=10):
    """Maps that leave the first by a share of noise at each task; the seed decides the noise alone."""
    first, noise = np.random.default_rng(7), np.random.default_rng(seed)
    start = first.random((images, 4, 4))
    maps = {i: (start + i * pull * noise.random(start.shape)).astype(np.float32) for i in range(tasks)}
    labels = np.arange(images, dtype=np.uint16) % 2
    answers = {i: np.where(np.arange(images) < images - i, labels, 9).astype(np.uint16) for i in range(tasks)}
    pixels = first.integers(0, 256, (images, 8, 8, 3), dtype=np.uint8)
    return Attention(pixels, labels, NAMES, maps, answers)


def looked(folder, seen):
    write_attention(folder, seen)
    return folder


def section_of(*paths):
    return sections_of([load(path) for path in paths])[0]


@pytest.fixture
def paths(tmp_path):
    """Two methods, two seeds; maps of `lwf` move less."""
    pulls = {"finetune": 1.0, "lwf": 0.2}
    return [
        looked(fake_run(tmp_path, method, seed=seed), attention(seed, pull=pull))
        for method, pull in pulls.items()
        for seed in range(2)
    ]


def coloured(section):
    return drifts_of(section), colours_of(section.groups)


def test_what_was_written_is_read_and_nothing_else_is(tmp_path):
    seen = attention()
    write_attention(tmp_path, seen)
    again = read_attention(tmp_path)
    assert again.names == NAMES
    assert np.array_equal(again.images, seen.images)
    assert all(np.array_equal(again.maps[i], seen.maps[i]) for i in range(5))
    assert again.tasks == 5
    content = (tmp_path / FILE).read_bytes()
    for damage in (
        content[:-30],
        b"",
        content.replace(b"maps/3", b"maps/x"),
        content.replace(b"names", b"namen"),
    ):
        (tmp_path / FILE).write_bytes(damage)
        with pytest.raises(StorageError, match="is damaged or was not written by forgetless"):
            read_attention(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.zeros(3, dtype=np.uint16)},
        {"maps": {0: np.zeros((10, 4, 4), dtype=np.float32), 1: np.zeros((10, 5, 4), dtype=np.float32)}},
        {"images": np.zeros((10, 8, 8, 3))},
        {"names": NAMES[:9]},
        {"maps": {1: np.zeros((10, 4, 4), dtype=np.float32)}, "answers": {1: np.zeros(10, dtype=np.uint16)}},
    ],
    ids=["lengths", "shapes", "no bytes", "no name", "no first"],
)
def test_parts_that_do_not_belong_together_are_refused(change, tmp_path):
    write_attention(tmp_path, replace(attention(), **change))
    with pytest.raises(StorageError, match=r"do not belong together|has no name"):
        read_attention(tmp_path)


def test_distance_and_cosine_are_those_of_maps_of_unit_length():
    seen = attention()
    seen.maps[1][:] = 3 * seen.maps[0]
    seen.maps[2][4] = 0
    apart, alike = seen.compared(1)
    np.testing.assert_allclose(apart, 0, atol=1e-6)
    np.testing.assert_allclose(alike, 1, atol=1e-6)
    apart, alike = seen.compared(2)
    assert np.flatnonzero(np.isnan(apart)).tolist() == np.flatnonzero(seen.dead(2)).tolist() == [4]
    a, b = (seen.maps[i][5].flatten().astype(float) for i in (0, 2))
    assert apart[5] == pytest.approx(np.abs(a / np.linalg.norm(a) - b / np.linalg.norm(b)).sum())
    assert alike[5] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_a_row_for_each_configuration_of_its_lowest_seed_on_the_same_images(paths, tmp_path):
    rows = rows_of(section_of(*paths))
    assert [(row.label, row.seed) for row in rows] == [("finetune", 0), ("lwf", 0)]
    assert begin_alike(rows)
    later = looked(fake_run(tmp_path, "l2_anchor", seed=1), attention(1))
    assert {(row.label, row.seed) for row in rows_of(section_of(*paths, later))} == {
        ("finetune", 1), ("lwf", 1), ("l2_anchor", 1),
    }  # fmt: skip
    other = replace(attention(), images=attention().images[::-1].copy())
    strange = looked(fake_run(tmp_path, "joint"), other)
    assert [row.label for row in rows_of(section_of(*paths, strange))] == ["finetune", "lwf"]
    moved = attention()
    moved.maps[0][0, 0, 0] += 0.5
    unlike = looked(fake_run(tmp_path, "ewc"), moved)
    assert not begin_alike(rows_of(section_of(*paths, unlike)))
    assert "The rows do not begin alike" in render_page([load(path) for path in (*paths, unlike)])
    assert "the same in all rows" in render_page([load(path) for path in paths])


def test_runs_without_maps_or_with_damaged_ones_have_no_picture(paths, tmp_path):
    bare = fake_run(tmp_path, "joint")
    damaged = fake_run(tmp_path, "ewc")
    (damaged / FILE).write_bytes(b"not an archive")
    early = looked(fake_run(tmp_path, "lfl"), attention(tasks=1))
    assert rows_of(section_of(bare, damaged, early)) == []
    assert len(rows_of(section_of(bare, damaged, early, *paths))) == 2
    assert "Where the network looks" not in render_page([load(path) for path in (bare, damaged, early)])


def parsed_of(picture):
    """The texts of a drawing, and the pictures in it."""
    root = ET.fromstring(f"<g>{picture}</g>")
    texts = [node.text for node in root.iter("text")]
    images = [node for node in root.iter("image")]
    return root, texts, images


def test_a_grid_has_the_image_the_first_map_and_a_map_for_each_later_task(paths):
    rows = rows_of(section_of(*paths))
    root, texts, images = parsed_of(grid(rows, 3, "k"))
    assert texts[:6] == ["image", "M₀", "step 1", "step 2", "step 3", "step 4"]
    assert len(images) == 1 + 2 * 5
    assert len(list(root.iter("use"))) == 2 * 6
    assert [text for text in texts if text in ("finetune", "lwf")] == ["finetune", "lwf"]
    assert texts.count("first map") == 2
    apart, alike = rows[1].seen.compared(4)
    assert f"{apart[3]:.2f}, cos {alike[3]:.2f}" in texts
    titles = [node.text for node in root.iter("title")]
    assert "lwf, after task 1: first map; answered kind 1, right" in titles
    _, texts, _ = parsed_of(grid(rows, 9, "k"))
    assert texts.count("✓ kind 1") == 2
    assert texts.count("✗ kind 9") == 8, "from the second task on the last image is answered wrongly"


def test_the_first_maps_of_rows_that_begin_alike_are_the_same_picture(paths):
    _, _, images = parsed_of(grid(rows_of(section_of(*paths)), 0, "k"))
    drawn = [node.get("href") for node in images[1:]]
    assert drawn[0] == drawn[5]
    assert len(set(drawn)) == 9


def test_a_dead_map_is_grey_and_says_so(tmp_path):
    seen = attention()
    seen.maps[2][0] = 0
    row = rows_of(section_of(looked(fake_run(tmp_path), seen)))
    root, texts, images = parsed_of(grid(row, 0, "k"))
    assert texts.count("dead map") == 1
    assert "–" in texts
    assert [node.get("class") for node in root.iter("rect")] == ["veil"]
    assert len(images) == 1 + 4
    assert "lwf, after task 3: dead map; answered kind 0, right" in [node.text for node in root.iter("title")]


def decoded(href):
    return Image.open(io.BytesIO(base64.b64decode(href.partition(",")[2])))


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_those_of_the_image_and_of_the_map(channels):
    seen = attention()
    seen = replace(seen, images=seen.images[:, :, :, :channels])
    _, _, images = parsed_of(grid([type("R", (), {"label": "x", "seen": seen})()], 2, "k"))
    own = np.asarray(decoded(images[0].get("href")))
    assert np.array_equal(own.reshape(8, 8, channels), seen.images[2])
    map_ = np.zeros((4, 4), dtype=np.float32)
    map_[0, 3], map_[3, 0] = 2.0, 1.0
    drawn = np.asarray(decoded(_shaded(map_, (8, 8))).convert("RGB")).astype(int)
    assert drawn.shape == (8, 8, 3)
    assert drawn[0, 7].tolist() == [0xFD, 0xE7, 0x25], "the greatest value, in the upper right corner"
    assert drawn[0, 0].tolist() == [0x44, 0x01, 0x54], "the least"
    assert drawn[7, 0, 1] > 100, "the middle lies between them"
    assert (
        np.asarray(decoded(_shaded(np.full((4, 4), 3.0), (8, 8))).convert("RGB")).std(axis=(0, 1)).max() == 0
    )


def test_of_many_tasks_the_first_the_last_and_some_between_are_shown():
    assert _columns(2) == [0, 1]
    assert _columns(10) == list(range(10))
    many = _columns(50)
    assert (many[0], many[-1], len(many)) == (0, 49, 10)


def test_drift_is_the_mean_over_images_with_its_interval(paths):
    section = section_of(*paths)
    drifts, colours = coloured(section)
    floor, lwf = drifts
    assert (lwf.label, lwf.seeds, lwf.images, lwf.furthest) == ("lwf", 2, 10, pytest.approx(32**0.5))
    each = np.mean([attention(seed, pull=0.2).compared(4)[0] for seed in (0, 1)], axis=0)
    assert lwf.distance[4].mean == pytest.approx(each.mean())
    half = 2.262157 * each.std(ddof=1) / 10**0.5
    assert lwf.distance[4].high == pytest.approx(each.mean() + half, rel=1e-5)
    assert lwf.distance[0].mean == pytest.approx(0)
    assert lwf.right.tolist() == [1.0, 0.9, 0.8, 0.7, 0.6]
    assert all(a.mean > b.mean for a, b in zip(floor.distance[1:], lwf.distance[1:], strict=True))
    _, texts, _ = parsed_of(drift_lines(drifts, colours))
    assert "tasks learned" in texts
    assert not lwf.dead.any()


def test_a_line_is_broken_where_all_maps_are_dead(tmp_path):
    seen = attention()
    seen.maps[2][:] = 0
    seen.maps[3][:5] = 0
    drifts, colours = coloured(section_of(looked(fake_run(tmp_path), seen)))
    (drift,) = drifts
    assert drift.dead.tolist() == [0, 0, 1, 0.5, 0]
    assert [point.n for point in drift.distance] == [10, 10, 0, 5, 10]
    root, *_ = parsed_of(drift_lines(drifts, colours))
    assert [len(line.get("points").split()) for line in root.iter("polyline")] == [2, 2]
    root, texts, _ = parsed_of(dead_lines(drifts, colours))
    assert [len(line.get("points").split()) for line in root.iter("polyline")] == [5]
    assert "100 %" in texts
    assert _stretches([False, True, True, False, True]) == [[1, 2], [4]]


def test_the_page_shows_them_and_needs_nothing_else(paths):
    page = render_page([load(path) for path in paths])
    parsed = Parsed(page)
    assert not parsed.open
    assert not parsed.broken
    assert "Where the network looks" in parsed.text
    assert "6 more images" in parsed.text
    assert "over 10 images" in parsed.text
    places = [attributes["href"] for tag, attributes in parsed.elements if tag in ("image", "use")]
    assert all(place.startswith(("#", "data:image/png;base64,")) for place in places)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {place[1:] for place in places if place[0] == "#"} <= set(ids)
    assert "http" not in page


def test_names_of_classes_are_text(tmp_path):
    seen = replace(attention(), names=("<script>alert(1)</script>", '"><b>', *NAMES[2:]))
    page = render_page([load(looked(fake_run(tmp_path), seen))])
    parsed = Parsed(page)
    assert not parsed.broken
    assert "script" not in {tag for tag, _ in parsed.elements}
    assert "<script>ale…" in parsed.text, "under a picture"
    assert "answered <script>alert(1)</script>, right" in parsed.text, "told when pointed at"


def test_each_picture_is_a_file_that_stands_by_itself(paths, tmp_path):
    files = [
        path
        for path in write_figures(paths, tmp_path / "out")
        if any(word in path.name for word in ("attention", "drift", "dead-maps"))
    ]
    assert len(files) == 8 + 2
    for path in files:
        text = path.read_text()
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "--card" in root.find("{*}style").text
        assert ".veil" in root.find("{*}style").text
        assert re.findall('https?://[^"]*', text) == ["http://www.w3.org/2000/svg"]
    (drift,) = (path for path in files if "drift" in path.name)
    texts = [node.text for node in ET.fromstring(drift.read_text()).findall("{*}text")]
    assert texts[1:] == ["finetune", "lwf"], "the legend"


def test_the_numbers_are_a_table(paths, tmp_path):
    write_tables(paths, tmp_path / "out")
    head, *lines = (tmp_path / "out" / "attention.csv").read_text().splitlines()
    assert head.split(",")[3:6] == ["tasks_learned", "distance", "low95"]
    assert len(lines) == 2 * 5
    place = dict(zip(head.split(","), lines[-1].split(","), strict=True))
    assert (place["label"], place["tasks_learned"], place["images"], place["seeds"]) == (
        "lwf",
        "5",
        "10",
        "2",
    )
    assert float(place["right"]) == 0.6
