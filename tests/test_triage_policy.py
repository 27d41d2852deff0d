"""The thesis' rule alone: its words, its boundaries, and what has no votes."""

from __future__ import annotations

import pytest

from pictures import picture, reading
from screening import classes, words
from screening.record import Verdict
from screening.triage.policy import Policy, Votes, decide


def decided(
    votes: int, passes: int = 10, least: float = 0.8, p: float = 0.5,
    doubts: tuple[str, ...] = (), **changes: object,
) -> Verdict:  # fmt: skip
    """The verdict on a picture of which `votes` of `passes` passes say abnormal."""
    return decide(picture(**changes), Votes(p, 0.1, votes, passes), Policy(least), doubts)


def check_review(got: Verdict, reason: str) -> None:
    assert (got.route, got.prediction, got.reasons) == ("review", "", (reason,))
    assert got.votes is None and got.confidence is None and got.p_abnormal is None


def test_the_words_of_the_table():
    assert (classes.OK, classes.REJECTED, classes.FAILED) == ("ok", "rejected", "failed")
    assert classes.ROUTES == ("flag", "review", "low-priority")
    assert (classes.CALIBRATED, classes.VOTES) == ("calibrated", "votes")


def test_the_numbers_of_the_votes_go_into_the_verdict():
    got = decided(3, p=0.25)
    assert (got.p_abnormal, got.p_std) == (0.25, 0.1)
    assert (got.votes, got.confidence, got.prediction) == (0.7, 0.7, "normal")
    assert Votes(0.25, 0.1, 3, 10).share == 0.3


def test_the_verdict_in_words():
    assert decided(9).reasons == ("looks abnormal in 9 of 10 passes",)
    assert decided(1).reasons == (words.normal_by_votes(9, 10, "labelled"),)
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
    check_review(decided(0, passes, p=p), "the model gave no usable answer")


def test_one_pass_is_a_vote():
    assert decided(0, 1).route == "low-priority" and decided(1, 1).route == "flag"


def test_a_failure_without_a_reason_has_words_all_the_same():
    check_review(decide(picture(status="failed"), None, Policy()), "could not be judged")
    check_review(decided(0, status="failed"), "could not be judged")


def test_what_is_known_of_nothing_is_not_normal():
    check_review(decide(picture(), None, Policy()), "the model gave no usable answer")
    assert decided(0, objects=None).route == "review"


def test_the_order_of_the_reasons():
    said = {"warnings": ("w",), "notes": ("n",), "reading": reading()}
    got = decide(picture(doubts=("own",), **said), Votes(0.1, 0, 0, 10), Policy(), ("further",))
    assert got.reasons == (words.normal_by_votes(10, 10, "labelled"), "n", "w", "own", "further")
    assert got.route == "review"
    for doubt in ({"warnings": ("w",)}, {"doubts": ("d",)}):
        assert decided(0, **doubt).route == "review"
    assert decided(0, notes=("n",)).route == "low-priority"
    unread = decided(0, warnings=("w",), doubts=("d",), objects=45)
    assert unread.reasons[1:3] == ("w", "d") and "expected 46" in unread.reasons[3]


def test_the_count_in_words():
    assert decided(0, objects=46).reasons == (words.normal_by_votes(10, 10, "labelled"),)
    assert decided(0, objects=47).reasons[1].startswith("47 separate objects")
    assert "too many" in decided(0, objects=47).reasons[1]
    assert "missing" in decided(0, objects=45).reasons[1]
    assert decided(0, objects=45, reading=reading()).route == "low-priority"


def test_min_confidence_takes_its_ends():
    for least in (0.5, 1.0):
        assert Policy(least).min_confidence == least
    for least in (0.499, 1.001, float("nan")):
        with pytest.raises(ValueError, match="min_confidence"):
            Policy(least)


@pytest.mark.parametrize("votes", [0, 5, 10])
def test_a_printed_result_that_contradicts_is_told_and_decides_nothing(votes):
    told = "printed on the picture is {}, its chromosomes read as 46,XY"
    for printed, said in (
        ((), ()), (("46,XY",), ()), (("46,XY,9qh+",), ()), (("46,XY", "47,XY,+21"), ()),
        (("47,XY,+21",), (told.format("47,XY,+21"),)),
        (("46,XY,t(9;22)(q34;q11.2)",), (told.format("46,XY,t(9;22)(q34;q11.2)"),)),
        (("47,XXY", "46,XX"), (told.format("47,XXY / 46,XX"),)),
    ):  # fmt: skip
        got = decided(votes, reading=reading(iscn="46,XY"), printed=printed)
        bare = decided(votes, reading=reading(iscn="46,XY"))
        assert got.reasons == (bare.reasons[0], *said, *bare.reasons[1:])
        assert (got.route, got.votes, got.confidence) == (bare.route, bare.votes, bare.confidence)
    unsure = decided(votes, reading=reading(iscn=""), printed=("47,XY,+21",))
    assert not any("printed" in reason for reason in unsure.reasons)
    assert not any("printed" in r for r in decided(votes, printed=("47,XY,+21",)).reasons)
