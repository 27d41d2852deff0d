"""What cells show together: when they differ, what is called a possible mosaic, in which order."""

from __future__ import annotations

import pytest

from screening.record import PairChange, Structure
from screening.triage.findings import CellKaryotype, Findings, find, structural


def cells(**counts: int) -> list[CellKaryotype]:
    """So many cells of each kind; see KINDS."""
    return [KINDS[name] for name, count in counts.items() for _ in range(count)]


KINDS = {
    "normal": CellKaryotype("46,XX"),
    "male": CellKaryotype("46,XY"),
    "gain": CellKaryotype("47,XX,+8", ("+8",)),
    "other_gain": CellKaryotype("47,XX,+21", ("+21",)),
    "loss": CellKaryotype("45,XX,-7", ("-7",)),
    "both": CellKaryotype("46,XX,+8,-7", ("+8", "-7")),
    "turner": CellKaryotype("45,X", ("-X",)),
}


def found(unread: int = 0, **counts: int) -> Findings:
    return find(cells(**counts), unread)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_one_cell_never_differs(kind):
    assert not found(**{kind: 1}).mosaic
    assert "single" not in found(**{kind: 1}).text


@pytest.mark.parametrize(
    ("counts", "possible"),
    [
        ({"gain": 1, "normal": 3}, False),
        ({"gain": 2, "normal": 1}, True),
        ({"loss": 2, "normal": 2}, False),
        ({"loss": 3, "normal": 1}, True),
        ({"loss": 1, "gain": 2}, True),
        ({"gain": 3}, False),
        ({"both": 3, "gain": 1, "normal": 1}, True),
        ({"both": 2, "gain": 1}, False),  # the gain is in all cells, the loss in too few
        ({"gain": 2, "other_gain": 1}, True),  # one of the two is enough
    ],
)
def test_what_is_clonal_in_some_of_the_cells_is_a_possible_mosaic(counts, possible):
    got = found(**counts)
    assert ("possible mosaic" in got.text) == possible
    assert got.mosaic == (len(counts) > 1)


def test_most_common_first_and_then_by_name():
    text = found(gain=1, other_gain=2, normal=1).text
    assert text.index("+21") < text.index("+8")
    assert text.endswith(
        "possible mosaic: 47,XX,+21 in 2 of 4, 46,XX in 1 of 4, 47,XX,+8 in 1 of 4"
    )
    assert found(normal=2, male=3).text.startswith("XY in 3, XX in 2")


def test_cells_of_one_kind_agree():
    assert found(normal=2) == Findings("46,XX in 2 of 2 cells", False)
    assert found(gain=2) == Findings("2 of 2 cells show +8", False)
    assert found(turner=2) == Findings("2 of 2 cells show -X", False)


def test_a_change_counts_once_a_cell():
    twice = CellKaryotype("48,XX,+8,+8", ("+8", "+8"))
    assert find([twice, KINDS["gain"]]).text == "2 of 2 cells show +8"


def test_two_sexes_are_told_even_where_nothing_else_differs():
    got = found(normal=1, male=1)
    assert got.mosaic
    assert got.text == (
        "XX in 1, XY in 1: a chimera, or pictures of two persons?; "
        "46,XX in 1, 46,XY in 1 of 2 cells"
    )
    # A sex of a change of its own is a finding, not another person.
    assert "chimera" not in found(normal=1, turner=1).text


def test_what_was_not_read_is_told():
    assert found(normal=1).text == "46,XX in 1 of 1 cell"
    assert found(normal=1, unread=1).text == "46,XX in 1 of 1 cell; 1 cell not read"
    assert found(normal=1, unread=2).text == "46,XX in 1 of 1 cell; 2 cells not read"
    assert find([], 3) == Findings("", False)
    assert find(cells(normal=1)).text == "46,XX in 1 of 1 cell"


def cell(**odds: float) -> Structure:
    """A cell's structure by the log-odds of its pairs, "c9": of the class 9."""
    named = {name[1:]: value for name, value in odds.items()}
    highest = max(named, key=named.__getitem__)
    pairs = (PairChange(highest, 0, 1, 0, named[highest], 0.1),)
    return Structure(named[highest] - 4, 0.9, len(named), pairs, odds=named)


def test_the_same_pair_in_several_cells_is_strong_and_in_one_of_many_weak():
    weak = cell(c9=4, c21=-4, c22=-4)
    assert weak.log_odds < 3
    alone = structural([weak], 3)
    assert not alone.mosaic and alone.text == ""
    same = structural([weak, weak, weak], 3)
    assert same.mosaic and "3 of 3 cells show two chromosomes 9 that differ" in same.text
    quiet = cell(c9=-4, c21=-4, c22=-4)
    assert structural([weak, *[quiet] * 6], 3) == Findings("", False)
    odd = structural([cell(c9=9, c21=-4, c22=-4), *[quiet] * 6], 3)
    assert not odd.mosaic and "1 of 7 cells shows two chromosomes 9" in odd.text
    assert "single cell" in odd.text


def test_two_cells_of_one_person_may_each_say_a_little_less():
    said, quiet = (cell(c9=odds, c21=-1.8, c22=-1.8) for odds in (-0.1, -1.8))
    assert not structural([said, said], -1.13).mosaic
    seen = structural([said, said], -1.13, one_person=True)
    assert seen.mosaic and seen.text == "2 cells together show two chromosomes 9 that differ"
    assert structural([said, quiet], -1.13, one_person=True) == Findings("", False)
    assert not structural([said], -1.13, one_person=True).mosaic


def test_a_translocation_of_several_cells_is_named():
    one = cell(c9=2, c22=3, **{f"c{n}": -5 for n in range(1, 9)})
    seen = structural([one, one], 3)
    assert seen.mosaic and seen.text.endswith("t(9;22)(q34;q11.2)?")
    assert structural([], 3) == Findings("", False)
