"""The trade-off between old and new tasks: which runs make a curve, where its points lie, and how it is drawn."""

import re

import numpy as np
import pytest
from fake_runs import fake_run

from forgetless.record import load
from forgetless.report.groups import sections_of
from forgetless.report.palette import colours_of
from forgetless.report.pictures import all_pictures
from forgetless.report.tradeoff import curves_of, pictures


def section(tmp_path, *runs):
    """The only section of these fake runs: (method, its own settings, how much it keeps)."""
    made = [fake_run(tmp_path, name, kept=kept, seed=seed, **own) for name, own, kept, seed in runs]
    (found,) = sections_of([load(path) for path in made])
    return found


def grid(tmp_path):
    weighed = [("lwf", {"weight": w}, k, s) for w, k in ((3.0, 0.9), (0.3, 0.4), (1.0, 0.7)) for s in (0, 1)]
    return section(tmp_path, *weighed, ("finetune", {}, 0.02, 0))


def test_a_method_whose_runs_differ_in_one_number_is_a_curve_in_its_order(tmp_path):
    curves = {curve.label: curve for curve in curves_of(grid(tmp_path).groups)}
    assert curves.keys() == {"finetune", "lwf, weight"}
    assert curves["lwf, weight"].weights == (0.3, 1.0, 3.0)
    assert curves["finetune"].weights == (None,)
    assert list(curves["lwf, weight"].old) == sorted(curves["lwf, weight"].old)


def test_points_are_means_over_seeds_of_what_is_kept_and_what_is_reached(tmp_path):
    found = grid(tmp_path)
    group = next(group for group in found.groups if group.settings.get("weight") == 1.0)
    curve = next(curve for curve in curves_of(found.groups) if len(curve.weights) == 3)
    matrices = [run.accuracy for run in group.runs]
    assert len(matrices) == 2
    assert curve.old[1] == pytest.approx(np.mean([[m[4][j] for j in range(4)] for m in matrices]))
    assert curve.new[1] == pytest.approx(np.mean([[m[j][j] for j in range(1, 5)] for m in matrices]))


def test_what_differs_in_its_training_too_is_points(tmp_path):
    found = section(
        tmp_path, ("lwf", {"weight": 1.0}, 0.5, 0), ("lwf", {"weight": 2.0, "epochs": 9.0}, 0.6, 0)
    )
    assert [len(curve.weights) for curve in curves_of(found.groups)] == [1, 1]
    assert pictures(found) == []


def test_it_is_drawn_with_larger_marks_for_larger_weights_among_the_reports_pictures(tmp_path):
    found = grid(tmp_path)
    (picture,) = pictures(found)
    sizes = [float(size) for size in re.findall(r"scale\(([\d.]+)\)", picture.svg)]
    names = re.findall(r"<title>(lwf, weight [\d.]+)", picture.svg)
    assert names == ["lwf, weight 0.3", "lwf, weight 1", "lwf, weight 3"]
    areas = [size**2 for size in sizes if size != 1.4]
    assert areas[1] - areas[0] == pytest.approx(areas[2] - areas[1], rel=0.05)
    assert areas[0] < areas[1]
    assert {name for name, _ in picture.keys} == {"lwf, weight", "finetune"}
    assert picture.name in [each.name for each in all_pictures(found, colours_of(found.groups))]


def test_curves_are_found_among_runs_that_differ_in_other_things_too(tmp_path):
    """One for each scope; what was trained otherwise is left out, what only has other settings is a point."""
    weighed = [
        ("lwf", {"weight": w, "scope": scope}, 0.5, 0) for scope in ("new", "seen") for w in (0.3, 1.0, 3.0)
    ]
    others = [
        ("lwf", {"weight": 1.0, "scope": "new", "epochs": 9.0}, 0.5, 0),
        ("lwf", {"weight": 1.0, "scope": "new", "temperature": 7.0}, 0.5, 0),
        ("finetune", {}, 0.1, 0),
        ("finetune", {"epochs": 9.0}, 0.1, 0),
        ("joint", {"epochs": 5.0}, 0.9, 0),  # trained otherwise than all curves, but there is no other
    ]
    curves = {curve.label: curve.weights for curve in curves_of(section(tmp_path, *weighed, *others).groups)}
    assert curves == {
        "finetune": (None,),
        "lwf scope=new, weight": (0.3, 1.0, 3.0),
        "lwf scope=seen, weight": (0.3, 1.0, 3.0),
        "lwf scope=new temperature=7 weight=1": (None,),
        "joint": (None,),
    }
