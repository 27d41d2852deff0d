"""What a cell's pairs say together: the odds, the odd one, and what its rows read as."""

from __future__ import annotations

import numpy as np
import pytest

from screening.classes import AUTOSOMES, class_index
from screening.evidence.structure import change_of, pairs_of, structure_of
from screening.karyogram.strip import QUALITY
from screening.page_settings import StructureReading
from screening.predict.pairs import PairsSaid

PARTS, STEPS = 12, 40
HOW = StructureReading()


def rows(*pieces: tuple[str, float, float], sure: float = 0.9) -> np.ndarray:
    """Log probabilities (STEPS, 24, PARTS) of rows that show the pieces, class from to."""
    total = sum(abs(end - start) for _, start, end in pieces)
    made = []
    for name, start, end in pieces:
        count = round(STEPS * abs(end - start) / total)
        for at in start + (end - start) * (np.arange(count) + 0.5) / count:
            p = np.full((24, PARTS), (1 - sure) / (24 * PARTS - 1))
            p[class_index(name), min(int(at * PARTS), PARTS - 1)] = sure
            made.append(p)
    return np.log(np.array((made + made[-1:] * STEPS)[:STEPS]))


def said(names: list[str], odds: list[float], odd: dict[int, np.ndarray]) -> PairsSaid:
    """Pairs with these odds; `odd`: what the second strip of a pair shows."""
    m = len(odds)
    places = np.zeros((m, 2, STEPS, 24, PARTS), np.float32)
    single = np.zeros((m, 2), np.float32)
    for k in range(m):
        places[k, :] = rows((names[2 * k], 0, 1))
        if k in odd:
            places[k, 1] = odd[k]
            single[k, 1] = 3
    each = np.tile(np.array(odds, np.float32), (4, 1)) + np.array([[-1], [1], [0], [0]])
    quiet = np.full((m, 2, STEPS), -9.0)
    inked = np.ones((m, 2, STEPS), bool)
    quality = np.zeros((m, 2, QUALITY))
    quality[..., 1] = 0.95
    return PairsSaid(each, single, quiet, places, inked, quality)


