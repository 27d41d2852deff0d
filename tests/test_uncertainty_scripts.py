"""The measuring scripts on small numbers: simulation against closed form, changes by grade."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binomtest

from pictures import picture
from screening.assess.labelled import LabelledPicture
from screening.triage.rule import Rule

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(autouse=True)
def beside_one_another(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_simulated_breaks_agree_with_the_closed_form():
    guarantee = script("measure_guarantee")
    line = guarantee.one_each("normal", 0.9, 60, 400, np.random.default_rng(0))
    broken, exact, plugged = line[4], line[5], line[6]
    assert exact <= 0.05
    assert binomtest(broken.successes, broken.total, exact).pvalue > 1e-3
    assert (
        plugged.value > 0.3
    )  # a threshold read off the sample breaks its recall about half of all times


@pytest.mark.parametrize(("people", "cells"), [(48, 22), (20, 50)])
def test_pooled_cells_counted_as_people_break_the_promise_and_left_out_they_do_not(people, cells):
    guarantee = script("measure_guarantee")
    lines = guarantee.pooled(people, cells, 0, 400, np.random.default_rng(1))
    counted, alone = ((line[5], line[6]) for line in lines)
    assert counted[1] > 0.07 and alone[1] <= 0.05
    for broken, exact in (counted, alone):
        assert binomtest(broken.successes, broken.total, exact).pvalue > 1e-3
    assert lines[1][3] == guarantee.earnable(people) < lines[0][3]
    shared = guarantee.pooled(people, cells, 30, 400, np.random.default_rng(1))
    assert shared[0][5].value > 0.06 > shared[1][5].value


def test_what_people_earn_is_rounded_down_and_fixed_by_their_number():
    guarantee = script("measure_guarantee")
    assert [guarantee.earnable(n) for n in (20, 48, 58, 59, 299)] == [0.86, 0.93, 0.94, 0.95, 0.99]


@pytest.mark.parametrize(
    "name", ["contrast", "stain", "magnification", "blur", "JPEG", "noise", "uneven light"]
)
def test_changes_are_pictures_and_stronger_with_their_grade(name):
    stress = script("measure_stress")
    change, grades = stress.CORRUPTIONS[name]
    rng = np.random.default_rng(0)
    page = np.full((400, 1000), 255, np.uint8)
    page[100:300, 200:300] = rng.integers(60, 160, (200, 100))
    made = [change(page, grade, np.random.default_rng(1)) for grade in grades]
    assert all(picture.dtype == np.uint8 and picture.ndim == 2 for picture in made)
    if name == "magnification":
        assert [picture.shape[1] for picture in made] == [round(1000 * g) for g in grades]
    elif name != "stain":
        apart = [np.abs(picture.astype(float) - page).mean() for picture in made]
        assert apart == sorted(apart) and apart[0] > 0


def test_confidences_are_ranked_over_all_parts_and_in_each():
    sure = np.linspace(0.5, 1, 20)
    parts = {
        name: ((np.arange(20) < errors).astype(int), {"votes": sure, "std": np.full(20, 0.5)})
        for name, errors in (("known", 2), ("unseen", 5))
    }
    text = script("measure_selective").table_of(parts)
    assert "40 judged pictures, 7 errors" in text and "**votes**" in text
    assert "| unseen | votes | 20 | 5/20" in text and "| all | std | 40 | 7/40" in text
    alone = script("measure_selective").table_of({"known": parts["known"]})
    assert "| known |" not in alone


def test_halves_of_the_patients_calibrate_what_the_others_are_told():
    confidence = script("measure_confidence")
    rng = np.random.default_rng(0)
    pictures, results = [], {}
    for i in range(160):
        ill = i % 2 == 1
        centre = rng.normal(2.5 if ill else -2.5, 2)
        p = 1 / (1 + np.exp(-(centre + rng.normal(0, 0.3, 50))))
        name = f"k{i}"
        of = f"p{i // 2}"
        pictures.append(LabelledPicture(name, Path(name), ill, name, "lab", of, False, name))
        results[name] = picture(name, p=p.astype(np.float32))
    counts, shares = confidence.halves(pictures, results, Rule(), 10, rng)
    by = {n: dict(zip(confidence.COUNTED, row, strict=True)) for n, row in counts.items()}
    assert by["votes"]["pictures"] == by["calibrated"]["pictures"] == 80
    assert by["votes"]["errors"] > 3 and by["calibrated"]["oversure errors"] == 0
    assert by["votes"]["oversure errors"] / by["votes"]["errors"] > 0.4
    assert by["calibrated"]["missed"] <= by["votes"]["missed"]
    assert shares["calibrated"].max() == 0
