"""Which score tells right answers from wrong ones: votes, mean, margin, entropies, spread.

A confidence is better the more of the errors it leaves with a person when the least confident
pictures are handed over. Every confidence here is higher for surer answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from screening.metrics import (
    Proportion,
    aurc,
    auroc,
    excess_aurc,
    markdown_table,
    proportion,
    risk_coverage,
)
from screening.predict.statistics import summarise

PROBABILITIES = ("final", "votes", "mean", "calibrated")
"""The confidences that claim to be a probability of being right; `final`: what the rule tells."""

OVERSURE = 0.99
WORKLOADS = (0.1, 0.2, 0.3)
"""Shares of the pictures that a person takes over, least confident first."""


@dataclass(frozen=True)
class SelectiveRow:
    """How well one confidence ranks the errors of one group.

    `detection`: AUROC of telling errors from right answers; `aurc` and `excess` (over the best
    possible order): lower is better; `oversure`: errors with a confidence of at least 0.99 (None
    where it is no probability); `fail_rates`: share of errors among what the tool keeps when a
    person takes over each of WORKLOADS. nan where there is no error or nothing but errors.
    """

    confidence: str
    group: str
    pictures: int
    errors: Proportion
    detection: float
    aurc: float
    excess: float
    oversure: Proportion | None
    fail_rates: tuple[float, ...]


def confidences(
    p: ArrayLike,
    threshold: float = 0.5,
    calibrated: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the predictions, bool (n,) abnormal, and every confidence in them, float64 (n,).

    `p`: each pass' p(abnormal), (n, passes); a pass votes abnormal at `threshold`. The prediction
    is the majority, or `predicted`, bool (n,), as a rule has it. votes: share of the passes for it.
    mean: probability of the predicted label by the mean of the passes. margin: distance of the mean
    from the threshold in log-odds. entropy: 1 - predictive entropy in bits. mutual information:
    1 - it, in bits. std: 1 - twice the standard
    deviation of the passes. calibrated: like mean, from `calibrated` p(abnormal) (n,), if given.
    """
    said = summarise(np.asarray(p, np.float64), threshold)
    majority = np.array([s.abnormal for s in said])
    abnormal = majority if predicted is None else np.asarray(predicted, bool)
    votes = np.array([s.votes for s in said])
    mean = np.array([s.mean for s in said])
    off = np.clip(mean, 1e-6, 1 - 1e-6)
    found = {
        "votes": np.where(abnormal == majority, votes, 1 - votes),
        "mean": np.where(abnormal, mean, 1 - mean),
        "margin": np.abs(logit(off) - logit(threshold)),
        "entropy": 1 - np.array([s.entropy for s in said]),
        "mutual information": 1 - np.array([s.mutual_information for s in said]),
        "std": 1 - 2 * np.array([s.std for s in said]),
    }
    if calibrated is not None:
        calibrated = np.asarray(calibrated, np.float64)
        found["calibrated"] = np.where(abnormal, calibrated, 1 - calibrated)
    return abnormal, found


def fail_rate(wrong: ArrayLike, confidence: ArrayLike, workload: float) -> float:
    """Return the error rate of what is kept when the least confident share `workload` is not.

    Equal confidences count with the mean error of their ties. nan when nothing is kept.
    """
    coverage, risk = risk_coverage(wrong, confidence)
    kept = int(np.floor((1 - workload) * len(coverage) + 1e-9))
    return float(risk[kept - 1]) if kept else float("nan")


def selective_rows(
    wrong: ArrayLike, scores: Mapping[str, ArrayLike], groups: Sequence[str] | None = None
) -> list[SelectiveRow]:
    """Return one row for each confidence, of all pictures and then of each group by itself.

    `wrong` (n,) is 1 where the prediction is an error; `scores` as `confidences` makes them, other
    sources of confidence (ensembles) under names of their own.
    """
    wrong = np.asarray(wrong, np.float64)
    names = ["all"]
    if groups is not None:
        names += [name for name in dict.fromkeys(groups) if name != "all"]
    member = np.asarray(["all"] * len(wrong) if groups is None else list(groups))
    rows = []
    for name in names:
        inside = np.ones(len(wrong), bool) if name == "all" else member == name
        for score, values in scores.items():
            rows.append(_row(score, name, wrong[inside], np.asarray(values, float)[inside]))
    return rows


def selective_table(rows: Sequence[SelectiveRow]) -> str:
    """Return the rows as a markdown table."""
    header = (
        "group", "confidence", "pictures", "errors", "error detection, AUROC", "AURC",
        "excess AURC", f"errors with confidence ≥ {OVERSURE}",
        *(f"fail rate, {100 * w:.0f} % to a person" for w in WORKLOADS),
    )  # fmt: skip
    return markdown_table(
        header,
        [
            (r.group, r.confidence, r.pictures, r.errors, r.detection, r.aurc, r.excess,
             r.oversure, *r.fail_rates)
            for r in rows
        ],
    )  # fmt: skip


def best_confidence(rows: Sequence[SelectiveRow]) -> str:
    """Return the confidence with the lowest AURC over all pictures; the first of equals."""
    everything = [row for row in rows if row.group == "all"]
    return min(everything, key=lambda row: row.aurc).confidence


def _row(score: str, group: str, wrong: np.ndarray, confidence: np.ndarray) -> SelectiveRow:
    errors = int(wrong.sum())
    oversure = None
    if score in PROBABILITIES:
        oversure = proportion(int(np.sum((wrong == 1) & (confidence >= OVERSURE - 1e-9))), errors)
    return SelectiveRow(
        confidence=score,
        group=group,
        pictures=len(wrong),
        errors=proportion(errors, len(wrong)),
        detection=auroc(wrong, -confidence),
        aurc=aurc(wrong, confidence),
        excess=excess_aurc(wrong, confidence),
        oversure=oversure,
        fail_rates=tuple(fail_rate(wrong, confidence, w) for w in WORKLOADS),
    )
