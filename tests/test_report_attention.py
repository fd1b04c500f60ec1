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

from forgetless.attention import FILE, Attention, fifth, overlap_by_chance, read_attention, write_attention
from forgetless.errors import StorageError
from forgetless.estimates import Estimate
from forgetless.record import load
from forgetless.report.attention import _columns, _shaded, grid
from forgetless.report.drift import QUANTITIES, _stretches, over_tasks
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


def maps_of(*maps):
    """One image with these maps, one after each task."""
    first = np.asarray(maps[0])
    return replace(
        attention(images=1, tasks=len(maps)),
        maps={i: np.asarray(map_, dtype=np.float32).reshape(1, *first.shape) for i, map_ in enumerate(maps)},
    )


def test_distance_and_cosine_are_those_of_maps_of_unit_length():
    seen = attention()
    seen.maps[1][:] = 3 * seen.maps[0]
    seen.maps[2][4] = 0
    same = seen.compared(1)
    np.testing.assert_allclose(same.distance, 0, atol=1e-6)
    np.testing.assert_allclose(same.cosine, 1, atol=1e-6)
    assert (same.overlap == 1).all()
    assert (same.pointing == 1).all()
    then = seen.compared(2)
    dead = np.flatnonzero(seen.dead(2)).tolist()
    assert dead == [4]
    assert all(np.flatnonzero(np.isnan(values)).tolist() == dead for values in then)
    a, b = (seen.maps[i][5].flatten().astype(float) for i in (0, 2))
    assert then.distance[5] == pytest.approx(np.abs(a / np.linalg.norm(a) - b / np.linalg.norm(b)).sum())
    assert then.cosine[5] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize(
    ("now", "overlap", "pointing"),
    [
        ([[5, 4, 1, 0, 0], [0, 3, 4, 0, 0]], 1, 1),  # of the two fours the first counts: pixels 0 and 1
        ([[0, 4, 0, 0, 0], [0, 0, 9, 0, 0]], 1 / 3, 0),  # 1 and 7
        ([[4, 4, 4, 4, 4], [4, 4, 4, 4, 4]], 1, 1),  # all alike: 0 and 1
        ([[0, 7, 7, 0, 0], [7, 0, 0, 0, 0]], 1 / 3, 0),  # 1 and 2, the first two of three
        ([[6, 0, 0, 0, 0], [0, 0, 0, 0, 6]], 1 / 3, 1),  # 0 and 9, brightest at the first of both
        ([[0, 0, 0, 0, 0], [0, 0, 0, 0, 6]], 1 / 3, 0),  # 9, and the first of the zeros
        ([[0, 0, 0, 1, 2], [0, 0, 0, 0, 0]], 0, 0),
    ],
)
def test_overlap_is_of_the_brightest_fifths_and_ties_go_to_the_first(now, overlap, pointing):
    seen = maps_of([[5, 4, 1, 0, 0], [0, 3, 4, 0, 0]], now, np.zeros((2, 5)))
    assert seen.compared(1).overlap == pytest.approx(overlap)
    assert seen.compared(1).pointing == pointing
    for values in (seen.compared(2), replace(seen, maps={0: seen.maps[2], 1: seen.maps[0]}).compared(1)):
        assert np.isnan(values.overlap)
        assert np.isnan(values.pointing)


def test_ties_go_to_the_first_also_in_maps_of_many_pixels():
    """Where a sort that is not stable would not keep their order."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        maps = rng.integers(0, 3, (2, 8, 8))
        first, now = (set(sorted(range(64), key=lambda pixel: -map_.flat[pixel])[:13]) for map_ in maps)
        assert maps_of(*maps).compared(1).overlap == len(first & now) / len(first | now)


def test_a_fifth_is_rounded_and_at_least_one_pixel():
    assert [fifth(pixels) for pixels in (1, 2, 4, 7, 8, 16, 49, 64, 196)] == [1, 1, 1, 1, 2, 3, 10, 13, 39]


def test_chance_overlap_is_the_mean_over_all_pairs_of_fifths():
    assert overlap_by_chance(4) == 0.25
    assert overlap_by_chance(10) == pytest.approx((16 * 1 / 3 + 1) / 45)
    rng = np.random.default_rng(0)
    seen = attention(images=4000, tasks=2)
    random = replace(seen, maps={i: rng.random((4000, 8, 8), dtype=np.float32) for i in range(2)}).compared(1)
    assert random.overlap.mean() == pytest.approx(overlap_by_chance(64), abs=0.004)
    assert random.pointing.mean() == pytest.approx(1 / 64, abs=0.006)


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
    then = rows[1].seen.compared(4)
    assert f"{then.distance[3]:.2f}, cos {then.cosine[3]:.2f}" in texts
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


def drawn(name, drifts, colours):
    """A figure's parts by class, and the way from a place on it back to a number, as its axis says."""
    (quantity,) = (one for one in QUANTITIES if one.name == name)
    root, *_ = parsed_of(over_tasks(quantity, drifts, colours))
    parts = {}
    for node in root.iter():
        parts.setdefault(node.get("class", node.tag), []).append(node)
    heights = [float(node.get("y1")) for node in (*parts.get("zero", []), *parts["grid"])]
    unit = 100 if quantity.share else 1
    values = [float(node.text.removesuffix(" %")) / unit for node in parts["end"]]
    slope = (values[-1] - values[0]) / (heights[-1] - heights[0])
    return parts, lambda y: values[0] + (float(y) - heights[0]) * slope


