"""Figures of merit: counts with exact intervals, ranking, risk–coverage, calibration, routing.

NumPy arrays in, plain numbers and dataclasses out. Labels are 0 (normal) and 1 (abnormal, the
positive class); scores are p(abnormal) in 0–1. A figure that is undefined (no abnormal image, one
label only) is nan, or a Proportion of 0/0: never a made-up 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv
from sklearn.metrics import roc_auc_score

from screening.classes import FLAG, LOW_PRIORITY, REVIEW, ROUTES


@dataclass(frozen=True)
class Proportion:
    """`successes` of `total` with an exact interval `low`…`high` (Clopper–Pearson)."""

    successes: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Return successes / total, nan when total is 0."""
        return self.successes / self.total if self.total else float("nan")

    def __str__(self) -> str:
        if not self.total:
            return "0/0"
        return f"{self.successes}/{self.total} = {self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


def proportion(successes: int, total: int, confidence: float = 0.95) -> Proportion:
    """Return the proportion with its exact two-sided binomial interval.

    Clopper & Pearson 1934: covers the truth with at least `confidence`, for any total. 0/0 has the
    interval 0–1.
    """
    if not 0 <= successes <= total or not 0 < confidence < 1:
        raise ValueError(
            "expected 0 <= successes <= total and a confidence in 0–1, "
            f"received {successes}, {total}, {confidence}"
        )
    tail = (1 - confidence) / 2
    low = betaincinv(successes, total - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, total - successes, 1 - tail) if successes < total else 1.0
    return Proportion(int(successes), int(total), float(low), float(high))


def recall(labels: ArrayLike, predictions: ArrayLike) -> Proportion:
    """Return the share of the abnormal that is predicted abnormal (sensitivity)."""
    labels, predictions = _pair(labels, predictions)
    return proportion(int(np.sum((labels == 1) & (predictions == 1))), int(np.sum(labels == 1)))


def specificity(labels: ArrayLike, predictions: ArrayLike) -> Proportion:
    """Return the share of the normal that is predicted normal, TN / (TN + FP)."""
    labels, predictions = _pair(labels, predictions)
    return proportion(int(np.sum((labels == 0) & (predictions == 0))), int(np.sum(labels == 0)))


def precision(labels: ArrayLike, predictions: ArrayLike) -> Proportion:
    """Return the share of those predicted abnormal that are abnormal."""
    labels, predictions = _pair(labels, predictions)
    hits = int(np.sum((labels == 1) & (predictions == 1)))
    return proportion(hits, int(np.sum(predictions == 1)))


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve; nan when only one label is present."""
    labels, scores = _pair(labels, scores)
    if np.unique(labels).size < 2:
        return float("nan")
    return float(roc_auc_score(labels, scores))


def risk_coverage(wrong: ArrayLike, confidence: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage (n,) = 1/n … 1 and the error rate among that share of the most confident.

    `wrong` (n,) is 1 where the prediction is an error. Equally confident images cannot be told
    apart: each counts with the mean error of its ties, the expectation over their random order.
    """
    wrong, confidence = _pair(wrong, confidence)
    _, group = np.unique(-confidence, return_inverse=True)
    tie_mean = np.bincount(group, weights=wrong) / np.bincount(group)
    in_order = tie_mean[np.sort(group)]
    kept = np.arange(1, wrong.size + 1)
    return kept / wrong.size, np.cumsum(in_order) / kept


def aurc(wrong: ArrayLike, confidence: ArrayLike) -> float:
    """Return the area under the risk–coverage curve: mean risk over all coverages, 0 is best."""
    return float(risk_coverage(wrong, confidence)[1].mean())


def excess_aurc(wrong: ArrayLike, confidence: ArrayLike) -> float:
    """Return the AURC above that of the best order, in which every error comes last; 0 is best."""
    best = 1 - np.asarray(wrong, np.float64)
    return aurc(wrong, confidence) - aurc(wrong, best)


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose p(abnormal) lies in `low`…`high`: their mean score and who is abnormal."""

    low: float
    high: float
    score: float
    abnormal: Proportion


def reliability(labels: ArrayLike, scores: ArrayLike, bins: int = 10) -> list[ReliabilityBin]:
    """Return the reliability table over equally wide bins, empty ones left out."""
    labels, scores = _pair(labels, scores)
    _check_scores(scores)
    group = np.minimum((scores * bins).astype(int), bins - 1)
    table = []
    for number in np.unique(group):
        inside = group == number
        share = proportion(int(labels[inside].sum()), int(inside.sum()))
        mean = float(scores[inside].mean())
        table.append(ReliabilityBin(float(number / bins), float((number + 1) / bins), mean, share))
    return table


def calibration_error(labels: ArrayLike, scores: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error of p(abnormal), over equally wide bins.

    Mean over images of |mean score - share of abnormal| of their bin. Biased upwards when bins hold
    few images: compare only figures of the same number of images.
    """
    labels, scores = _pair(labels, scores)
    _check_scores(scores)
    group = np.minimum((scores * bins).astype(int), bins - 1)
    gap = np.bincount(group, weights=scores - labels, minlength=bins)
    return float(np.abs(gap).sum() / labels.size)


