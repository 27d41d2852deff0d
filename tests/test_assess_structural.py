"""What a bundle may say of structure: limits, and sizes from which changes are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import picture, reading
from screening.assess.structural import (
    Shown,
    Tried,
    counted,
    covers,
    structural_limits,
    structure_info,
    without_structure,
)
from screening.build.bundles import _with_limits
from screening.build.config import FusionConfig
from screening.bundle_schema import EXPECTED_KINDS, BundleInfo, FusionInfo
from screening.metrics import proportion
from screening.page_settings import StructureReading
from screening.reading_settings import ReadingSettings
from screening.record import PairChange, Picture, Structure
from screening.triage.rule import Rule, judge
from screening.words import structural_doubt

LIMITS = ReadingSettings(structure=StructureReading(doubt=3.0, readable=0.2))
INFO = BundleInfo(
    name="b", created="x", parts={}, threshold=0.5, reading=LIMITS,
    fusion=FusionInfo(intercept=-4.0, weights={"count": 1.0}),
)  # fmt: skip


def shown(log_odds: float, change: str = "", person: str = "a", doubted: bool = True) -> Shown:
    """A page read as a normal cell with this much doubt about its structure."""
    structure = Structure(log_odds, 0.8, 22, (PairChange("9", 0, 1, 1, log_odds, 0.2),))
    seen = replace(reading(), structure=structure)
    doubts = (structural_doubt(structure),) if doubted and log_odds >= 3 else ()
    made = picture(reading=seen, doubts=doubts, features={"count": 0.0})
    return Shown(person, change, made)


def test_limits_leave_the_asked_shares_of_normal_pictures_behind():
    normal = [shown(float(k), doubted=False).picture for k in range(100)]
    limits = structural_limits(normal, 0.04, StructureReading(), 0.1)
    assert limits.doubt == 95.5 and sum(k >= limits.doubt for k in range(100)) == 4
    none = structural_limits(normal, 0.0, StructureReading(), 0.1)
    assert none.doubt == 99.5
    assert none.readable == 0.1
    assert structural_limits([picture()], 0.04, StructureReading(), 0.1) == StructureReading()


@pytest.mark.parametrize(("threshold", "doubt"), [(0.5, 95.5), (1e-6, 155.5)])
def test_the_limit_of_a_build_counts_what_has_low_priority_to_lose(threshold, doubt):
    """Of 160 normal pages 60 come to review anyway; where all do, all are counted."""
    low = [shown(float(k), doubted=False).picture for k in range(100)]
    unsure = [replace(shown(100.0 + k).picture, doubts=("a poor picture",)) for k in range(60)]
    rows = [{"label": "normal", "case": f"p{k}"} for k in range(160)]
    rule = replace(Rule.of(INFO), threshold=threshold)
    config = FusionConfig(most_doubted=0.04 if threshold == 0.5 else 0.03)
    limits = _with_limits(INFO, rule, [*low, *unsure], rows, config)
    assert limits.structure.doubt == doubt


def test_what_was_said_of_structure_can_be_left_out():
    doubted = shown(5.0).picture
    doubted = replace(doubted, doubts=(*doubted.doubts, "another doubt"))
    assert without_structure(doubted, LIMITS).doubts == ("another doubt",)
    rule = Rule.of(INFO)
    assert judge(rule, shown(5.0).picture).route == "review"
    assert judge(rule, without_structure(shown(5.0).picture, LIMITS)).route == "low-priority"


def test_what_is_found_is_counted_by_kind_and_size_and_what_it_costs():
    big, small = "del(5)(q13q33)", "del(4)(p15)"
    pages = [
        *(shown(5.0, big, person) for person in "ab"), shown(0.0, big, "c"),
        shown(5.0, small, "c"), shown(0.0, small, "d"),
        *(shown(0.0, person=person) for person in "abcd"), shown(5.0, person="e"),
    ]  # fmt: skip
    found = structure_info(pages, INFO, "hash")
    assert (found.people, found.normal, found.lost, found.data_hash) == (5, 5, 1, "hash")
    assert {(one.kind, one.raised, one.pages) for one in found.found} == {
        ("del", 2, 3),
        ("del", 1, 2),
    }
    assert found.covers is None  # too few of any size
    bounds = {one.pages: one.bound for one in found.found}
    assert bounds[3] == pytest.approx(0.1354, abs=1e-4)  # exact, two of three
    assert bounds[2] == pytest.approx(0.0253, abs=1e-4)
    assert found.confidence == 0.95 and found.lost_bound == pytest.approx(0.6574, abs=1e-4)
    refused = replace(pages[-1].picture, status="rejected", reason="blank")
    again = structure_info([Shown("e", "", refused)], INFO, "")
    assert (again.normal, again.lost) == (1, 0), "not low-priority without the structure either"


def tried(kind: str, size: float, raised: int, missed: int = 0) -> list[Tried]:
    """Changes of as many people."""
    return [Tried(f"{i}", kind, size, i < raised) for i in range(raised + missed)]


def of_all(size: float, raised: int, missed: int = 0) -> list[Tried]:
    return [one for kind in EXPECTED_KINDS for one in tried(kind, size, raised, missed)]


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([], None),
        (of_all(0.6, 13), None),  # nobody missed, but too few to be sure of four in five
        (of_all(0.6, 14), 0.5),
        (of_all(0.6, 14) + of_all(0.3, 21, 1), 0.25),
        (of_all(0.6, 14) + of_all(0.3, 13, 1), 0.5),
        # The first size that fails ends it.
        (of_all(0.6, 9, 5) + of_all(0.3, 30), None),
        # One of which too little is known is passed over, whatever it shows.
        (of_all(0.6, 2, 3) + of_all(0.3, 30), 0.25),
        # Every kind must be there, and each speak for itself.
        (of_all(0.3, 30)[30:], None),
        (of_all(0.3, 30)[30:] + tried("del", 0.3, 20, 4), None),
        # Other kinds may be few, but may not contradict.
        (of_all(0.3, 30) + tried("i", 0.3, 2, 1), 0.25),
        (of_all(0.3, 30) + tried("i", 0.3, 1, 4), None),
    ],
)  # fmt: skip
def test_from_which_part_on_changes_are_surely_seen(pages, expected):
    assert covers(counted(pages)) == expected


def test_a_person_with_several_pages_counts_once_as_the_worst():
    pages = [Tried("a", "del", 0.3, up) for up in (True, True, False)]
    pages += tried("del", 0.3, 3)
    (found,) = counted(pages)
    assert (found.raised, found.pages) == (5, 6)
    assert found.bound == pytest.approx(proportion(3, 4, 0.9).low)


@pytest.mark.parametrize("truth", [0.75, 0.79])
def test_a_size_that_is_not_seen_often_enough_is_hardly_ever_promised(truth):
    rng = np.random.default_rng(0)
    earned = 0
    for _ in range(400):
        pages = [
            Tried(str(i), kind, 0.3, bool(rng.random() < truth))
            for kind in EXPECTED_KINDS for i in range(40)
        ]  # fmt: skip
        earned += covers(counted(pages)) is not None
    assert earned <= 0.05 * 400


def test_a_page_knows_its_kind_and_the_largest_changed_part():
    page = Shown("a", "t(9;22)(q34;q11.2)", Picture("a", "a"))
    assert page.kind == "t" and 0.3 < page.size < 0.8
    assert Shown("a", "del(5)(q13q33)", Picture("a", "a")).size == pytest.approx(0.45, abs=0.1)
