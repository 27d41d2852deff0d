"""Certified thresholds: closed forms, another implementation, seeded simulation of the promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from screening.uncertainty.risk_control import (
    ANY,
    BET,
    EXACT,
    MEAN,
    METHODS,
    Certificate,
    NotCertified,
    Promise,
    certify,
    certify_pair,
    fixed_sequence,
    needed_units,
    p_values,
    tail,
    upper_bound,
)

GRID = np.linspace(-4, 4, 161)


def missed_at(scores: np.ndarray) -> np.ndarray:
    """Abnormal cases whose score lies under each threshold: put last there."""
    return scores[:, None] < GRID[None, :]


@pytest.mark.parametrize(
    ("recall", "misses", "needed"), [(0.95, 0, 59), (0.95, 1, 93), (0.99, 0, 299), (0.9, 0, 29)]
)
def test_cases_needed_are_the_known_ones(recall, misses, needed):
    assert needed_units(Promise(recall), misses) == needed
    assert binom.cdf(misses, needed - 1, 1 - recall) > 0.05 >= binom.cdf(misses, needed, 1 - recall)


@pytest.mark.parametrize(("misses", "n"), [(0, 41), (1, 93), (7, 60), (59, 60)])
def test_bound_is_one_sided_clopper_pearson(misses, n):
    interval = binomtest(misses, n, alternative="less").proportion_ci(0.95, method="exact")
    losses = (np.arange(n) < misses).astype(float)
    assert upper_bound(losses, 0.05) == pytest.approx(interval.high, abs=1e-9)
    assert tail(misses, n, upper_bound(losses, 0.05)) == pytest.approx(0.05)


def test_everything_missed_bounds_nothing():
    for method in (EXACT, *METHODS.values()):
        assert upper_bound(np.ones(20), 0.05, method) == 1.0


def test_59_patients_without_a_miss_certify_095_and_58_do_not():
    none_missed = np.zeros((59, 3), bool)
    found = certify(none_missed, (0.1, 0.2, 0.3), Promise(0.95))
    assert isinstance(found, Certificate) and found.threshold == 0.3
    assert found.bound == pytest.approx(0.05 ** (1 / 59))
    assert isinstance(certify(none_missed[:58], (0.1, 0.2, 0.3), Promise(0.95)), NotCertified)


def test_what_cannot_be_certified_says_what_can_and_what_it_takes():
    found = certify(np.zeros((41, 2), bool), (0.1, 0.2), Promise(0.99))
    assert isinstance(found, NotCertified)
    assert str(found).startswith("cannot certify 0.99 with 41 abnormal cases; the best that can be")
    assert "0.929" in str(found) and "299 without a miss" in str(found)
    worse = certify(np.eye(41, 2, dtype=bool) | True, (0.1, 0.2), Promise(0.99))
    assert isinstance(worse, NotCertified) and worse.best == pytest.approx(0)


def test_testing_stops_at_the_first_threshold_that_fails():
    assert fixed_sequence(np.array([0.01, 0.04, 0.2, 0.01]), 0.05) == 2
    assert fixed_sequence(np.array([0.2, 0.01]), 0.05) == 0
    assert fixed_sequence(np.array([0.01, 0.02]), 0.05) == 2
    missed = np.zeros((100, 3), bool)
    missed[:50, 1] = True  # the third looks perfect, but stands behind one that failed
    found = certify(missed, (0.1, 0.2, 0.3), Promise(0.95))
    assert isinstance(found, Certificate) and found.threshold == 0.1


def test_several_cases_of_a_patient_weigh_as_one_patient():
    missed = np.zeros((400, 1), bool)
    patients = np.repeat(np.arange(40), 10)
    for clustering, needed in ((BET, 62), (MEAN, 59), (ANY, 59)):
        found = certify(missed, (0.1,), Promise(0.95), patients, clustering)
        assert isinstance(found, NotCertified) and found.units == 40 and found.needed == needed
    assert isinstance(certify(missed, (0.1,), Promise(0.95)), Certificate)


def test_a_share_of_a_patient_missed_costs_less_by_the_mean_than_as_a_whole_patient():
    missed = np.zeros((800, 1), bool)
    missed[0] = True
    patients = np.repeat(np.arange(80), 10)
    mean = certify(missed, (0.1,), Promise(0.95), patients, MEAN)
    any_ = certify(missed, (0.1,), Promise(0.95), patients, ANY)
    assert isinstance(mean, Certificate) and mean.missed == pytest.approx(0.1)
    assert isinstance(any_, NotCertified) and any_.missed == 1


def test_a_bet_stands_a_fifth_missed_of_many_patients_that_the_mean_alone_does_not():
    missed = np.zeros((90, 5), bool)
    missed[:5, 0] = True  # five of ninety patients, one abnormality of five each
    patients = np.repeat(np.arange(90), 5)
    found = {
        name: certify(missed.reshape(-1, 1), (0.1,), Promise(0.95), patients, name)
        for name in (BET, MEAN, ANY)
    }
    assert isinstance(found[BET], Certificate)
    assert isinstance(found[MEAN], NotCertified) and isinstance(found[ANY], NotCertified)
    assert found[BET].bound >= 0.95 and found[BET].method == METHODS[BET]


@pytest.mark.parametrize("method", METHODS.values())
def test_no_p_value_by_patient_is_too_small_where_the_risk_is_as_stated(method):
    # Mean loss 0.1 exactly: one in five patients loses half, or one in ten loses everything.
    rng = np.random.default_rng(5)
    for chance, loss in ((0.2, 0.5), (0.1, 1.0)):
        losses = loss * (rng.random((80, 4000)) < chance)
        risk = chance if method == METHODS[ANY] else 0.1
        p = p_values(losses > 0 if method == METHODS[ANY] else losses, risk, method)
        assert (p <= 0.05).mean() <= 0.06 and (p <= 0.01).mean() <= 0.015


def test_one_case_each_is_the_exact_bound_even_when_patients_are_named():
    missed = np.zeros((60, 1), bool)
    found = certify(missed, (0.5,), Promise(0.95), [f"p{i}" for i in range(60)])
    assert isinstance(found, Certificate) and found.method == EXACT


def test_two_thresholds_share_the_error_and_keep_their_order():
    rng = np.random.default_rng(0)
    abnormal, normal = rng.normal(3, 0.5, 300), rng.normal(-3, 0.5, 300)
    low, flag = certify_pair(
        missed_at(abnormal), ~missed_at(normal), GRID, Promise(0.95), most_false_flags=0.05
    )
    assert isinstance(low, Certificate) and isinstance(flag, Certificate)
    assert low.promise.delta == pytest.approx(0.025) == flag.promise.delta
    assert flag.threshold >= low.threshold
    alone = certify(missed_at(abnormal), GRID, Promise(0.95))
    assert low.index <= alone.index


def test_flag_certified_above_low_priority_is_kept_as_it_is():
    rng = np.random.default_rng(1)
    abnormal, normal = rng.normal(0.5, 1, 500), rng.normal(0, 1, 500)
    low, flag = certify_pair(
        missed_at(abnormal), ~missed_at(normal), GRID, Promise(0.9), most_false_flags=0.05
    )
    assert isinstance(low, Certificate) and isinstance(flag, Certificate)
    assert flag.threshold > low.threshold
    assert np.mean(normal >= flag.threshold) <= 0.05


def test_agrees_with_mapie():
    methods = pytest.importorskip("mapie.risk_control.methods")
    fwer = pytest.importorskip("mapie.risk_control.fwer_control")
    rng = np.random.default_rng(0)
    for n, risk in ((41, 0.05), (120, 0.01), (300, 0.1)):
        whole = rng.integers(0, n, 40)
        whole = whole[
            np.ceil(whole / n * n) == whole
        ]  # they round n * (k / n) up, to k + 1 at times
        theirs = methods.compute_hoeffding_bentkus_p_value(whole / n, n, risk, binary=True)[:, 0]
        # Their binary p-value is the smaller of ours and Hoeffding's, which never is the smaller.
        np.testing.assert_allclose(tail(whole, n, risk), theirs, atol=1e-12)
        shares = rng.uniform(0, n, 40)
        theirs = methods.compute_hoeffding_bentkus_p_value(shares / n, n, risk)[:, 0]
        np.testing.assert_allclose(tail(shares, n, risk, METHODS[MEAN]), theirs.clip(max=1))
    for _ in range(20):
        p = rng.uniform(0, 0.08, 12)
        theirs = fwer.FWERFixedSequenceTesting().run(p, 0.05)
        assert list(theirs) == list(range(fixed_sequence(p, 0.05)))


@pytest.mark.parametrize("n", [59, 93, 299])
def test_the_promise_is_broken_no_more_often_than_stated(n):
    rng = np.random.default_rng(n)
    broken = 0
    repetitions = 400
    for _ in range(repetitions):
        found = certify(missed_at(rng.normal(1, 1, n)), GRID, Promise(0.9))
        broken += isinstance(found, Certificate) and norm.cdf(found.threshold, 1, 1) > 0.1
    assert binomtest(broken, repetitions, 0.05, alternative="greater").pvalue > 1e-3


def test_clusters_taken_for_independent_cases_break_the_promise_and_patients_do_not():
    rng = np.random.default_rng(3)
    broken = {"cases": 0, MEAN: 0, BET: 0}
    patients = np.repeat(np.arange(60), 20)
    for _ in range(150):
        scores = np.repeat(rng.normal(1, 1, 60), 20) + rng.normal(0, 0.2, 1200)
        for name, who in (("cases", None), (MEAN, patients), (BET, patients)):
            clustering = BET if name == "cases" else name
            found = certify(missed_at(scores), GRID, Promise(0.9), who, clustering)
            if isinstance(found, Certificate):
                broken[name] += norm.cdf(found.threshold, 1, np.hypot(1, 0.2)) > 0.1
    assert broken["cases"] > 30 > 7.5 * 2 >= max(broken[MEAN], broken[BET])


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        Promise(1.0)
    with pytest.raises(ValueError, match="3 thresholds"):
        certify(np.zeros((5, 2)), (1, 2, 3), Promise(0.9))
    with pytest.raises(ValueError, match="with a case"):
        certify(np.zeros((0, 2)), (1, 2), Promise(0.9))
    with pytest.raises(ValueError, match="5 patients"):
        certify(np.zeros((5, 1)), (1,), Promise(0.9), ["a"])
    with pytest.raises(ValueError, match="clustering"):
        certify(np.zeros((5, 1)), (1,), Promise(0.9), None, "median")


@pytest.mark.parametrize(
    ("recall", "confidence"), [(0, 0.9), (1, 0.9), (1.5, 0.9), (0.9, 0), (0.9, 1), (0.9, 1.5)]
)
def test_a_promise_of_all_or_nothing_is_refused(recall, confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Promise(recall, confidence)


@pytest.mark.parametrize(
    ("word", "missed", "method"),
    [("bet", 0.2, "share missed per patient, betting"),
     ("mean", 0.2, "share missed per patient, Hoeffding–Bentkus"),
     ("any", 1, "patients with any miss, exact binomial")],
)  # fmt: skip
def test_each_word_for_counting_patients_counts_as_it_says(word, missed, method):
    """Two of the ten cases of one patient of fifty are missed; the patients come mixed."""
    losses = np.zeros((500, 1), bool)
    patients = [f"patient {i % 50}" for i in range(500)]
    losses[[7, 57]] = True
    found = certify(losses, (0.1,), Promise(0.8), patients, word)
    assert isinstance(found, Certificate)
    assert found.missed == pytest.approx(missed) and found.method == method
    assert (found.units, found.cases) == (50, 500)


def test_a_flag_threshold_below_low_priority_is_raised_to_it_with_its_own_counts():
    thresholds = (1.0, 2.0, 3.0, 4.0)
    missed = np.zeros((200, 4), bool)
    missed[:, 3] = True  # low-priority is certified up to the third
    flagged = np.zeros((400, 4), bool)
    flagged[9, :3] = True  # one of two cases of one patient: every threshold would do
    normal = [i // 2 for i in range(400)]
    low, flag = certify_pair(
        missed, flagged, thresholds, Promise(0.95), 0.05, patients=(None, normal)
    )
    assert isinstance(low, Certificate) and isinstance(flag, Certificate)
    assert (low.index, low.threshold, low.units) == (2, 3.0, 200)
    assert (flag.index, flag.threshold) == (1, 3.0)
    assert (flag.missed, flag.units, flag.cases) == (0.5, 200, 400)
    losses = np.zeros(200)
    losses[4] = 0.5
    assert flag.bound == pytest.approx(1 - upper_bound(losses, 0.025, METHODS[BET]))


def test_each_threshold_of_a_pair_counts_its_own_patients():
    missed, flagged = np.zeros((240, 2), bool), np.zeros((300, 2), bool)
    abnormal, normal = [i // 2 for i in range(240)], [i // 3 for i in range(300)]
    low, flag = certify_pair(
        missed, flagged, (1.0, 2.0), Promise(0.9), 0.1, patients=(abnormal, normal)
    )
    assert (low.units, low.cases, flag.units, flag.cases) == (120, 240, 100, 300)


def test_one_of_a_pair_may_be_certified_without_the_other():
    few, many = np.zeros((5, 3), bool), np.zeros((300, 3), bool)
    low, flag = certify_pair(few, many, (1.0, 2.0, 3.0), Promise(0.95), 0.05)
    assert isinstance(low, NotCertified) and isinstance(flag, Certificate)
    assert flag.threshold == 1.0
    low, flag = certify_pair(many, few, (1.0, 2.0, 3.0), Promise(0.95), 0.05)
    assert isinstance(low, Certificate) and isinstance(flag, NotCertified)
    assert low.threshold == 3.0


def test_no_p_value_is_above_one_and_one_that_equals_delta_is_enough():
    for method in (EXACT, *METHODS.values()):
        assert p_values(np.ones((20, 1)), 0.1, method)[0] == pytest.approx(1)
    assert fixed_sequence(np.array([0.05, 0.06]), 0.05) == 1


def test_bentkus_tail_counts_a_started_case_as_whole_and_a_rounding_error_as_none():
    exact = np.e * binom.cdf(5, 100, 0.1)
    for total in (5, 5 + 1e-12, 5 - 1e-12):
        assert tail(total, 100, 0.1, METHODS[MEAN]) == pytest.approx(exact)
    assert tail(5.005, 100, 0.1, METHODS[MEAN]) > 1.15 * exact  # Hoeffding's is the smaller there


def test_a_bet_lost_on_nearly_everybody_bounds_nothing():
    assert upper_bound(np.r_[np.ones(19), 0.5], 0.05, METHODS[BET]) == 1.0


def test_units_needed_when_they_are_just_enough():
    assert needed_units(Promise(0.5, 0.75)) == 2  # 0.5 ** 2 is 1 - 0.75, neither more nor less
    assert needed_units(Promise(0.99), misses=1) == 473
    assert binom.cdf(1, 472, 0.01) > 0.05 >= binom.cdf(1, 473, 0.01)


def test_a_list_of_losses_is_no_table():
    with pytest.raises(ValueError, match="cases, thresholds"):
        certify(np.zeros(5), (1,), Promise(0.9))
