"""Scalings, confidences, workloads and drift: against closed forms and known distributions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from screening import metrics
from screening.assess.cost import (
    Minutes,
    cheapest_for,
    npv,
    opened_first,
    workload_curve,
)
from screening.uncertainty import calibration, selective, shift


def drawn(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels that follow them exactly."""
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(0, 2, n))
    return p, (rng.random(n) < p).astype(int)


# --- calibration ------------------------------------------------------------------------------


def test_temperature_undoes_an_exaggeration():
    p, labels = drawn()
    scaling = calibration.fit("temperature", expit(3 * logit(p)), labels)
    assert scaling.temperature == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(scaling.apply(expit(3 * logit(p))), p, atol=0.03)


def test_the_temperature_of_many_classes_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (6000, 25))
    labels = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    temperature, before, after = calibration.temperature_of(2.5 * logits, labels)
    assert temperature == pytest.approx(2.5, rel=0.08) and after < before


def test_beta_undoes_a_skewed_distortion_that_temperature_cannot():
    p, labels = drawn()
    # logit(p) = 2 log s - 0.5 log(1 - s) + 1 has s for every p: solved by bisection on a grid.
    s = np.linspace(1e-6, 1 - 1e-6, 200_001)
    skewed = np.interp(logit(p), 2 * np.log(s) - 0.5 * np.log1p(-s) + 1, s)
    beta = calibration.fit("beta", skewed, labels)
    assert (beta.a, beta.b, beta.c) == pytest.approx((2, 0.5, 1), abs=0.35)
    choice = calibration.choose(skewed, labels)
    assert choice.losses["beta"] < choice.losses["temperature"] - 0.005


@pytest.mark.parametrize("kind", calibration.KINDS)
def test_scalings_round_trip_keep_order_and_stay_inside_0_and_1(kind):
    p, labels = drawn(300)
    scaling = calibration.fit(kind, p, labels)
    again = calibration.from_json(json.loads(json.dumps(calibration.to_json(scaling))))
    at = np.linspace(0, 1, 101)
    np.testing.assert_array_equal(again.apply(at), scaling.apply(at))
    assert (np.diff(scaling.apply(at)) >= 0).all()
    if kind != "identity":
        assert 0 < scaling.apply(at).min() and scaling.apply(at).max() < 1


def test_a_score_that_is_right_is_left_as_it_is():
    p, labels = drawn(2000, seed=4)
    assert calibration.choose(p, labels).kind in ("identity", "temperature")


def test_cross_validation_keeps_a_patient_together():
    # Twenty copies of each picture with a random label: only a leak makes isotonic look good.
    rng = np.random.default_rng(0)
    p, labels = np.repeat(rng.random(60), 20), np.repeat(rng.integers(0, 2, 60), 20)
    patients = np.repeat(np.arange(60), 20)
    leaking = calibration.choose(p, labels).losses["isotonic"]
    assert leaking < np.log(2) < calibration.choose(p, labels, patients).losses["isotonic"]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "platt"},
        {"kind": "beta", "a": 1},
        {"kind": "isotonic", "x": [1, 0], "y": [0, 1]},
    ],
)
def test_other_texts_are_no_scaling(values):
    with pytest.raises(ValueError, match="scaling"):
        calibration.from_json(values)


def test_one_label_cannot_be_fitted():
    with pytest.raises(ValueError, match="both"):
        calibration.fit("beta", [0.1, 0.2], [0, 0])


def test_calibration_error_of_a_perfect_score_is_its_bias_and_debiased_it_is_near_zero():
    errors, debiased = [], []
    for seed in range(30):
        p, labels = drawn(200, seed)
        errors.append(metrics.calibration_error(labels, p))
        debiased.append(metrics.debiased_calibration_error(labels, p))
    bias = metrics.calibration_bias(drawn(200)[0])
    assert bias > 0.03
    assert np.mean(errors) == pytest.approx(bias, rel=0.2)
    assert np.mean(debiased) < 0.8 * np.mean(errors)
    p, labels = drawn(4000)
    wrong = metrics.debiased_calibration_error(labels, expit(3 * logit(p)))
    assert wrong > 0.1 > metrics.debiased_calibration_error(labels, p)


def test_reliability_counts_every_picture_once():
    p, labels = drawn(500)
    table = metrics.reliability(labels, p)
    assert sum(row.abnormal.total for row in table) == 500
    assert sum(row.abnormal.successes for row in table) == labels.sum()
    assert all(row.low <= row.score <= row.high for row in table)


# --- selective --------------------------------------------------------------------------------


def test_excess_aurc_is_zero_for_the_best_order_and_aurc_is_the_error_rate_for_none():
    wrong = np.array([0] * 90 + [1] * 10)
    assert metrics.excess_aurc(wrong, 1 - wrong) == pytest.approx(0)
    assert metrics.aurc(wrong, np.zeros(100)) == pytest.approx(0.1)
    assert metrics.excess_aurc(wrong, wrong) > 0.1


def test_fail_rate_falls_to_zero_once_all_errors_are_with_a_person():
    wrong = np.array([1] * 10 + [0] * 90)
    confidence = np.linspace(0, 1, 100)
    assert selective.fail_rate(wrong, confidence, 0.0) == pytest.approx(0.1)
    assert selective.fail_rate(wrong, confidence, 0.05) == pytest.approx(5 / 95)
    assert selective.fail_rate(wrong, confidence, 0.1) == 0
    assert np.isnan(selective.fail_rate(wrong, confidence, 1.0))


