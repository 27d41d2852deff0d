"""Has a run left what the tool was calibrated on: its scores against those in the bundle.

The scores of a batch are compared with those of the calibration cases kept in the
bundle. How common abnormal cases are differs between the two for good reasons, so the batch is
compared with the mixture of the normal and abnormal calibration scores that fits it best; the
Kolmogorov–Smirnov distance to that mixture is never above the one to the true mixture, so the
p-value is on the safe side. A warning takes a small p-value and a distance worth a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import kolmogorov

from screening.bundle_schema import CalibrationInfo

LEAST = 10
"""Pictures in a batch below which nothing is said about it."""
LEVEL = 0.01
EFFECT = 0.2
KEPT = 512
"""Calibration scores kept of each label."""

UNREAD = "unread"
_IN_WORDS = {
    "p_abnormal": "The score p(abnormal)",
    "p_std": "The spread of the passes",
    UNREAD: "The share of pictures that could not be judged",
}


@dataclass(frozen=True)
class Drift:
    """One comparison. `distance`: the largest difference between the two distributions, 0–1;
    `p_value` None when there were too few pictures; `shifted`: a warning is due."""

    score: str
    pictures: int
    distance: float
    p_value: float | None
    shifted: bool

    def __str__(self) -> str:
        """Return the finding in words."""
        name = _IN_WORDS.get(self.score, self.score)
        if self.p_value is None:
            return f"{name}: {self.pictures} pictures are too few to compare"
        if not self.shifted:
            return f"{name}: like the calibration cases (distance {self.distance:.2f})"
        return (
            f"{name} in this run is unlike that of the calibration cases (distance "
            f"{self.distance:.2f}, p {self.p_value:.1g}): what is certified may not hold here"
        )


def kept_scores(scores: ArrayLike) -> list[float]:
    """Return the sorted scores to keep in a bundle: all, or evenly spaced ones when many."""
    ordered = np.sort(np.asarray(scores, np.float64))
    if len(ordered) > KEPT:
        ordered = ordered[np.linspace(0, len(ordered) - 1, KEPT).round().astype(int)]
    return [round(float(value), 5) for value in ordered]


def drift(
    batch: ArrayLike,
    normal: ArrayLike,
    abnormal: ArrayLike = (),
    score: str = "p(abnormal)",
    level: float = LEVEL,
    effect: float = EFFECT,
) -> Drift:
    """Return whether the scores of `batch` can come from a mixture of the two calibration samples.

    Any shape is flattened. A single-sample comparison when one of the samples is empty; ValueError
    when both are, or for values that are not finite.
    """
    batch, normal, abnormal = (
        np.sort(np.ravel(a).astype(float)) for a in (batch, normal, abnormal)
    )
    if not len(normal) + len(abnormal):
        raise ValueError("expected calibration scores to compare with, received none")
    if not all(np.isfinite(a).all() for a in (batch, normal, abnormal)):
        raise ValueError("expected finite scores")
    if len(batch) < LEAST:
        return Drift(score, len(batch), float("nan"), None, False)
    points = np.unique(np.concatenate([batch, normal, abnormal]))
    found, of_normal, of_abnormal = (_ecdf(a, points) for a in (batch, normal, abnormal))
    shares = np.linspace(0, 1, 101)
    if not len(normal) or not len(abnormal):
        shares = np.array([float(not len(normal))])
    mixtures = (1 - shares)[:, None] * of_normal + shares[:, None] * of_abnormal
    distances = np.abs(mixtures - found).max(axis=1)
    best = int(np.argmin(distances))
    distance, share = float(distances[best]), float(shares[best])
    spread = (1 - share) ** 2 / max(len(normal), 1) + share**2 / max(len(abnormal), 1)
    size = 1 / (1 / len(batch) + spread)
    # Stephens' correction brings the asymptotic distribution close for samples from 10 on.
    root = np.sqrt(size)
    p_value = float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
    return Drift(score, len(batch), distance, p_value, p_value < level and distance >= effect)


def drift_of_run(
    batch: Mapping[str, ArrayLike],
    reference: Mapping[str, Mapping[str, Sequence[float]]],
    unread: tuple[int, int] | None = None,
    reference_unread: tuple[int, int] | None = None,
    level: float = LEVEL,
) -> list[Drift]:
    """Return one comparison for each score that both have, and one for the pictures not judged.

    `reference`: score name to label (normal, abnormal) to calibration scores. `unread`: how many
    pictures were rejected or failed, of how many; compared by Fisher's exact test. The comparisons
    share `level` (Bonferroni).
    """
    names = [name for name in batch if name in reference]
    counts = None
    if unread is not None and reference_unread is not None:
        counts = (unread, reference_unread)
    level = level / max(1, len(names) + (counts is not None))
    found = [
        drift(
            batch[name],
            reference[name].get("normal", ()),
            reference[name].get("abnormal", ()),
            name,
            level,
        )
        for name in names
    ]
    if counts is not None:
        found.append(_unread(*counts, level))
    return found


def drift_from(
    calibration: CalibrationInfo | None, p_abnormal: ArrayLike, p_std: ArrayLike, pictures: int
) -> list[Drift]:
    """Return the comparisons of a run with a bundle's calibration cases; none without any.

    `p_abnormal`, `p_std`: mean and spread of the passes of each picture that was judged, of
    `pictures` in all.
    """
    if calibration is None:
        return []
    return drift_of_run(
        {"p_abnormal": p_abnormal, "p_std": p_std},
        calibration.scores,
        (pictures - len(np.ravel(p_abnormal)), pictures),
        (calibration.unread, calibration.pictures),
    )


def _ecdf(ordered: np.ndarray, points: np.ndarray) -> np.ndarray:
    if not len(ordered):
        return np.zeros(len(points))
    return np.searchsorted(ordered, points, side="right") / len(ordered)


def _unread(here: tuple[int, int], there: tuple[int, int], level: float) -> Drift:
    if here[1] < LEAST:
        return Drift(UNREAD, here[1], float("nan"), None, False)
    table = [[here[0], here[1] - here[0]], [there[0], there[1] - there[0]]]
    from scipy.stats import fisher_exact  # slow to import, and not for a few pictures

    p_value = float(fisher_exact(table).pvalue)
    distance = abs(here[0] / here[1] - there[0] / max(1, there[1]))
    return Drift(UNREAD, here[1], distance, p_value, p_value < level and distance >= EFFECT)
