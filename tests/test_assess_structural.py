"""What a bundle may say of structure: limits, and sizes from which changes are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import picture, reading
from screening.assess.structural import (
    Shown,
    covers,
    structural_limits,
    structure_info,
    without_structure,
)
from screening.bundle_schema import BundleInfo, FusionInfo
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
    refused = replace(pages[-1].picture, status="rejected", reason="blank")
    again = structure_info([Shown("e", "", refused)], INFO, "")
    assert (again.normal, again.lost) == (1, 0), "not low-priority without the structure either"


@pytest.mark.parametrize(
    ("found", "from_size", "expected"),
    [(1.0, 0.0, 0.1), (1.0, 0.25, 0.25), (1.0, 0.44, 0.4), (0.7, 0.0, None), (0.0, 0.0, None)],
)
def test_from_which_part_on_changes_are_seen(found, from_size, expected):
    rng = np.random.default_rng(0)
    sizes = {
        kind: [(s, bool(s >= from_size and i % 10 < 10 * found))
               for i, s in enumerate(rng.permutation(np.linspace(0.1, 0.9, 200)))]
        for kind in ("del", "dup")
    }  # fmt: skip
    reached = covers(sizes)
    assert reached == (expected and pytest.approx(expected, abs=0.05))


def test_rare_kinds_do_not_decide_and_all_kinds_count_alike():
    many = [(0.5, True)] * 100
    assert covers({"del": many, "inv": [(0.5, False)] * 4}) == 0.3
    assert covers({"del": many, "inv": [(0.5, False)] * 5}) is None
    assert covers({"del": many, "inv": [(0.5, True)] * 5}) == 0.3
    assert covers({}) is None


def test_a_page_knows_its_kind_and_the_largest_changed_part():
    page = Shown("a", "t(9;22)(q34;q11.2)", Picture("a", "a"))
    assert page.kind == "t" and 0.3 < page.size < 0.8
    assert Shown("a", "del(5)(q13q33)", Picture("a", "a")).size == pytest.approx(0.45, abs=0.1)
