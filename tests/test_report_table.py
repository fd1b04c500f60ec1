"""The comparison table: what is put together, what is said of it, and how it is printed."""

import csv
import io
import json
import re

import numpy as np
import pytest
from fake_runs import fake_run

from forgetless.record import load
from forgetless.report import formats
from forgetless.report.groups import sections_of
from forgetless.report.render import render_csv, render_markdown, render_text
from forgetless.report.table import make_table, to_json


def table_of(paths):
    return make_table([load(path) for path in paths])


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


def test_a_run_without_its_settings_is_not_said_to_differ_in_each(tmp_path):
    paths = [
        fake_run(tmp_path, "finetune"),
        fake_run(tmp_path, "joint"),
        fake_run(tmp_path, "lwf", epochs=2.0),
    ]
    (paths[1] / "settings.yaml").unlink()
    remarks = table_of(paths).blocks[0].remarks
    assert [remark for remark in remarks if remark.startswith("Rows differ")] == [
        "Rows differ in epochs: 4 (finetune); 2 (lwf)."
    ]
    assert any(remark.startswith("What joint was asked to do is not known") for remark in remarks)


def test_runs_made_by_unlike_software_are_told_apart(tmp_path):
    paths = [fake_run(tmp_path, "finetune"), fake_run(tmp_path, "lwf")]
    environment = paths[1] / "environment.json"
    environment.write_text(environment.read_text().replace("2.13.0", "2.14.1"))
    remarks = table_of(paths).blocks[0].remarks
    assert "Rows differ in torch: 2.13.0 (finetune); 2.14.1 (lwf)." in remarks


def test_a_method_s_own_settings_are_no_difference_of_protocol(tmp_path):
    paths = [fake_run(tmp_path, "lwf", weight=1.0), fake_run(tmp_path, "lwf", weight=2.0)]
    assert sections_of([load(path) for path in paths])[0].differing == {}


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


@pytest.mark.parametrize("width", [60, 72, 76, 80, 100, 120, 200])
def test_plain_text_fits_and_cuts_no_number(troubled, tmp_path, width):
    table = table_of([*troubled, fake_run(tmp_path, "a_method_with_quite_a_long_name", weight=2.0)])
    text = render_text(table, width)
    assert max(map(len, text.splitlines())) <= width
    squeezed = re.sub(r"\s+", " ", text)
    digits = 2 if formats.with_spread(table.blocks[0].rows[0].cells["forgetting"].estimate) in squeezed else 1
    assert digits == 2 or width < 80
    assert bool(re.search("^  accuracy ", text, re.MULTILINE)) == (width < 76), "columns wherever they fit"
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


def test_a_label_names_what_is_unusual_and_the_methods_own_settings(tmp_path):
    paths = [
        fake_run(tmp_path, weight=1.0, widen=4),
        fake_run(tmp_path, weight=1.0, widen=0, limit=None),
        fake_run(tmp_path, weight=2.0),  # of a time before there was such a setting
        fake_run(tmp_path, weight=2.0, limit=30),
    ]
    labels = {group.label for group in sections_of([load(path) for path in paths])[0].groups}
    assert labels == {"lwf weight=1 widen=4", "lwf weight=1", "lwf weight=2", "lwf limit=30 weight=2"}