def test_pairs_are_of_classes_with_exactly_two():
    names = ["1", "1", "2", "21", "21", "21", "X", "Y", "Y"]
    assert pairs_of(names).tolist() == [[0, 1], [7, 8]]
    assert pairs_of([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("pieces", "kind", "start", "end", "partner"),
    [
        ([("9", 0, 1)], "", 0, 1, ""),
        ([("9", 0, 0.4), ("9", 0.8, 1)], "del", 0.4, 0.8, ""),
        ([("9", 0, 0.6)], "del", 0.6, 1, ""),
        ([("9", 0.4, 1)], "del", 0, 0.4, ""),
        ([("9", 0, 0.7), ("9", 0.4, 1)], "dup", 0.4, 0.7, ""),
        ([("9", 0, 0.3), ("9", 0.7, 0.3), ("9", 0.7, 1)], "inv", 0.3, 0.7, ""),
        ([("9", 0, 0.6), ("22", 0.5, 1)], "t", 0.6, 1, "22"),
        ([("21", 0, 1)], "", 0, 1, ""),
    ],
)
def test_what_was_joined_is_told(pieces, kind, start, end, partner):
    read = change_of(rows(*pieces), "9", HOW)
    assert (read.kind, read.partner) == (kind, partner)
    assert read.start == pytest.approx(start, abs=0.1)
    assert read.end == pytest.approx(end, abs=0.1)
    assert bool(read.bands) == bool(kind)


def test_nothing_is_told_of_what_shows_no_rows():
    assert change_of(np.zeros((1, 24, PARTS)), "9", HOW).kind == ""


def test_two_small_findings_are_one_translocation_by_name():
    names = [name for name in AUTOSOMES for _ in range(2)]
    odds = [{"9": 4.0, "22": 5.0}.get(name, -6.0) for name in AUTOSOMES]
    lost = {21: rows(("22", 0, 0.5))}
    doubted = HOW.model_copy(update={"doubt": 0.0})
    heard = said(names, odds, lost)
    seen = structure_of(heard, pairs_of(names), names, doubted, range(44))
    assert structure_of(heard, pairs_of(names), names, HOW, range(44)).suggestion == ""
    assert seen.suggestion == "t(9;22)(q34;q11.2)"
    assert {one.name for one in seen.pairs} == {"9", "22"} and seen.compared == 22
    changed = next(one for one in seen.pairs if one.name == "22")
    assert (changed.first, changed.second, changed.changed) == (42, 43, 43)
    assert changed.kind == changed.bands == "" and changed.spread == pytest.approx(0.707, abs=0.01)
    assert 0.85 < seen.readable < 0.95


@pytest.mark.parametrize(
    ("rows_that_differ", "ratio", "kind", "start", "end"),
    [
        ((16, 24), 0.0, "bands", 0.4, 0.6),
        ((16, 24), 0.3, "longer", 0.4, 0.6),
        ((19, 21), -0.4, "shorter", 0.33, 0.66),
        ((30, 40), -0.4, "shorter", 0.67, 1.0),
        ((0, 5), -0.4, "shorter", 0.0, 0.33),
        ((0, 0), -0.4, "", 0.0, 1.0),
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_the_odd_one_and_its_stretch_are_read_off_rows_and_lengths(
    side, rows_that_differ, ratio, kind, start, end
):
    names = ["9", "9"]
    one = said(names, [5], {})
    one.rows[0, side, slice(*rows_that_differ)] = 3
    one.quality[0, side, 0] = ratio
    if not kind:
        one.single[0, side] = 1
    (pair,) = structure_of(one, pairs_of(names), names, HOW, range(2)).pairs
    assert (pair.kind, pair.changed) == (kind, side)
    assert pair.start == pytest.approx(start, abs=0.02)
    assert pair.end == pytest.approx(end, abs=0.02)
    assert bool(pair.bands) == bool(kind)


def test_a_quiet_cell_tells_no_pair_beyond_the_likeliest():
    names = ["9", "9", "21", "21", "22", "22"]
    seen = structure_of(said(names, [-8, -6, -7], {}), pairs_of(names), names, HOW, range(6))
    assert seen.suggestion == "" and [one.name for one in seen.pairs] == ["21"]
    loud = structure_of(said(names, [4, -6, 5], {}), pairs_of(names), names, HOW, range(6))
    assert loud.log_odds > seen.log_odds + 8


def test_what_all_pairs_of_a_cell_have_is_the_slide_and_no_change():
    names = [name for name in AUTOSOMES for _ in range(2)]
    even, odd = ([base] * 21 + [base + 4] for base in (-1.8, 0.7))
    both = [
        structure_of(said(names, odds, {}), pairs_of(names), names, HOW, range(44))
        for odds in (even, odd)
    ]
    assert both[0].log_odds == pytest.approx(both[1].log_odds, abs=0.01)
    assert both[1].odds["22"] == pytest.approx(2.2, abs=0.01)
    sharp = structure_of(
        said(names, [-3.8] * 21 + [0.2], {}), pairs_of(names), names, HOW, range(44)
    )
    assert sharp.odds["22"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(("explained", "odds"), [(0.84, 0.0), (0.86, 5.0)])
def test_a_pair_that_was_badly_straightened_says_nothing_for_a_change(explained, odds):
    names = [name for name in AUTOSOMES for _ in range(2)]
    one = said(names, [-3.0] * 21 + [5.0], {})
    one.quality[21, 1, 1] = explained
    seen = structure_of(one, pairs_of(names), names, HOW, range(44))
    assert seen.odds["22"] == pytest.approx(odds)


def test_places_are_those_of_the_reading_and_no_pair_is_none():
    names = ["9", "9"]
    seen = structure_of(said(names, [3], {}), pairs_of(names), names, HOW, [7, 11])
    assert (seen.pairs[0].first, seen.pairs[0].second) == (7, 11)
    nothing = said([], [], {})
    assert structure_of(nothing, pairs_of(["9"]), ["9"], HOW, [0]) is None


def test_rows_that_say_little_lower_what_is_readable():
    names = ["9", "9"]
    blurred = said(names, [0], {})
    blurred.places[:] = np.log(1 / (24 * PARTS))
    assert structure_of(blurred, pairs_of(names), names, HOW, [0, 1]).readable < 0.05
