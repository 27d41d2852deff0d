"""How straightening is judged: a chromosome against itself before it was bent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from screening.synthesis.drawn import draw_cell
from screening.synthesis.warp import Hinge, curl

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import measure_straightening

    return measure_straightening


@pytest.fixture(scope="module")
def straight() -> np.ndarray:
    cell = draw_cell(np.random.default_rng(0), "XX")
    return next(one.image for one in cell.chromosomes if one.name == "3")


def test_what_is_not_bent_keeps_its_length_and_bands_in_every_way(script, straight):
    found = script.judged(straight, 0.0, straight)
    assert found.kind == "straight"
    assert found.length == pytest.approx([1] * 3, abs=0.06)
    assert min(found.bands) > 0.9 and found.bands[0] > 0.99


def test_a_bend_is_undone_along_an_axis_and_not_without_one(script, straight):
    bent = curl(straight, (Hinge(0.5, 80.0, 0.1),))
    found = script.judged(straight, 80.0, bent)
    assert found.kind == "to 90 degrees"
    axis, skeleton, upright = found.bands  # of a clean drawing a skeleton is as good
    assert min(axis, skeleton) > 0.9 > upright
    assert found.length[0] == pytest.approx(1, abs=0.06) and found.length[2] < 0.95


def test_the_table_has_a_line_for_each_kind_and_way(script):
    one = script.Judged(30.0, (1.01, 0.9, 0.8), (0.95, 0.8, 0.5))
    text = script.table([one, script.Judged(0.0, (1.0,) * 3, (1.0,) * 3)])
    assert text.count("\n| straight |") == 3 and text.count("| to 45 degrees | 1 |") == 3
    assert "| to 45 degrees | 1 | medial axis | 1.0 % | 1.0 % | 0.950 | 0.950 |" in text
    assert "beyond" not in text


def test_upside_down_is_no_fault_of_the_axis(script, straight):
    flipped = np.ascontiguousarray(straight[::-1])
    assert script.judged(straight, 0.0, flipped).bands[0] > 0.98