def numbers(line, read):
    return [read(place.split(",")[1]) for place in line.get("points").split()]


@pytest.mark.parametrize("name", ["distance", "cosine", "overlap", "pointing"])
def test_drift_is_the_mean_over_images_with_its_interval(name, paths):
    floor, lwf = drifts_of(section_of(*paths))
    assert (lwf.label, lwf.seeds, lwf.images, lwf.furthest) == ("lwf", 2, 10, pytest.approx(32**0.5))
    seen = [attention(seed, pull=0.2) for seed in (0, 1)]
    each = np.mean([getattr(one.compared(4), name) for one in seen], axis=0)
    last = lwf.lines[name][4]
    assert last.mean == pytest.approx(each.mean())
    half = 2.262157 * each.std(ddof=1) / 10**0.5
    assert (last.low, last.high) == pytest.approx((each.mean() - half, each.mean() + half), rel=1e-5)
    same = 0 if name == "distance" else 1
    assert lwf.lines[name][0].mean == pytest.approx(same)
    further = [
        abs(a.mean - same) >= abs(b.mean - same)
        for a, b in zip(floor.lines[name], lwf.lines[name], strict=True)
    ]
    assert all(further)


def test_shares_are_of_all_images(paths):
    _, lwf = drifts_of(section_of(*paths))
    assert [point.mean for point in lwf.lines["right"]] == [1.0, 0.9, 0.8, 0.7, 0.6]
    assert not any(point.mean for point in lwf.lines["dead"])
    assert {point.n for name in ("right", "dead") for point in lwf.lines[name]} == {10}


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_each_measure_has_a_figure_with_a_line_for_each_configuration(quantity, paths):
    drifts, colours = coloured(section_of(*paths))
    parts, read = drawn(quantity.name, drifts, colours)
    titles = [node.text for node in parts["title"]]
    assert len(parts["line"]) == len(parts["band"]) == 2
    assert len(parts["dot"]) == 2 * 5
    for drift, line, band in zip(drifts, parts["line"], parts["band"], strict=True):
        points = drift.lines[quantity.name]
        assert numbers(line, read) == pytest.approx([point.mean for point in points], abs=0.005)
        ends = [*(point.high for point in points), *(point.low for point in reversed(points))]
        most = np.inf if quantity.name == "distance" else 1
        assert numbers(band, read) == pytest.approx(np.clip(ends, 0, most), abs=0.005)
        told = [
            f"{drift.label}, after task {k + 1}: {quantity.told(point)}" for k, point in enumerate(points)
        ]
        assert set(told) <= set(titles)
        assert f"{drift.label} ends at {quantity.told(points[-1])}" in titles[0]


def test_a_mean_is_told_with_its_interval_and_its_images():
    told = {quantity.name: quantity.told for quantity in QUANTITIES}
    assert told["overlap"](Estimate(0.434, 12, 0.1, 0.4, 0.47)) == "0.43 (0.40 to 0.47), 12 images"
    assert told["pointing"](Estimate(0.5, 12, 0.1, 0.4, 0.6)) == "50 % (40 % to 60 %), 12 images"
    assert told["distance"](Estimate(2.5, 1)) == "2.50, 1 image"
    assert told["cosine"](Estimate(np.nan, 0)) == "nothing, for all maps are dead"


def test_what_chance_would_give_is_drawn_where_it_is_known(paths):
    drifts, colours = coloured(section_of(*paths))
    expected = {"overlap": (overlap_by_chance(16), "chance 0.12"), "pointing": (1 / 16, "chance 6 %")}
    for quantity in QUANTITIES:
        parts, read = drawn(quantity.name, drifts, colours)
        found = [
            (pytest.approx(read(line.get("y1")), abs=0.005), text.text)
            for line, text in zip(parts.get("grid dash", []), parts.get("soft small", []), strict=True)
        ]
        assert found == ([expected[quantity.name]] if quantity.name in expected else [])
    smaller = replace(drifts[1], shape=(2, 2))
    parts, _ = drawn("overlap", [drifts[0], smaller], colours)
    assert [text.text for text in parts["soft small"]] == ["chance 0.12", "chance 0.25"], "one of each size"


