"""The thesis' rule alone: its words, its boundaries, and what has no votes."""

from __future__ import annotations

import pytest

from screening.triage import policy
from screening.triage.policy import Decision, Evidence, Policy, decide


def decided(votes: int, passes: int = 10, least: float = 0.8, **changes: object) -> Decision:
    """The decision on a picture of which `votes` of `passes` passes say abnormal."""
    values = {"status": "ok", "p_abnormal": 0.5, "objects": 46} | changes
    return decide(Evidence(abnormal_votes=votes, passes=passes, **values), Policy(least))


def test_the_words_of_the_table():
    assert (policy.OK, policy.REJECTED, policy.FAILED) == ("ok", "rejected", "failed")
    assert policy.ROUTES == ("flag", "review", "low-priority")
    assert (policy.CALIBRATED, policy.VOTES) == ("calibrated", "votes")


def test_the_verdict_in_words():
    assert decided(9).reasons == ("looks abnormal in 9 of 10 passes",)
    assert decided(1).reasons == ("looks normal in 9 of 10 passes",)
    said = "the model does not know: {} of 10 passes say abnormal, 8 would have to agree"
    for votes in (3, 5, 7):
        assert decided(votes).reasons == (said.format(votes),)


@pytest.mark.parametrize(
    ("least", "passes", "needed"), [(0.75, 10, 8), (0.8, 10, 8), (0.7, 10, 7), (0.61, 100, 61)]
)
def test_how_many_would_have_to_agree(least, passes, needed):
    assert f"{needed} would have to agree" in decided(passes // 2, passes, least).reasons[0]
    assert decided(needed, passes, least).route == "flag"
    assert decided(needed - 1, passes, least).route == "review"


@pytest.mark.parametrize(
    ("passes", "p"), [(0, 0.1), (0, float("nan")), (10, float("nan")), (10, float("-inf"))]
)
def test_without_a_usable_answer_nobody_is_normal(passes, p):
    got = decided(0, passes, p_abnormal=p)
    assert got == Decision("review", "", None, None, ("the model gave no usable answer",))


def test_one_pass_is_a_vote():
    assert decided(0, 1).route == "low-priority" and decided(1, 1).route == "flag"


def test_a_failure_without_a_reason_has_words_all_the_same():
    got = decide(Evidence("failed"), Policy())
    assert got == Decision("review", "", None, None, ("could not be judged",))


def test_what_is_known_of_nothing_is_not_normal():
    assert decide(Evidence("ok"), Policy()).route == "review"
    assert decided(0, objects=None).route == "review"


def test_the_order_of_the_reasons():
    got = decided(0, warnings=("w",), doubts=("d",), findings=("f",), read=True, objects=3)
    assert got.reasons == ("looks normal in 10 of 10 passes", "f", "w", "d")
    assert got.route == "review"
    unread = decided(0, warnings=("w",), doubts=("d",), objects=45)
    assert unread.reasons[1:3] == ("w", "d") and "expected 46" in unread.reasons[3]


def test_the_count_in_words():
    assert decided(0, objects=46).reasons == ("looks normal in 10 of 10 passes",)
    assert decided(0, objects=47).reasons[1].startswith("47 separate objects")
    assert "too many" in decided(0, objects=47).reasons[1]
    assert "missing" in decided(0, objects=45).reasons[1]
    assert decided(0, objects=45, read=True).route == "low-priority"


def test_min_confidence_takes_its_ends():
    for least in (0.5, 1.0):
        assert Policy(least).min_confidence == least
    for least in (0.499, 1.001, float("nan")):
        with pytest.raises(ValueError, match="min_confidence"):
            Policy(least)
