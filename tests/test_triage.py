"""The routing rule and the case rows: every branch, and what must never happen."""

from __future__ import annotations

import itertools

import pytest

from screening.triage.cases import Cell, summarise_cases
from screening.triage.policy import ROUTES, Evidence, Policy, decide


def seen(votes: int, passes: int = 100, **changes: object) -> Evidence:
    values = {"status": "ok", "p_abnormal": votes / passes, "objects": 46} | changes
    return Evidence(abnormal_votes=votes, passes=passes, **values)


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
    decision = decide(seen(votes), Policy(0.8))
    assert (decision.route, decision.prediction) == (route, prediction)
    assert decision.confidence == decision.votes == max(votes, 100 - votes) / 100


def test_a_share_equal_to_the_minimum_is_enough_whatever_its_last_bit():
    for passes, least in itertools.product((10, 30, 70, 100, 1000), (0.6, 0.7, 0.8, 0.9)):
        votes = round(least * passes)
        if votes / passes >= least - 1e-12:
            assert decide(seen(votes, passes), Policy(least)).route == "flag"


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_what_was_not_judged_is_review_and_never_normal(status):
    decision = decide(Evidence(status, problem="a page of text"), Policy())
    assert decision.route == "review" and decision.prediction == ""
    assert decision.confidence is None and decision.reasons == ("a page of text",)


@pytest.mark.parametrize("p", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_review(p):
    assert decide(seen(0, p_abnormal=p), Policy()).route == "review"
    assert decide(seen(0, passes=100) if p else seen(0), Policy()).route == "low-priority"


def test_any_doubt_keeps_a_normal_prediction_from_the_end_of_the_list():
    doubtful = decide(seen(0, warnings=("too blurred",)), Policy())
    assert doubtful.route == "review" and "too blurred" in doubtful.reasons
    for count, words in ((47, "too many"), (45, "missing"), (None, "not counted")):
        other = decide(seen(0, objects=count), Policy())
        assert other.route == "review" and words in other.reasons[1]
        assert decide(seen(0, objects=count), Policy(expected_objects=None)).route == "low-priority"
    assert decide(seen(100, objects=47, warnings=("x",)), Policy()).route == "flag"


def test_more_votes_for_abnormal_never_make_a_picture_less_urgent():
    for least in (0.5, 0.8, 0.95, 1.0):
        ranks = [ROUTES.index(decide(seen(v), Policy(least)).route) for v in range(101)]
        assert ranks == sorted(ranks, reverse=True)


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="min_confidence"):
        Policy(0.4)
    with pytest.raises(ValueError, match="status"):
        decide(Evidence("fine"), Policy())


def test_a_case_goes_where_its_most_urgent_picture_goes():
    cells = [
        Cell("a", "ok", "low-priority", "normal", 0.1),
        Cell("b", "failed", "review", "", None),
        Cell("a", "ok", "flag", "abnormal", 0.9),
        Cell("a", "rejected", "review", "", None),
    ]
    first, second = summarise_cases(cells)
    assert (first.case, first.route, first.images) == ("a", "flag", 3)
    assert first.p_abnormal == 0.9
    assert first.summary == "1 of 2 cells looks abnormal, 1 more could not be judged"
    assert (second.route, second.p_abnormal) == ("review", None)
    assert second.summary == "no picture could be judged"
