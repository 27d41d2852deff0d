"""Metrics against closed forms, other definitions and seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from screening import metrics


def random_scores(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.random(n).round(2)  # ties on purpose
    return (rng.random(n) < scores).astype(int), scores


@pytest.mark.parametrize(("successes", "total"), [(0, 1), (1, 1), (0, 14), (12, 14), (50, 100)])
def test_interval_is_clopper_pearson(successes, total):
    found = metrics.proportion(successes, total)
    expected = binomtest(successes, total).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_interval_without_a_success_has_the_closed_form():
    assert metrics.proportion(0, 20).high == pytest.approx(1 - 0.025 ** (1 / 20))


@pytest.mark.parametrize("truth", [0.02, 0.5, 0.9])
def test_interval_covers_the_truth_at_least_as_often_as_promised(truth):
    total = 30
    intervals = [metrics.proportion(k, total) for k in range(total + 1)]
    covered = sum(
        binom.pmf(k, total, truth) for k, i in enumerate(intervals) if i.low <= truth <= i.high
    )
    assert covered >= 0.95


def test_proportion_reads_well():
    assert str(metrics.proportion(12, 14)) == "12/14 = 0.857 (0.572–0.982)"
    assert str(metrics.proportion(0, 0)) == "0/0"
    assert np.isnan(metrics.proportion(0, 0).value)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="successes"):
        metrics.proportion(3, 2)


def test_recall_specificity_precision_count_what_they_say():
    labels = [1, 1, 1, 0, 0, 0, 0]
    predictions = [1, 1, 0, 1, 0, 0, 0]
    assert metrics.recall(labels, predictions).value == pytest.approx(2 / 3)
    assert metrics.specificity(labels, predictions).value == pytest.approx(3 / 4)
    assert metrics.precision(labels, predictions).value == pytest.approx(2 / 3)
    assert metrics.precision(labels, [0] * 7).total == 0


def test_auroc_is_the_chance_of_ranking_a_pair_right():
    labels, scores = random_scores()
    difference = scores[labels == 1][:, None] - scores[labels == 0][None]
    assert metrics.auroc(labels, scores) == pytest.approx(
        np.mean((difference > 0) + 0.5 * (difference == 0))
    )
    assert np.isnan(metrics.auroc([1, 1], [0.2, 0.3]))


def test_risk_at_full_coverage_is_the_error_rate_and_order_does_not_matter():
    wrong, confidence = random_scores()
    coverage, risk = metrics.risk_coverage(wrong, confidence)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx(wrong.mean())
    shuffled = np.random.default_rng(1).permutation(wrong.size)
    assert metrics.risk_coverage(wrong[shuffled], confidence[shuffled])[1] == pytest.approx(risk)


def test_aurc_closed_forms():
    # One error ranked last costs 1/n at full coverage only; ranked first it costs 1/k at each k.
    assert metrics.aurc([0, 0, 0, 1], [0.9, 0.8, 0.7, 0.1]) == pytest.approx(1 / 16)
    assert metrics.aurc([1, 0, 0, 0], [0.9, 0.8, 0.7, 0.1]) == pytest.approx((25 / 12) / 4)
    # A constant confidence ranks nothing: the risk is the error rate everywhere.
    assert metrics.aurc([1, 0, 0, 1], [0.5] * 4) == pytest.approx(0.5)


def test_calibration_error_tells_calibrated_from_overconfident():
    rng = np.random.default_rng(0)
    truth = rng.random(40_000)
    labels = (rng.random(truth.size) < truth).astype(int)
    assert metrics.calibration_error(labels, truth) < 0.01
    assert metrics.calibration_error([0, 0, 0, 1], [1.0] * 4) == pytest.approx(0.75)
    assert metrics.calibration_error([0, 1], [0.0, 1.0]) == 0


def test_brier_and_log_loss_are_least_at_the_truth():
    labels = np.repeat([0, 1], [700, 300])
    at = {p: np.full(labels.size, p) for p in (0.2, 0.3, 0.4)}
    assert metrics.brier(labels, at[0.3]) == pytest.approx(0.3 * 0.7)
    assert metrics.brier(labels, at[0.3]) < min(
        metrics.brier(labels, at[0.2]), metrics.brier(labels, at[0.4])
    )
    entropy = -(0.3 * np.log(0.3) + 0.7 * np.log(0.7))
    assert metrics.log_loss(labels, at[0.3]) == pytest.approx(entropy)
    assert np.isfinite(metrics.log_loss([1, 0], [0.0, 1.0]))


@pytest.mark.parametrize("scores", [[0.1, 1.2], [0.1], [[0.1, 0.2]], [0.1, float("nan")]])
def test_scores_that_cannot_be_are_refused(scores):
    with pytest.raises(ValueError, match="expected"):
        metrics.brier([0, 1], scores)


def test_routing_summary_per_group():
    labels = [1, 1, 1, 0, 0, 0, 0]
    routes = ["flag", "review", "low-priority", "low-priority", "flag", "review", "low-priority"]
    groups = ["real"] * 4 + ["simulated"] * 3
    real, simulated = metrics.routing_summary(labels, routes, groups)
    assert (real.group, simulated.group) == ("real", "simulated")
    assert (real.flagged.successes, real.missed.successes, real.flagged.total) == (1, 1, 3)
    assert (simulated.low_priority.successes, simulated.low_priority.total) == (1, 3)
    assert simulated.flagged.total == 0
    (everything,) = metrics.routing_summary(labels, routes)
    assert everything.reviewed.successes == 2
    with pytest.raises(ValueError, match="routes"):
        metrics.routing_summary([1], ["urgent"])


def test_routing_table_is_markdown_with_counts_and_dashes():
    table = metrics.routing_table(metrics.routing_summary([0, 0], ["low-priority", "review"]))
    lines = table.splitlines()
    assert len(lines) == 3
    assert len({line.count("|") for line in lines}) == 1
    assert "1/2 = 0.500 (0.013–0.987)" in lines[2]
    assert "–" in lines[2].split("|")[2]
    with pytest.raises(ValueError, match="values"):
        metrics.markdown_table(["a"], [[1, 2]])