def test_an_axis_begins_higher_where_all_maps_stay_alike_unless_chance_lies_below(tmp_path):
    seen = attention()
    still = replace(seen, maps=dict.fromkeys(range(5), seen.maps[0]))
    drifts, colours = coloured(section_of(looked(fake_run(tmp_path), still)))
    lows = {name: (0, "") for name in ("distance", "overlap", "pointing", "dead")}
    for name, (low, words) in (lows | {"cosine": (0.9, " (the axis begins at 0.9)")}).items():
        parts, read = drawn(name, drifts, colours)
        assert parts["end"][0].text == str(low)
        assert parts["mid soft"][0].text == f"tasks learned{words}"
        mean = drifts[0].lines[name][0].mean
        assert numbers(parts["line"][0], read) == pytest.approx([mean] * 5, abs=0.005)


def test_a_line_is_broken_where_all_maps_are_dead(tmp_path):
    seen = attention()
    seen.maps[2][:] = 0
    seen.maps[3][:5] = 0
    drifts, colours = coloured(section_of(looked(fake_run(tmp_path), seen)))
    (drift,) = drifts
    assert [point.mean for point in drift.lines["dead"]] == [0, 0, 1, 0.5, 0]
    for name in ("distance", "cosine", "overlap", "pointing"):
        assert [point.n for point in drift.lines[name]] == [10, 10, 0, 5, 10]
        parts, read = drawn(name, drifts, colours)
        assert [len(numbers(line, read)) for line in parts["line"]] == [2, 2]
    parts, read = drawn("dead", drifts, colours)
    assert [numbers(line, read) for line in parts["line"]] == [pytest.approx([0, 0, 1, 0.5, 0], abs=0.005)]
    assert parts["end"][-1].text == "100 %"
    assert _stretches([Estimate(0.5, n) for n in (0, 3, 1, 0, 2)]) == [[1, 2], [4]]


def test_maps_that_are_dead_from_the_first_on_make_figures_without_lines(tmp_path):
    seen = attention()
    for maps in seen.maps.values():
        maps[:] = 0
    path = looked(fake_run(tmp_path), seen)
    drifts, colours = coloured(section_of(path))
    for name in ("distance", "cosine", "overlap", "pointing"):
        parts, _ = drawn(name, drifts, colours)
        assert "line" not in parts
        assert parts["end"][0].text == "0"
        assert "lwf ends at nothing, for all maps are dead" in parts["title"][0].text
    assert "How far the maps drift" in render_page([load(path)])
    write_tables([path], tmp_path / "out")
    _, *lines = (tmp_path / "out" / "attention.csv").read_text().splitlines()
    assert "split-mnist,class,lwf,1,distance,,,,,0,1" in lines


def test_the_page_shows_them_and_needs_nothing_else(paths):
    page = render_page([load(path) for path in paths])
    parsed = Parsed(page)
    assert not parsed.open
    assert not parsed.broken
    assert "Where the network looks" in parsed.text
    assert "6 more images" in parsed.text
    assert "means over 10 images" in parsed.text
    assert "Maps are of 4 x 4 pixels, on which a distance is at most 5.7" in parsed.text
    assert all(quantity.title in parsed.text for quantity in QUANTITIES)
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
    assert len(files) == 8 + 5
    for path in files:
        text = path.read_text()
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "--card" in root.find("{*}style").text
        assert ".veil" in root.find("{*}style").text
        assert re.findall('https?://[^"]*', text) == ["http://www.w3.org/2000/svg"]
    for name in ("drift-distance", "drift-cosine", "drift-overlap", "drift-pointing", "dead-maps"):
        (path,) = (path for path in files if path.stem.endswith(f"-{name}"))
        texts = [node.text for node in ET.fromstring(path.read_text()).findall("{*}text")]
        assert texts[0].endswith("over images of the first task")
        assert texts[1:] == ["finetune", "lwf"], "the legend"


def test_the_numbers_are_a_table(paths, tmp_path):
    write_tables(paths, tmp_path / "out")
    head, *lines = (tmp_path / "out" / "attention.csv").read_text().splitlines()
    found = [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]
    assert len(found) == 2 * 5 * 6
    measures = ["distance", "cosine", "overlap", "pointing", "dead", "right"]
    assert list(dict.fromkeys(line["measure"] for line in found)) == measures
    _, lwf = drifts_of(section_of(*paths))
    for line in found[30:]:
        point = lwf.lines[line["measure"]][int(line["tasks_learned"]) - 1]
        assert (line["label"], line["images"], line["seeds"]) == ("lwf", "10", "2")
        assert [float(line[key]) for key in ("mean", "low95", "high95")] == [
            point.mean,
            point.low,
            point.high,
        ]
    chance = {line["measure"]: line["chance"] for line in found}
    assert {name: float(value) for name, value in chance.items() if value} == lwf.chance
    assert lwf.chance == {"overlap": overlap_by_chance(16), "pointing": 1 / 16}
