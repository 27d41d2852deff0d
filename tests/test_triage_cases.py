"""Rows of cases: every kind of picture is counted once, the most urgent route and score stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pictures import picture, reading
from screening import words as said
from screening.classes import CHROMOSOMES
from screening.record import Case, PairChange, Picture, Structure, Verdict
from screening.triage.cases import summarise_cases, without_doubt, without_outvoted
from screening.triage.rule import Rule, judge


def cell(
    prediction: str = "normal", p: float | None = 0.1, route: str = "low-priority",
    status: str = "ok", change: str | None = None, case: str = "a", **changes: object,
) -> Picture:  # fmt: skip
    """One judged picture of a case; `change` as read, such as "+21", None where it was not."""
    read = None if change is None else reading(change, **changes)
    verdict = Verdict(route, prediction, p_abnormal=p)
    return picture(case=case, status=status, reading=read, verdict=verdict)


def unjudged(status: str) -> Picture:
    return cell("", None, "review", status)


def case_of(*cells: Picture, rule: Rule | None = None) -> Case:
    (case,) = summarise_cases(cells, rule or Rule())
    return case


def test_every_kind_is_counted():
    case = case_of(
        cell(), cell(), cell("abnormal", 0.9, "flag"), cell("abnormal", 0.7, "review"),
        cell("abnormal", 0.8, "flag"), unjudged("rejected"), unjudged("rejected"),
        unjudged("failed"),
    )  # fmt: skip
    assert (case.images, case.ok, case.rejected, case.failed, case.abnormal) == (8, 5, 2, 1, 3)
    assert (case.route, case.p_abnormal) == ("flag", 0.9)
    assert case.summary == "3 of 5 cells look abnormal, 3 more could not be judged"


@pytest.mark.parametrize(
    ("normal", "abnormal", "words"),
    [
        (1, 0, "0 of 1 cell look abnormal"),
        (0, 1, "1 of 1 cell looks abnormal"),
        (1, 1, "1 of 2 cells looks abnormal"),
        (0, 2, "2 of 2 cells look abnormal"),
    ],
)
def test_the_sentence(normal, abnormal, words):
    cells = [cell()] * normal + [cell("abnormal", 0.9, "flag")] * abnormal
    assert case_of(*cells).summary == words


def test_a_case_of_which_nothing_could_be_judged_is_reviewed():
    case = case_of(unjudged("failed"), unjudged("rejected"))
    assert (case.route, case.p_abnormal, case.abnormal, case.findings) == ("review", None, 0, "")
    assert case.summary == "no picture could be judged"


def test_one_unjudged_picture_keeps_a_case_from_the_end():
    assert case_of(cell(), cell()).route == "low-priority"
    assert case_of(cell(), unjudged("failed")).route == "review"


def test_cases_keep_their_order_and_their_own_cells():
    cells = [cell(case="b"), cell("abnormal", 0.9, "flag", case="a"), cell(p=0.3, case="b")]
    b, a = summarise_cases(cells, Rule())
    assert (b.case, b.images, b.p_abnormal, b.route) == ("b", 2, 0.3, "low-priority")
    assert (a.case, a.images, a.abnormal) == ("a", 1, 1)
    assert summarise_cases([], Rule()) == []


def test_findings_of_the_cells_that_were_read():
    read = [cell(change=""), cell(change="+8")]
    case = case_of(*read, unjudged("failed"))
    assert case.findings.startswith("1 of 2 cells shows +8") and "1 cell not read" in case.findings
    assert case_of(*read).route == "review"  # the cells differ, whatever each says
    assert case_of(cell(change=""), cell(change="")).route == "low-priority"
    assert case_of(read[1]).route == "low-priority"  # one cell cannot differ from itself


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({"layout_score": 0.4}, True), ({"layout_score": 0.39}, False),
        ({"karyotypes": (("47,XX,+8", 0.5),)}, True), ({"karyotypes": (("x", 0.49),)}, False),
        ({"karyotypes": ()}, False),
    ],
)  # fmt: skip
def test_only_what_was_read_in_order_and_stands_out_is_counted(changes, counted):
    case = case_of(cell(change="+8", **changes), rule=Rule(min_layout=0.4))
    assert case.findings == ("1 of 1 cell shows +8" if counted else "")
    rejected = cell(change="+8", status="rejected", route="review")
    assert case_of(rejected, rule=Rule()).findings == ""


@pytest.mark.parametrize(
    ("doubt", "change", "named"),
    [
        ("", "", True), ("", "+8", True), ("", "+8 +19", False), (said.POOR_BANDS, "", False),
        (said.UNREADABLE_STRUCTURE, "", False),
    ],
)  # fmt: skip
def test_cells_that_cannot_carry_a_name_do_not_say_what_a_case_has(doubt, change, named):
    odds = dict.fromkeys(CHROMOSOMES[:22], -6.0) | {"9": 4.0, "22": 4.0}
    seen = Structure(6.0, 0.8, 22, (), odds=odds)
    cells = [
        picture(f"{i}.png", case="a", reading=reading(change, structure=seen),
                doubts=(doubt,) * bool(doubt), verdict=Verdict("review", "normal"))
        for i in range(3)
    ]  # fmt: skip
    case = case_of(*cells, rule=Rule(structural=5.0))
    assert ("t(9;22)" in case.findings) == ("chromosomes 9" in case.findings) == named
    assert case.route == "review"


def compared(name: str, odds: float, doubt: bool, change: str = "", **changes: object) -> Picture:
    """A normal cell of case a whose chromosomes 5 differ by so much, doubted for it or not."""
    pairs = (PairChange("5", 0, 1, 0, odds, 0.1),) if doubt else ()
    named = dict.fromkeys(CHROMOSOMES[:22], -3.0) | {"5": odds}
    seen = Structure(odds - 4, 0.8, 22, pairs, odds=named)
    values = {"case": "a", "doubts": (said.structural_doubt(seen),) if doubt else ()} | changes
    return picture(name, around=0.0, reading=reading(change, structure=seen), **values)


def routed(rule: Rule, *pictures: Picture) -> list[Picture]:
    """What becomes of pictures whose doubts the other cells of their case may take back."""

    def judged(one: Picture) -> Picture:
        return replace(one, verdict=judge(rule, one))

    others = {
        one.image: judged(other) for one in pictures if (other := without_doubt(one)) is not None
    }
    return without_outvoted([judged(one) for one in pictures], others, rule)


def test_cells_of_one_person_take_back_what_one_of_them_shows():
    odd, usual = compared("odd.png", 4.5, True), compared("usual.png", -6.0, False)
    apart, together = (Rule(structural=0.0, together=both) for both in (False, True))
    assert [one.judged.route for one in routed(apart, odd, usual)] == ["review", "low-priority"]
    first, second = routed(together, odd, usual)
    assert first.judged.route == second.judged.route == "low-priority" and first.doubts == ()
    assert first.judged.reasons[-1] == (
        "in this cell the two chromosomes 5 differ, but the 2 cells of the case together speak "
        "against a change"
    )
    (case,) = summarise_cases([first, second], together)
    assert case.route == "low-priority"


@pytest.mark.parametrize(
    "other",
    [
        compared("too.png", 4.0, True),
        compared("else.png", -6.0, False, case="b"),
        compared("poor.png", -6.0, False, doubts=(said.POOR_BANDS,)),
        compared("many.png", -6.0, False, "+8 +19"),
        compared("failed.png", -6.0, False, status="failed"),
        picture("unread.png", case="a", around=0.0),
    ],
    ids=lambda one: one.image,
)
def test_a_doubt_stands_unless_another_cell_that_can_be_compared_speaks_against_it(other):
    odd = compared("odd.png", 4.5, True)
    rule = Rule(structural=0.0, together=True)
    stands = routed(rule, odd, other)[0]
    assert stands.judged.route == "review" and stands.doubts == odd.doubts


@pytest.mark.parametrize("other", [{"sex": "XY"}, {"change": "+8"}])
def test_cells_of_two_sexes_or_karyotypes_are_no_witnesses_of_each_other(other):
    odd, usual = compared("odd.png", 4.5, True), compared("usual.png", -6.0, False)
    structure = usual.reading.structure
    usual = replace(usual, reading=reading(**other, structure=structure))
    rule = Rule(structural=0.0, together=True)
    assert routed(rule, odd, usual)[0].doubts == odd.doubts


def test_what_keeps_a_cell_from_low_priority_besides_is_not_taken_back():
    odd = compared("odd.png", 4.5, True)
    worn = replace(odd, doubts=(*odd.doubts, "a hair across the page"))
    named = replace(odd, doubts=(said.structural_doubt(
        replace(odd.reading.structure, suggestion="t(9;22)(q34;q11.2)")
    ),))  # fmt: skip
    usual = compared("usual.png", -6.0, False)
    rule = Rule(structural=0.0, together=True)
    first = routed(rule, worn, usual)[0]
    assert first.judged.route == "review" and first.doubts == ("a hair across the page",)
    assert without_doubt(named) is None  # another sentence than its structure says now
    assert without_doubt(usual) is None and without_doubt(picture()) is None