def test_confidences_of_clear_and_unclear_passes():
    p = np.array([[0.999] * 10, [0.5, 0.5] * 5, [0.0, 1.0] * 5, [0.01] * 10])
    abnormal, found = selective.confidences(p, 0.5, calibrated=[0.9, 0.5, 0.5, 0.1])
    assert list(abnormal) == [True, True, True, False]
    assert found["votes"][2] == 0.5 and found["votes"][0] == 1
    for name in ("mean", "margin", "entropy", "calibrated"):
        assert found[name][0] > found[name][1]
    # Only what compares passes tells a picture they disagree on from one they all call even.
    assert found["mutual information"][2] == pytest.approx(0, abs=1e-9)
    assert found["mutual information"][1] == pytest.approx(1)
    assert found["std"][2] == pytest.approx(0) and found["std"][1] == pytest.approx(1)


def test_rows_by_group_and_the_share_of_oversure_errors():
    wrong = [1, 1, 0, 0, 0, 0]
    scores = {"votes": [1.0, 0.6, 0.9, 0.99, 1.0, 0.7], "std": [0.1, 0.2, 0.9, 0.9, 0.9, 0.9]}
    rows = selective.selective_rows(wrong, scores, list("aabbbb"))
    assert [(r.group, r.confidence) for r in rows][:2] == [("all", "votes"), ("all", "std")]
    assert rows[0].oversure.successes == 1 and rows[0].oversure.total == 2
    assert rows[1].oversure is None and rows[1].detection == 1
    assert selective.best_confidence(rows) == "std"
    assert rows[4].errors.total == 4 and np.isnan(rows[4].detection)
    assert selective.selective_table(rows).count("\n") == 2 + len(rows)


# --- cost -------------------------------------------------------------------------------------


def test_opened_first_and_npv_by_hand():
    recall, low_priority = metrics.proportion(98, 100), metrics.proportion(80, 100)
    assert opened_first(0.98, 0.8, 0.1) == pytest.approx(0.1 * 0.98 + 0.9 * 0.2)
    value, low = npv(recall, low_priority, 0.1)
    assert value == pytest.approx(0.72 / (0.72 + 0.002))
    assert 0 < low < value
    assert npv(recall, low_priority, 0.01)[0] > value


def test_nothing_put_last_has_no_npv_and_saves_nothing():
    none = np.zeros((10, 2), bool)
    point = workload_curve(none, none, (0.1, 0.2), 0.1)[0]
    assert np.isnan(point.npv) and point.opened == 1 and point.minutes == 0


def test_curve_and_the_cheapest_threshold_for_a_recall():
    scores = np.linspace(0, 1, 101)
    thresholds = (0.1, 0.3, 0.5)
    abnormal = (scores + 0.25)[:, None] < np.array(thresholds)
    curve = workload_curve(abnormal, scores[:, None] < thresholds, thresholds, 0.1, Minutes(20, 5))
    assert [point.opened for point in curve] == sorted((p.opened for p in curve), reverse=True)
    chosen = cheapest_for(curve, 0.9)
    assert chosen is not None and chosen.threshold == 0.3
    assert chosen.minutes == pytest.approx(100 * (1 - chosen.opened) * 15)
    assert cheapest_for(curve[2:], 0.99) is None


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, 2])
def test_prevalence_outside_0_and_1_is_refused(prevalence):
    with pytest.raises(ValueError, match="prevalence"):
        workload_curve(np.zeros((1, 1)), np.zeros((1, 1)), (0.5,), prevalence)
    with pytest.raises(ValueError, match="0 <= last"):
        Minutes(5, 10)


# --- shift ------------------------------------------------------------------------------------


def scores(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    abnormal = rng.random(n) < share
    return np.where(abnormal, rng.beta(8, 2, n), rng.beta(2, 8, n))


def test_no_alarm_for_another_share_of_abnormal_cases_and_alarm_for_another_distribution():
    rng = np.random.default_rng(0)
    normal, abnormal = rng.beta(2, 8, 150), rng.beta(8, 2, 150)
    alarms = sum(
        shift.drift(scores(rng, n, share), normal, abnormal).shifted
        for n in (10, 40, 300) for share in (0.0, 0.05, 0.5, 1.0) for _ in range(25)
    )  # fmt: skip
    assert alarms <= 6  # of 300, at a level of 0.01
    middle = shift.drift(rng.beta(30, 30, 60), normal, abnormal)
    assert middle.shifted and "may not hold" in str(middle)
    # Compared with normals alone, the same batch of half abnormal cases would alarm.
    assert shift.drift(scores(rng, 100, 0.5), normal).shifted


def test_a_few_pictures_say_nothing_and_no_reference_is_an_error():
    found = shift.drift([0.9] * 9, [0.1] * 50)
    assert not found.shifted and found.p_value is None and "too few" in str(found)
    with pytest.raises(ValueError, match="received none"):
        shift.drift([0.5] * 20, [])


def test_drift_of_a_run_also_compares_what_could_not_be_judged():
    rng = np.random.default_rng(0)
    reference = {"p": {"normal": shift.kept_scores(rng.beta(2, 8, 3000)), "abnormal": []}}
    assert len(reference["p"]["normal"]) == shift.KEPT
    batch = {"p": rng.beta(2, 8, 50), "unknown": [1.0] * 50}
    found = shift.drift_of_run(batch, reference, (30, 60), (4, 200))
    assert [d.shifted for d in found] == [False, True]
    assert not any(d.shifted for d in shift.drift_of_run(batch, reference, (2, 52), (4, 200)))
