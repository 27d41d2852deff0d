"""Venn–Abers confidences against other programs, against counts, and the rule that uses them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from pictures import picture
from screening.bundle_schema import BundleInfo, CalibrationInfo
from screening.classes import ROUTES
from screening.errors import ScreeningError
from screening.triage.rule import Rule, judge
from screening.uncertainty.venn_abers import VennAbers


def sample(n: int, seed: int = 0, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.uniform(0, 1, n), decimals)
    return scores, (rng.uniform(0, 1, n) < scores**2).astype(int)


@pytest.mark.parametrize("seed", range(4))
def test_both_ends_are_isotonic_fits_with_the_new_picture_added(seed):
    scores, labels = sample(60, seed)
    weights = np.random.default_rng(seed).uniform(0.2, 1, 60)
    table = {s: [weights[(scores == s) & (labels == y)].sum() for y in (0, 1)] for s in set(scores)}
    found = VennAbers(tuple((float(s), *table[s]) for s in sorted(table)))
    for new in (0.0, 0.011, float(scores[5]), 0.5, 0.777, 1.0):
        for label, value in enumerate(found.interval(new)):
            fit = IsotonicRegression().fit(
                np.append(scores, new), np.append(labels, label), np.append(weights, 1.0)
            )
            assert value == pytest.approx(fit.predict([new])[0], abs=1e-5)


def test_mapie_agrees_between_the_scores():
    core = pytest.importorskip("mapie._venn_abers").VennAbers()
    scores, labels = sample(80, 3, decimals=5)
    with np.errstate(invalid="ignore"):
        core.fit(np.column_stack([1 - scores, scores]), labels)
    # Like ours, but a score counts as the place above the next lower one: no ties.
    new = np.linspace(0.013, 0.987, 40) + 3e-6
    _, ends = core.predict_proba(np.column_stack([1 - new, new]))
    found = VennAbers.fit(scores, labels)
    ours = np.array([found.interval(s) for s in new])
    assert np.abs(ours - np.sort(ends, axis=1)).max() < 1e-9


def test_no_answer_is_surer_than_the_number_of_patients():
    scores = np.r_[np.full(30, 0.1), np.full(50, 0.9)]
    labels = np.r_[np.zeros(30, int), np.ones(50, int)]
    found = VennAbers.fit(scores, labels)
    assert found.sureness(0.1).at_least == pytest.approx(30 / 31)
    assert found.sureness(0.95).at_least == pytest.approx(50 / 51)
    between = found.sureness(0.5)  # nothing like it was seen: nothing is claimed
    assert between.abnormal and between.at_least == 0 and found.interval(0.5) == (0, 1)
    assert found.prevalence == 50 / 80
    # Ten pages of each of three patients are three patients.
    few = VennAbers.fit(scores, labels, [i % 3 for i in range(30)] + list(range(3, 53)))
    assert few.sureness(0.1).at_least == pytest.approx(3 / 4)
    assert few.prevalence == pytest.approx(50 / 53)


def test_the_ends_rise_with_the_score_and_one_of_them_is_calibrated():
    scores, labels = sample(300, 1, decimals=5)
    found = VennAbers.fit(scores, labels)
    grid = np.linspace(0, 1, 201)
    ends = np.array([found.interval(s) for s in grid])
    assert (np.diff(ends, axis=0) >= -1e-12).all() and (ends[:, 0] <= ends[:, 1] + 1e-12).all()
    assert np.abs(ends.mean(axis=1) - grid**2).mean() < 0.06


def test_errors_are_hardly_ever_sure():
    """Overlapping scores whose mistakes a vote share would call certain."""
    oversure = errors = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)

        def draw(n, rng=rng):
            labels = np.arange(n) % 2
            p = 1 / (1 + np.exp(-6 * rng.normal(2 * labels - 1, 0.8)))
            return p, labels

        found = VennAbers.fit(*draw(200))
        for score, label in zip(*draw(200), strict=True):
            told = found.sureness(score)
            errors += told.abnormal != label
            oversure += told.abnormal != label and told.at_least >= 0.99
    assert errors > 500 and oversure <= 0.1 * errors


@pytest.mark.parametrize(
    "points",
    [(), ((0.2, 1, 0), (0.1, 0, 1)), ((0.1, 1, 0), (0.2, 1, 0)), ((0.1, 0, 0), (0.2, 1, 1)),
     ((0.1, 1, -1), (0.2, 1, 2))],
)  # fmt: skip
def test_points_that_are_none_are_refused(points):
    with pytest.raises(ValueError, match="expected"):
        VennAbers(points)


CALIBRATED = VennAbers.fit(*sample(400, 2, decimals=4))


def decided(centre: float, calibrated: bool, threshold: float = 0.3, spread: float = 0.05):
    p = np.clip(np.random.default_rng(0).normal(centre, spread, 50), 0, 1)
    rule = Rule(threshold, venn_abers=CALIBRATED if calibrated else None)
    return judge(rule, picture(p=p))


@pytest.mark.parametrize("threshold", [0.02, 0.3, 0.6, 0.95])
def test_the_calibrated_rule_puts_last_and_flags_only_what_the_votes_would(threshold):
    """That is why a certificate of the votes covers it."""
    routes = set()
    for centre in np.linspace(0, 1, 101):
        votes, told = (decided(centre, calibrated, threshold) for calibrated in (False, True))
        assert told.route in (votes.route, "review")
        if told.route == "low-priority":
            assert told.prediction == "normal" and told.confidence >= 0
        if told.route == "flag":
            assert told.prediction == "abnormal" and told.confidence > 0.5
        routes.add(told.route)
    assert routes == set(ROUTES) if threshold in (0.3, 0.6) else routes


def test_words_and_numbers_of_the_calibrated_rule():
    low, unsure, middle, high = (decided(c, True) for c in (0.02, 0.45, 0.65, 0.99))
    assert low.route == "low-priority" and low.reasons[0].startswith("no sign of")
    assert unsure.route == "review" and unsure.prediction == "normal" and unsure.votes < 0.5
    assert "not surely enough for low priority" in unsure.reasons[1]
    assert middle.route == "review" and middle.reasons[0].startswith("cannot be told")
    assert high.route == "flag" and high.confidence < 1 and high.votes == 1
    p = np.full(50, 0.4)
    normal = judge(Rule(0.3, flag_threshold=0.5, venn_abers=CALIBRATED), picture(p=p))
    assert normal.prediction == "normal"
    assert not any("to flag" in reason for reason in normal.reasons)
    # With a threshold that lets too much pass, what is rather abnormal is still looked at.
    late = decided(0.9, True, threshold=0.97, spread=0.01)
    assert late.route == "review" and late.prediction == "abnormal" and late.votes == 0
    assert decided(0.9, False, threshold=0.97, spread=0.01).route == "low-priority"


def test_the_rule_of_a_bundle_is_its_own_unless_another_is_asked_for():
    points = CALIBRATED.points
    info = BundleInfo(
        name="b", created="x", parts={}, rule="calibrated",
        calibration=CalibrationInfo(
            scaling={"kind": "identity"}, prevalence=0.5, points=points, scores={}, unread=0,
            pictures=2, images=(), cases=(),
        ),
    )  # fmt: skip
    assert BundleInfo.model_validate_json(info.model_dump_json()) == info
    assert Rule.of(info).name == "calibrated" and Rule.of(info).venn_abers == CALIBRATED
    assert Rule.of(info, name="votes") == Rule()
    old = BundleInfo(name="old", created="x", parts={})
    assert Rule.of(old).name == "votes"
    with pytest.raises(ScreeningError, match="screening tune"):
        Rule.of(old, name="calibrated")


@pytest.mark.parametrize(
    ("points", "words"),
    [((), "rising"), (((0.1, 1, 0), (0.1, 0, 1)), "rising"),
     (((0.1, 1, 0), (0.3, 1, 1), (0.2, 0, 1)), "rising"),
     (((0.1, 3, -1), (0.2, 1, 2)), "weights of 0 or more"),
     (((0.1, 0, 1), (0.2, 0, 1)), "both labels"), (((0.1, 1, 0), (0.2, 1, 0)), "both labels")],
)  # fmt: skip
def test_points_that_are_none_are_told_why(points, words):
    with pytest.raises(ValueError, match=words):
        VennAbers(points)


def test_one_point_of_less_than_one_patient_at_score_0_is_enough():
    # With the new picture there: 0.5 of 2 abnormal, or 1.5 of 2.
    assert VennAbers(((0.0, 0.5, 0.5),)).interval(0.0) == (0.25, 0.75)


def test_scores_equal_to_five_decimals_are_one_point():
    found = VennAbers.fit([0.100002, 0.100003, 0.10001, 0.9], [0, 1, 0, 1])
    assert found.points == ((0.1, 1.0, 1.0), (0.10001, 1.0, 0.0), (0.9, 0.0, 1.0))
    alone = VennAbers(((0.1, 3.0, 1.0), (0.9, 0.0, 1.0)))
    assert alone.interval(0.100003) == alone.interval(0.1) != alone.interval(0.10001)


def test_the_more_probable_label_at_a_tie_and_beside_it():
    tie = VennAbers(((0.5, 1, 1),)).sureness(0.5)
    assert tie.abnormal and tie.at_least == pytest.approx(1 / 3)
    beside = VennAbers(((0.5, 101, 100),)).sureness(0.5)  # p0, p1 = 100/202, 101/202
    assert not beside.abnormal and beside.at_least == pytest.approx(0.5)


def test_scores_labels_and_patients_go_together():
    for scores, labels, patients in (
        ([0.1, 0.2, 0.3], [0, 1], None),
        ([0.1, 0.2, 0.3], [0, 1], ["a", "b"]),
        ([0.1, 0.2], [0, 1], ["a", "b", "c"]),
    ):
        with pytest.raises(ValueError, match="zip"):
            VennAbers.fit(scores, labels, patients)


def test_what_was_asked_before_is_no_part_of_the_predictor():
    asked, fresh = VennAbers(CALIBRATED.points), VennAbers(CALIBRATED.points)
    asked.interval(0.5)
    assert asked == fresh and repr(asked) == repr(fresh)
    with pytest.raises(TypeError):
        VennAbers(CALIBRATED.points, {})
