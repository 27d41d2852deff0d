"""How clusters of chromosomes are typed, matched and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
UNIT = 10.0


@pytest.fixture
def types(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import cluster_types

    return cluster_types


@pytest.fixture
def tables(types):
    import cluster_tables

    return cluster_tables


def bars(types, *lefts: int) -> list:
    """Chromosomes of 10 by 40 pixels side by side, their left edges given."""
    return [types.Blob(left, 0, np.ones((40, 10), bool)) for left in lefts]


@pytest.mark.parametrize(
    ("lefts", "members", "kinds"),
    [
        ((0, 30), [(0,), (1,)], ["instance", "instance"]),
        ((0, 11), [(0,), (1,)], ["instance", "instance"]),  # a pixel of paper between
        ((0, 10), [(0, 1)], ["touching"]),
        ((0, 9), [(0, 1)], ["touching"]),  # a rim of one pixel is no overlap
        ((0, 5), [(0, 1)], ["overlapping"]),
        ((0, 5, 15, 40), [(0, 1, 2), (3,)], ["touching-overlapping", "instance"]),
    ],
)
def test_the_type_of_a_cluster_is_how_its_members_meet(types, lefts, members, kinds):
    pairs = types.meetings(bars(types, *lefts), UNIT)
    made = types.clusters(len(lefts), pairs)
    assert made == members
    assert [types.type_of(own, pairs) for own in made] == kinds


def test_nothing_is_told_of_what_was_not_found_and_a_meeting_outside_counts(types):
    assert types.type_of((), {}) == "nothing"
    assert types.type_of((1,), {(1, 7): "touching"}) == "touching"


def test_ink_at_a_corner_adjoins(types):
    one, other = types.Blob(0, 0, np.ones((4, 4), bool)), types.Blob(4, 4, np.ones((4, 4), bool))
    assert types.meeting(one, other, UNIT) == "touching"
    assert types.shared(one, other) == 0


def test_pieces_are_matched_one_to_one_and_print_is_nobodys(types):
    true = bars(types, 0, 20)
    found = [*bars(types, 20, 60), types.Blob(0, 0, np.ones((20, 10), bool))]
    own, iou = types.matched(true, found)
    assert own.tolist() == [2, 0] and iou.tolist() == [0.5, 1.0]
    assert types.owners(found, true) == [1, -1, 0]
    assert types.matched(true, [])[0].tolist() == [-1, -1]


def test_light_through_both_tells_an_overlap_from_rims(types):
    pieces = bars(types, 0, 10)
    paper = np.full((40, 20), 155, np.uint8)
    assert types.darkness(*pieces, paper, UNIT) == pytest.approx(1)
    paper[:, 8:12] = 205
    rims = types.darkness(*pieces, paper, UNIT)
    paper[:, 8:12] = 40
    through_both = types.darkness(*pieces, paper, UNIT)
    assert rims < 0.6 and through_both > 1.4
    assert np.isnan(types.darkness(*bars(types, 0, 12), paper, UNIT))
    told = [types.kind_of(there, 0.2, 1.2) for there in (0.1, rims, through_both, float("nan"))]
    assert told == ["", "touching", "overlapping", ""]


def test_the_best_limits_part_the_kinds(types):
    pairs = [("", 0.1), ("", 0.2), ("touching", 0.5), ("overlapping", 0.9), ("overlapping", 1.1)]
    pale, dark = types.best_limits(pairs)
    assert 0.2 < pale <= 0.5 < dark <= 0.9


def test_a_completed_overlap_belongs_to_both(types):
    """A cross: the lying bar was cut where the standing one crosses it."""
    standing = types.Blob(20, 0, np.ones((50, 10), bool))
    lying = types.Blob(0, 20, np.ones((10, 50), bool))
    cut = types.Blob(0, 20, np.repeat(np.arange(50)[None] // 10 != 2, 10, 0))
    found = [standing, cut]
    assert types.overlaps([standing, lying], found, (0, 1)) == (0, 100, 0, 0)
    assert types.overlaps([standing, lying], [standing, None], (0, 1)) == (0, 100, 0, 0)
    whole = types.completed(found, {(0, 1): "overlapping"}, types.hull)
    assert types.overlaps([standing, lying], whole, (0, 1)) == (100, 0, 0, 0)
    grown = types.completed(found, {(0, 1): "overlapping"}, types.rim(UNIT))
    assert types.overlaps([standing, lying], grown, (0, 1)) == (20, 80, 0, 24)
    assert types.completed(found, {(0, 1): "touching"}, types.hull) == found


def test_an_interval_counts_persons_not_clusters(types, tables):
    values = [1.0] * 50 + [0.0] * 50

    def pages(*people: str) -> list:
        return [types.Shown("lab", each, "good", (), (), (), False) for each in people]

    assert tables.share(values, pages(*"ab" * 50), 2).startswith("0.50 (0.50")
    assert tables.share(values, pages(*["a"] * 50, *["b"] * 50)) == "0.500 (0.000–1.000)"
    assert tables.share(values, pages(*["one"] * 100)) == "0.500"
    assert tables.share([], []) == "–"


def test_what_was_told_is_counted_by_true_type(types):
    pairs = [("touching", "touching"), ("touching", "instance"), ("overlapping", "nothing")]
    assert types.confusion(pairs).tolist() == [
        [0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0],
    ]  # fmt: skip


def test_the_report_has_a_line_for_each_preparation_and_type(types, tables):
    whole, half = types.Member((0.9,) * 3, 1.01), types.Member((0.6, 0.8, 0.7), 0.9)
    none = types.Member((0.0,) * 3, float("nan"))
    alone = types.Cluster("instance", "instance", (whole,), 1, 1)
    pair = types.Cluster("overlapping", "touching", (half, none), 2, 1)
    spots = (((0, 6, 2, 0), (4, 2, 2, 1), (0, 6, 2, 0)),)
    shown = [types.Shown("a", "p", "good", (alone, alone), (), (), False),
             types.Shown("a", "q", "worn", (alone, pair), spots, (), True)]  # fmt: skip
    assert alone.cut and not pair.cut
    text = tables.report(shown)
    assert "\na 2;" in text and "measured all the same: 1." in text
    assert "| worn | overlapping | 1 | 2 | 1.000 | 0.000 | 1, 0 | 0.000 | 0.300 | 0.375 |" in text
    assert "| worn | as found | 1 | 8 | 0.000 | 0.750 | 0.250 | 0.000 | 0.000 | 0.000 |" in text
    assert (
        "| worn | completed by hull | 1 | 8 | 0.500 | 0.250 | 0.250 | 0.500 | 0.125 | 0.444 |"
        in text
    )
    assert "| worn | overlapping | 0 | 1 | 0 | 0 | 0 | 0.000 |" in text
    assert "| a | worn | 1 | 2 | 0.500 | 0.000 | 0.500 |" in text
