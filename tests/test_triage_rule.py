"""The bundle's whole rule: each gate alone decides at its boundary, in both rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import picture, reading
from screening import words
from screening.bundle_schema import BundleInfo, CalibrationInfo, CertificateInfo, FusionInfo
from screening.errors import ScreeningError
from screening.evidence.fusion import Fusion, log_odds
from screening.record import Verdict
from screening.triage.rule import Rule, judge
from screening.uncertainty.venn_abers import VennAbers

NETWORK = "network"
FUSION = Fusion(0.25, {NETWORK: 1.0, "reading": 1.0})
HEARD = ("features", "doubts", "notes")


def evidence(**changes: object) -> dict[str, object]:
    """What is known of a normal cell that was read without any doubt."""
    heard = {name: changes.pop(name) for name in HEARD if name in changes}
    values = {"p_normal": 0.99, "layout_score": 1.0} | changes
    return {"features": {"reading": 0.0}, **heard, "reading": reading(**values)}


def judged(
    p: float | np.ndarray | None,
    rule: Rule | None = None,
    read: dict[str, object] | None = None,
    **changes: object,
) -> Verdict:
    """The verdict on a picture whose ten passes all say `p`, or on the passes `p`."""
    passes = np.full(10, p) if isinstance(p, float) else p
    known = dict(read or {})
    if read is not None and passes is not None:
        network = {NETWORK: tuple(log_odds(passes).tolist())}
        known["features"] = network | known["features"]  # type: ignore[operator]
    return judge(rule or Rule(), picture(**({"p": passes} | known | changes)))


def votes(abnormal: int, of: int = 10, low: float = 0.1, high: float = 0.9) -> np.ndarray:
    """`abnormal` of the passes at `high`, the others at `low`."""
    return np.where(np.arange(of) < abnormal, high, low)


# What was not judged.


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_what_is_not_ok_is_reviewed_whatever_its_passes_say(status):
    for p in (0.01, 0.99):
        got = judged(p, status=status, reason="a reason", warnings=("a warning",))
        assert (got.route, got.prediction) == ("review", "")
        assert got.reasons == ("a reason",)
        assert got.p_abnormal is None and got.p_std is None and not len(got.p)
        assert got.contributions == {}


@pytest.mark.parametrize("p", [None, np.zeros(0)])
def test_without_passes_it_is_reviewed(p):
    got = judged(p)
    assert (got.route, got.prediction) == ("review", "")
    assert got.reasons == ("the model gave no usable answer",)
    assert got.p_abnormal is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, -0.5])
def test_a_score_that_is_no_probability_is_never_low_priority(value):
    """NaN reaches no threshold, so it would vote normal."""
    got = judged(np.r_[np.full(9, 0.01), value])
    assert (got.route, got.p_abnormal) == ("review", None)
    assert got.reasons == ("the model gave no usable answer",)
    rule = Rule(fusion=FUSION)
    got = judged(0.01, rule, evidence(features={"reading": float("nan")}))
    assert (got.route, got.p_abnormal) == ("review", None)


def test_probabilities_of_0_and_1_are_such():
    assert judged(0.0).route == "low-priority"
    assert judged(1.0).route == "flag"


# The numbers.


def test_the_passes_are_kept_with_mean_and_spread():
    p = votes(3)
    got = judged(p)
    assert got.p_abnormal == pytest.approx(0.34) and got.p_std == pytest.approx(p.std())
    np.testing.assert_array_equal(got.p, p.astype(np.float32))
    assert got.contributions == {}
    assert got.votes == got.confidence == pytest.approx(0.7)
    assert judged(votes(8)).votes == pytest.approx(0.8)


def test_the_fusion_moves_the_score_and_tells_by_how_much():
    read = evidence(features={"reading": 2.0})
    got = judged(0.3, Rule(fusion=FUSION), read)
    odds = np.log(0.3 / 0.7) + 2.25
    assert got.p_abnormal == pytest.approx(1 / (1 + np.exp(-odds)), rel=1e-6)
    assert got.contributions == pytest.approx({NETWORK: np.log(0.3 / 0.7), "reading": 2.0})
    assert judged(0.3, Rule(fusion=FUSION)).p_abnormal == pytest.approx(0.3)  # nothing was read
    assert judged(0.3, Rule(), read).p_abnormal == pytest.approx(0.3)  # nothing is joined
    assert judged(0.3, Rule(), read).contributions == {}


def test_the_fused_score_decides_both_ways():
    low, high = (evidence(features={"reading": x}) for x in (-5.0, 5.0))
    assert judged(0.9, Rule(fusion=FUSION), low).route == "low-priority"
    assert judged(0.1, Rule(fusion=FUSION), high).route == "flag"


# The threshold of a pass' vote and the share of the votes.


def test_a_pass_votes_abnormal_at_the_threshold():
    rule = Rule(threshold=0.25)
    assert judged(0.25, rule).route == "flag"
    assert judged(0.2499, rule).route == "low-priority"
    assert Rule() == Rule(threshold=0.5, min_confidence=0.8, min_p_normal=0.5, min_layout=0.0)


@pytest.mark.parametrize("least", [0.6, 0.7, 0.8, 0.9])
def test_the_least_confidence_is_enough(least):
    rule, needed = Rule(min_confidence=least), round(10 * least)
    assert judged(votes(needed), rule).route == "flag"
    assert judged(votes(needed - 1), rule).route == "review"
    assert judged(votes(10 - needed), rule).route == "low-priority"
    assert judged(votes(11 - needed), rule).route == "review"


# The gates of a picture that was read.


def test_a_normal_cell_without_doubt_is_low_priority_with_its_findings():
    got = judged(0.01, read=evidence(notes=("a note",)))
    assert got.route == "low-priority"
    assert got.reasons == (words.normal_by_votes(10, 10, "labelled"), "a note")


def test_the_count_of_objects_is_asked_only_where_nothing_was_read():
    assert judged(0.01, objects=45).route == "review"
    assert judged(0.01, read=evidence(), objects=45).route == "low-priority"


@pytest.mark.parametrize("fusion", [None, FUSION])
@pytest.mark.parametrize(
    ("layout", "route"),
    [(0.6, "low-priority"), (0.5999, "review"), (0.0, "review"), (float("nan"), "review")],
)
def test_the_least_layout_score(layout, route, fusion):
    rule = Rule(min_layout=0.6, fusion=fusion)
    got = judged(0.001, rule, evidence(layout_score=layout))
    assert got.route == route and got.prediction == "normal"
    told = "the chromosomes do not follow the order of a karyogram" in got.reasons
    assert told == (route == "review")


def test_a_layout_score_that_is_no_number_is_a_doubt_even_without_a_gate():
    assert judged(0.01, read=evidence(layout_score=0.0)).route == "low-priority"
    assert judged(0.01, read=evidence(layout_score=float("nan"))).route == "review"


@pytest.mark.parametrize("fusion", [None, FUSION])
@pytest.mark.parametrize(
    ("p_normal", "route"),
    [(0.75, "low-priority"), (0.7499, "review"), (0.0, "review"), (float("nan"), "review")],
)
def test_the_least_probability_of_a_normal_complement(p_normal, route, fusion):
    rule = Rule(min_p_normal=0.75, fusion=fusion)
    got = judged(0.001, rule, evidence(p_normal=p_normal))
    assert got.route == route and got.prediction == "normal"
    told = any("46,XX or 46,XY" in reason for reason in got.reasons)
    assert told == (route == "review")


def test_without_settings_an_even_chance_of_a_normal_complement_is_asked():
    assert judged(0.01, read=evidence(p_normal=0.5)).route == "low-priority"
    assert judged(0.01, read=evidence(p_normal=0.49)).route == "review"


def test_doubts_and_warnings_keep_a_picture_from_the_end_but_not_from_a_flag():
    doubtful = evidence(doubts=("a doubt",), notes=("a note",))
    got = judged(0.01, read=doubtful)
    assert got.route == "review"
    assert got.reasons == (words.normal_by_votes(10, 10, "labelled"), "a note", "a doubt")
    assert judged(0.01, read=evidence(), warnings=("too blurred",)).route == "review"
    assert judged(0.99, read=doubtful, warnings=("too blurred",)).route == "flag"
    both = judged(0.01, Rule(min_layout=0.5), evidence(doubts=("a",), layout_score=0.1, p_normal=0))
    assert len(both.reasons) == 4


@pytest.mark.parametrize(
    ("changes", "karyotypes", "route"),
    [
        (("+1", "+2", "+3", "+4"), (("50,XX,…", 0.9),), "flag"),
        (("+1", "+2", "+3", "+4", "-9"), (("49,XX,…", 0.9),), "review"),
        ((), (), "review"),
        (("3n", "+1", "+2", "+3"), (("72,XXX,…", 0.9),), "flag"),
        ((), (("46,XX", 0.9),), "flag"),
    ],
)
def test_pieces_counted_for_chromosomes_are_no_flag(changes, karyotypes, route):
    many = evidence(gains_and_losses=changes, karyotypes=karyotypes)
    got = judged(0.99, Rule(many_changes=5), many)
    assert got.route == route and (words.PIECES in got.reasons) == (route == "review")
    assert judged(0.99, Rule(), many).route == "flag"
    calibrated = judged(0.99, Rule(many_changes=5, venn_abers=CALIBRATED), many)
    assert calibrated.route == route
    whole = evidence(gains_and_losses=changes, karyotypes=karyotypes, whole=False)
    part = judged(0.99, Rule(many_changes=5), whole)
    assert part.route == "review" and words.PIECES not in part.reasons


# The threshold for flag.


@pytest.mark.parametrize("least", [0.6, 0.7, 0.8, 0.9])
def test_a_flag_needs_its_share_of_passes_at_its_own_threshold(least):
    rule, needed = Rule(0.25, least, flag_threshold=0.75), round(10 * least)
    enough, too_few = (votes(n, low=0.5, high=0.75) for n in (needed, needed - 1))
    got = judged(enough, rule)
    assert got.route == "flag" and got.reasons == ("looks abnormal in 10 of 10 passes",)
    got = judged(too_few, rule)
    assert (got.route, got.prediction) == ("review", "abnormal")
    assert got.votes == got.confidence == 1
    said = words.kept_from_flag(needed / 10 - 0.1, 0.75, least)
    assert got.reasons == ("looks abnormal in 10 of 10 passes", said)
    assert judged(too_few, Rule(0.25, least)).route == "flag"


def test_the_threshold_for_flag_moves_nothing_else():
    rule = Rule(0.25, flag_threshold=0.75)
    for p in (votes(0), votes(5), votes(8, low=0.05, high=0.1)):
        got, plain = judged(p, rule), judged(p, Rule(0.25))
        assert (got.route, got.reasons, got.votes) == (plain.route, plain.reasons, plain.votes)


# The calibrated rule.

CALIBRATED = VennAbers(
    ((0.0, 40.0, 0.0), (0.2, 30.0, 1.0), (0.5, 5.0, 5.0), (0.8, 1.0, 30.0), (1.0, 0.0, 40.0))
)


def told(p: float | np.ndarray, **rule: object) -> Verdict:
    return judged(p, Rule(**({"threshold": 0.3, "venn_abers": CALIBRATED} | rule)))


def test_calibrated_label_and_confidence_are_those_of_the_mean():
    for p in (0.0, 0.1, 0.45, 0.7, 1.0):
        sureness = CALIBRATED.sureness(p)
        got = told(p)
        assert got.confidence == sureness.at_least
        assert got.prediction == ("abnormal" if sureness.abnormal else "normal")
        share = float(p >= 0.3)
        assert got.votes == (share if sureness.abnormal else 1 - share)
    assert Rule(venn_abers=CALIBRATED).name == "calibrated" and Rule().name == "votes"


def test_calibrated_routes_and_words():
    low = told(0.0)
    assert (low.route, low.prediction) == ("low-priority", "normal")
    assert low.reasons == (words.by_calibration("low-priority", 0, 0.0244, "labelled"),)
    high = told(1.0)
    assert (high.route, high.prediction) == ("flag", "abnormal")
    assert high.reasons == (words.by_calibration("flag", 0.9756, 1, "labelled"),)


def test_more_probably_abnormal_is_never_low_priority():
    got = told(0.75, threshold=0.9)
    assert (got.route, got.prediction, got.votes) == ("review", "abnormal", 0)
    assert judged(0.75, Rule(0.9)).route == "low-priority"


def test_more_probably_normal_is_never_flagged():
    got = told(0.1, threshold=0.05)
    assert (got.route, got.prediction, got.votes) == ("review", "normal", 0)
    assert got.reasons[1] == words.kept_from_low_priority(0, 0.05, 0.8)
    assert judged(0.1, Rule(0.05)).route == "flag"


def test_votes_for_normal_that_are_enough_by_a_hair():
    for least in (0.6, 0.7, 0.8, 0.9):
        enough = 10 - round(10 * least)
        for abnormal, route in ((enough, "low-priority"), (enough + 1, "review")):
            p = votes(abnormal, low=0.0, high=0.1)
            got = told(p, threshold=0.05, min_confidence=least)
            assert (got.route, got.prediction) == (route, "normal")
            assert ("not surely enough for low priority" in got.reasons[-1]) == (route == "review")


class Ends(VennAbers):
    """Says a probability of abnormal between `low` and `high` for every score."""

    def interval(self, score: float) -> tuple[float, float]:
        return self.points[0][1:]


def ends(low: float, high: float) -> VennAbers:
    return Ends(((0.0, low, high), (1.0, 1.0, 1.0)))


def test_a_flag_needs_all_of_the_interval_above_one_half():
    assert told(0.9, venn_abers=ends(0.5, 0.9)).route == "review"
    got = told(0.9, venn_abers=ends(0.53125, 0.9))
    assert (got.route, got.confidence, got.interval) == ("flag", 0.53125, (0.53125, 0.9))
    assert got.reasons == (words.by_calibration("flag", 0.53125, 0.9, "labelled"),)
    got = told(0.9, venn_abers=ends(0.4, 0.9))
    assert (got.route, got.prediction) == ("review", "abnormal")
    assert got.reasons == (words.by_calibration("review", 0.4, 0.9, "labelled"),)


def test_low_priority_needs_all_of_the_interval_under_one_half():
    """A confidence under one half in normal is no reason to look later."""
    got = told(0.0, venn_abers=ends(0.01, 0.49))
    assert (got.route, got.confidence, got.interval) == ("low-priority", 0.51, (0.01, 0.49))
    assert got.reasons == (words.by_calibration("low-priority", 0.01, 0.49, "labelled"),)
    for high in (0.5, 0.9):
        got = told(0.0, venn_abers=ends(0.01, high))
        assert (got.route, got.prediction) == ("review", "normal")
        assert got.reasons == (words.by_calibration("review", 0.01, high, "labelled"),)


def test_why_it_is_not_flagged_is_said_where_too_few_passes_agree():
    got = told(votes(7, low=0.2), venn_abers=ends(0.6, 0.9))
    assert (got.route, got.prediction) == ("review", "abnormal")
    assert got.reasons[1] == words.kept_from_flag(0.7, 0.3, 0.8)
    assert told(votes(8, low=0.2), venn_abers=ends(0.6, 0.9)).route == "flag"


def test_doubts_stand_behind_the_calibrated_words_and_still_count():
    rule = Rule(0.3, venn_abers=CALIBRATED)
    got = judged(0.0, rule, evidence(doubts=("a doubt",), notes=("a note",)))
    assert got.route == "review"
    assert got.reasons == (
        words.by_calibration("review", 0, 0.0244, "labelled"),
        "a note",
        "a doubt",
    )
    got = judged(1.0, rule, evidence(notes=("a note",)))
    assert got.reasons == (words.by_calibration("flag", 0.9756, 1, "labelled"), "a note")


def test_the_threshold_for_flag_holds_under_the_calibrated_rule_too():
    p = votes(7, low=0.9, high=1.0)
    got = told(p, flag_threshold=0.95)
    assert (got.route, got.prediction) == ("review", "abnormal")
    assert got.reasons[-1] == words.kept_from_flag(0.7, 0.95, 0.8)
    assert told(p).route == "flag"
    # Nobody asks why a picture that looks normal was not flagged.
    got = told(0.1, threshold=0.05, flag_threshold=0.9)
    assert got.prediction == "normal" and not any("flag" in reason for reason in got.reasons)


# From a bundle.

CERTIFICATE = CertificateInfo(
    recall=0.95, confidence=0.95, threshold=0.3, min_confidence=0.8, passes=20, normal=100,
    abnormal=60, patients=60, simulated=60, missed=0, low_priority=90, bound=0.951,
    method="exact binomial", date="2026-11-21T10:00:00+00:00", data_hash="ab" * 32,
)  # fmt: skip


def info(**changes: object) -> BundleInfo:
    return BundleInfo(name="b", created="x", parts={}, threshold=0.3, min_confidence=0.7, **changes)


def test_the_rule_of_a_bundle():
    assert Rule.of(info()) == Rule(0.3, 0.7)
    assert Rule.of(info(), 0.9) == Rule(0.3, 0.9)
    certified = CERTIFICATE.model_copy(update={"flag_threshold": 0.6, "most_false_flags": 0.1})
    assert Rule.of(info(certificate=certified)).flag_threshold == 0.6
    assert Rule.of(info(certificate=CERTIFICATE)).flag_threshold is None
    numerical = CERTIFICATE.model_copy(update={"scope": "numerical"})
    assert Rule.of(info(certificate=numerical)).scope == "numerical"


def test_words_say_what_abnormal_means():
    for p, rule in ((0.01, Rule()), (0.01, Rule(venn_abers=CALIBRATED))):
        labelled, numerical = judged(p, rule), judged(p, replace(rule, scope="numerical"))
        assert words.ABNORMALITY["labelled"] in labelled.reasons[0]
        assert words.ABNORMALITY["numerical"] in numerical.reasons[0]


def test_the_rule_of_a_bundle_that_joins_parts():
    fusion = FusionInfo(
        intercept=0.25, weights=dict(FUSION.weights), flag_threshold=0.5, min_p_normal=0.6,
        min_layout=0.4, limit=6.0,
    )  # fmt: skip
    joined = Fusion(FUSION.intercept, FUSION.weights, ("homologs",), 6.0)
    expected = Rule(0.3, 0.7, joined, 0.6, 0.4, 0.5, many_changes=5)
    assert Rule.of(info(fusion=fusion)) == replace(expected, scope="numerical")
    assert Rule.of(info(fusion=fusion, certificate=CERTIFICATE)) == expected
    certified = CERTIFICATE.model_copy(update={"flag_threshold": 0.6, "most_false_flags": 0.1})
    assert Rule.of(info(fusion=fusion, certificate=certified)).flag_threshold == 0.6
    calibration = CalibrationInfo(
        scaling={"kind": "identity"}, prevalence=0.5, points=CALIBRATED.points, scores={},
        unread=0, pictures=2, images=(), cases=(),
    )  # fmt: skip
    both = info(fusion=fusion, calibration=calibration, rule="calibrated")
    assert Rule.of(both).venn_abers == CALIBRATED and Rule.of(both).fusion == joined
    assert Rule.of(both, name="votes") == Rule.of(info(fusion=fusion))
    none = calibration.model_copy(update={"points": ()})
    for bundle in (info(calibration=none), info(fusion=fusion)):
        with pytest.raises(ScreeningError, match="expects a calibrated bundle, b is not"):
            Rule.of(bundle, name="calibrated")
