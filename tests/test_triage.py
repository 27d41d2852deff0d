"""The routing rule and the case rows: every branch, and what must never happen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pictures import judged, picture, reading
from screening.classes import ROUTES
from screening.record import Case, Picture, Verdict
from screening.triage.cases import summarise_cases
from screening.triage.findings import CellKaryotype, find
from screening.triage.policy import Policy, Votes, decide
from screening.triage.rule import Rule, judge


def seen(votes: int, passes: int = 100, **changes: object) -> tuple[Picture, Votes]:
    mean = changes.pop("mean", votes / passes)
    return picture(**changes), Votes(mean, 0.1, votes, passes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("votes", "route", "prediction"),
    [
        (100, "flag", "abnormal"),
        (80, "flag", "abnormal"),
        (79, "review", "abnormal"),
        (50, "review", "abnormal"),
        (49, "review", "normal"),
        (21, "review", "normal"),
        (20, "low-priority", "normal"),
        (0, "low-priority", "normal"),
    ],
)
def test_the_thesis_rule_at_80_percent(votes, route, prediction):
    decision = decide(*seen(votes), Policy(0.8))
    assert (decision.route, decision.prediction) == (route, prediction)
    assert decision.confidence == decision.votes == max(votes, 100 - votes) / 100


def test_a_share_equal_to_the_minimum_is_enough_whatever_its_last_bit():
    for passes, least in itertools.product((10, 30, 70, 100, 1000), (0.6, 0.7, 0.8, 0.9)):
        votes = round(least * passes)
        if votes / passes >= least - 1e-12:
            assert decide(*seen(votes, passes), Policy(least)).route == "flag"


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_what_was_not_judged_is_review_and_never_normal(status):
    decision = decide(picture(status=status, reason="a page of text"), None, Policy())
    assert decision.route == "review" and decision.prediction == ""
    assert decision.confidence is None and decision.reasons == ("a page of text",)
    unsaid, votes = seen(0, status=status)  # nor by votes that it may have all the same
    assert decide(unsaid, votes, Policy()).route == "review"
    assert decide(unsaid, votes, Policy()).reasons == ("could not be judged",)


@pytest.mark.parametrize("p", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_review(p):
    for seen_, votes in (seen(0, mean=p), (picture(), None), (picture(), Votes(0, 0, 0, 0))):
        decision = decide(seen_, votes, Policy())
        assert (decision.route, decision.prediction) == ("review", "")
        assert decision.reasons == ("the model gave no usable answer",)
    assert decide(*seen(0), Policy()).route == "low-priority"


def test_any_doubt_keeps_a_normal_prediction_from_the_end_of_the_list():
    doubtful = decide(*seen(0, warnings=("too blurred",)), Policy())
    assert doubtful.route == "review" and "too blurred" in doubtful.reasons
    for count, words in ((47, "too many"), (45, "missing"), (None, "not counted")):
        other = decide(*seen(0, objects=count), Policy())
        assert other.route == "review" and words in other.reasons[1]
        assert (
            decide(*seen(0, objects=count), Policy(expected_objects=None)).route == "low-priority"
        )
    assert decide(*seen(100, objects=47, warnings=("x",)), Policy()).route == "flag"


def test_more_votes_for_abnormal_never_make_a_picture_less_urgent():
    for least in (0.5, 0.8, 0.95, 1.0):
        ranks = [ROUTES.index(decide(*seen(v), Policy(least)).route) for v in range(101)]
        assert ranks == sorted(ranks, reverse=True)


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="min_confidence"):
        Policy(0.4)
    with pytest.raises(ValueError, match="status"):
        decide(picture(status="fine"), None, Policy())


def test_the_reading_replaces_the_count_and_its_doubts_are_doubts():
    cell = reading()
    assert decide(*seen(0, objects=45, reading=cell), Policy()).route == "low-priority"
    noted = decide(*seen(0, reading=cell, notes=("only a note",)), Policy())
    assert noted.route == "low-priority" and "only a note" in noted.reasons
    doubted = decide(*seen(0, reading=cell, doubts=("homologs touch",)), Policy())
    assert doubted.route == "review" and "homologs touch" in doubted.reasons
    further = decide(*seen(0, reading=cell), Policy(), ("of the bundle",))
    assert further.route == "review" and "of the bundle" in further.reasons


def test_the_gates_of_a_rule_on_the_reading_keep_from_the_end_of_the_list():
    rule = Rule(min_p_normal=0.5, min_layout=0.8)

    def routed(**changes: object) -> Verdict:
        return judge(rule, picture(reading=reading(**changes)))

    assert routed().route == "low-priority"
    unsure, disordered = routed(p_normal=0.49), routed(layout_score=0.79)
    assert unsure.route == disordered.route == "review"
    assert "has a probability of 0.49" in unsure.reasons[1]
    assert "order of a karyogram" in disordered.reasons[1]
    for value in (float("nan"), -1.0):
        assert routed(p_normal=value).route == routed(layout_score=value).route == "review"


def test_the_rule_gives_no_usable_answer_where_there_is_none():
    passes = [None, np.zeros(0, np.float32), np.array([0.1, np.nan], np.float32)]
    for p in passes:
        verdict = judge(Rule(), picture(p=p))
        assert (verdict.route, verdict.prediction, verdict.p_abnormal) == ("review", "", None)
        assert len(verdict.p) == 0


def test_a_case_goes_where_its_most_urgent_picture_goes():
    def cell(case: str, status: str, route: str, prediction: str, p: float | None) -> Picture:
        verdict = Verdict(route, prediction, p_abnormal=p)
        return picture(case=case, status=status, verdict=verdict)

    cells = [
        cell("a", "ok", "low-priority", "normal", 0.1),
        cell("b", "failed", "review", "", None),
        cell("a", "ok", "flag", "abnormal", 0.9),
        cell("a", "rejected", "review", "", None),
    ]
    first, second = summarise_cases(cells, Rule())
    assert (first.case, first.route, first.images) == ("a", "flag", 3)
    assert (first.ok, first.rejected, first.failed, first.abnormal) == (2, 1, 0, 1)
    assert first.p_abnormal == 0.9
    assert first.summary == "1 of 2 cells looks abnormal, 1 more could not be judged"
    assert (second.route, second.p_abnormal) == ("review", None)
    assert second.summary == "no picture could be judged"


def test_a_case_of_pictures_without_a_verdict_is_refused():
    with pytest.raises(ValueError, match="no verdict yet"):
        summarise_cases([picture()], Rule())


def read(*karyotypes: str) -> list[CellKaryotype]:
    return [
        CellKaryotype(k, tuple(c for c in k.split(",")[2:]) + (("-X",) if k == "45,X" else ()))
        for k in karyotypes
    ]


N, T21 = "46,XX", "47,XX,+21"


@pytest.mark.parametrize(
    ("cells", "unread", "text", "mosaic"),
    [
        ((), 0, "", False),
        ((), 3, "", False),
        ((N,) * 5, 0, "46,XX in 5 of 5 cells", False),
        ((T21,), 0, "1 of 1 cell shows +21", False),
        ((T21,) * 5, 1, "5 of 5 cells show +21; 1 cell not read", False),
        (
            (T21, T21, N, N, N),
            0,
            "2 of 5 cells show +21; possible mosaic: 46,XX in 3 of 5, 47,XX,+21 in 2 of 5",
            True,
        ),
        (
            ("45,XX,-9", N, N, N, N),
            0,
            "1 of 5 cells shows -9 (loss in a single cell is often an artefact)",
            True,
        ),
        ((T21, N), 0, "1 of 2 cells shows +21 (a single cell: more cells would tell)", True),
        (
            ("45,XX,-9", "45,XX,-9", N, N),
            0,
            "2 of 4 cells show -9",
            True,
        ),
        (
            ("45,X",) * 3 + (N,),
            0,
            "3 of 4 cells show -X; possible mosaic: 45,X in 3 of 4, 46,XX in 1 of 4",
            True,
        ),
    ],
)
def test_cells_of_a_case_are_counted_together(cells, unread, text, mosaic):
    found = find(read(*cells), unread)
    assert (found.text, found.mosaic) == (text, mosaic)


def test_cells_of_both_sexes_are_noticed():
    found = find(read(N, N, "46,XY"))
    assert found.mosaic and "XX in 2, XY in 1: a chimera, or pictures of two persons?" in found.text


def test_cells_that_differ_are_never_low_priority():
    def cell(k: str | None, route: str = "low-priority", **changes: object) -> Picture:
        told = {"karyotypes": ((k, 0.97),), "gains_and_losses": read(k)[0].changes} if k else {}
        seen = reading(**(told | changes)) if k else None
        return judged(route=route, case="a", reading=seen)

    def summarise(*cells: Picture) -> list[Case]:
        return summarise_cases(cells, Rule(min_layout=0.5))

    assert summarise(cell(N), cell(N))[0].route == "low-priority"
    assert summarise(cell(N), cell(T21))[0].route == "review"
    assert summarise(cell(N), cell("46,XY"))[0].route == "review"
    assert summarise(cell(N), cell(T21, "flag"))[0].route == "flag"
    (case,) = summarise(cell(T21), cell(None))
    assert case.findings == "1 of 1 cell shows +21; 1 cell not read"
    # A page in disorder, or without a karyotype that stands out, is not counted as a cell.
    for odd in ({"layout_score": 0.4}, {"karyotypes": ((N, 0.4),)}, {"karyotypes": ()}):
        (case,) = summarise(cell(T21), cell(N, **odd))
        assert case.findings == "1 of 1 cell shows +21; 1 cell not read"


def test_the_text_does_not_depend_on_the_order_of_the_cells():
    cells = read(T21, N, "45,X", "47,XX,+8", N, T21)
    texts = {find(order).text for order in itertools.permutations(cells, 6)}
    assert len(texts) == 1