def calibration_bias(scores: ArrayLike, bins: int = 15, draws: int = 200, seed: int = 0) -> float:
    """Return the calibration error that a perfectly calibrated score shows on average.

    Labels are drawn from the scores themselves: what is left of `calibration_error` is noise of so
    few images, not a fault of the score. An ECE near this figure says nothing against a score.
    """
    scores = np.asarray(scores, np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.random((draws, scores.size)) < scores
    return float(np.mean([calibration_error(labels, scores, bins) for labels in drawn]))


def debiased_calibration_error(labels: ArrayLike, scores: ArrayLike, bins: int = 15) -> float:
    """Return the root mean squared calibration error without its upward bias.

    Equally full bins; the variance of each bin's share of abnormal is subtracted from its squared
    gap (Kumar, Liang & Ma 2019); below 0 counts as 0. nan with fewer than two images a bin.
    """
    labels, scores = _pair(labels, scores)
    _check_scores(scores)
    if labels.size < 2 * bins:
        return float("nan")
    order = np.argsort(scores, kind="stable")
    total = 0.0
    for inside in np.array_split(order, bins):
        share = labels[inside].mean()
        gap = (scores[inside].mean() - share) ** 2
        total += inside.size * (gap - share * (1 - share) / (inside.size - 1))
    return float(np.sqrt(max(total / labels.size, 0.0)))


def brier(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean squared difference of p(abnormal) and the label."""
    labels, scores = _pair(labels, scores)
    _check_scores(scores)
    return float(np.mean((scores - labels) ** 2))


def log_loss(labels: ArrayLike, scores: ArrayLike, floor: float = 1e-7) -> float:
    """Return the mean negative log likelihood in nats; scores are kept `floor` off 0 and 1."""
    labels, scores = _pair(labels, scores)
    _check_scores(scores)
    kept = np.clip(scores, floor, 1 - floor)
    return float(-np.mean(labels * np.log(kept) + (1 - labels) * np.log1p(-kept)))


@dataclass(frozen=True)
class RoutingSummary:
    """How one group of images was routed.

    `flagged`: abnormal sent to flag (recall at flag); `missed`: abnormal sent to low-priority, the
    unacceptable error; `low_priority`: normal sent to low-priority, the work saved; `reviewed`: any
    image sent to review.
    """

    group: str
    flagged: Proportion
    missed: Proportion
    low_priority: Proportion
    reviewed: Proportion


def routing_summary(
    labels: Sequence[int], routes: Sequence[str], groups: Sequence[str] | None = None
) -> list[RoutingSummary]:
    """Return one summary per group, in order of first appearance; one group "all" by default."""
    groups = ["all"] * len(labels) if groups is None else list(groups)
    unknown = set(routes) - set(ROUTES)
    if unknown or not len(labels) == len(routes) == len(groups):
        raise ValueError(
            f"expected equally many labels, groups and routes out of {ROUTES}, received "
            f"{len(labels)}, {len(groups)} and {len(routes)} with {sorted(unknown)}"
        )
    abnormal, route, group = np.asarray(labels) == 1, np.asarray(routes), np.asarray(groups)
    summaries = []
    for name in dict.fromkeys(groups):
        inside = group == name
        positive, negative = inside & abnormal, inside & ~abnormal
        summaries.append(
            RoutingSummary(
                group=name,
                flagged=_share(positive, route == FLAG),
                missed=_share(positive, route == LOW_PRIORITY),
                low_priority=_share(negative, route == LOW_PRIORITY),
                reviewed=_share(inside, route == REVIEW),
            )
        )
    return summaries


def routing_table(summaries: Sequence[RoutingSummary]) -> str:
    """Return the summaries as a markdown table: counts and exact 95 % intervals."""
    header = (
        "group",
        "abnormal flagged (recall)",
        "abnormal to low-priority (missed)",
        "normal to low-priority (work saved)",
        "to review",
    )
    rows = [(s.group, s.flagged, s.missed, s.low_priority, s.reviewed) for s in summaries]
    return markdown_table(header, rows)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a markdown table; floats with three decimals, undefined ones and None as a dash."""
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"expected {len(header)} values in a row, received {len(row)}")
    lines = [list(header), ["---"] * len(header), *([_text(value) for value in r] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _text(value: object) -> str:
    if value is None or (isinstance(value, Proportion) and not value.total):
        return "–"
    if isinstance(value, float | np.floating):
        return "–" if np.isnan(value) else f"{value:.3f}"
    return str(value).replace("|", "\\|")


def _share(among: np.ndarray, which: np.ndarray) -> Proportion:
    return proportion(int(np.sum(among & which)), int(np.sum(among)))


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 (n,), the first of zeros and ones; ValueError otherwise."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"expected two arrays of the same shape (n,), received {first.shape}, {second.shape}"
        )
    if not np.isin(first, (0, 1)).all() or np.isnan(second).any():
        raise ValueError("expected labels 0 or 1 and scores without nan")
    return first, second


def _check_scores(scores: np.ndarray) -> None:
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(
            f"expected scores in 0–1, received {scores.min():.3g} to {scores.max():.3g}"
        )
