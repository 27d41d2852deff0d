"""Figures of merit of 24 classes: macro averages, quartiles over classes, intervals over people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from screening.classes import CHROMOSOMES

DRAWS = 1000
"""Times that the people are drawn anew for an interval."""
QUARTILES = ("minimum", "first quartile", "median", "third quartile", "range of quartiles",
             "maximum")  # fmt: skip


@dataclass(frozen=True)
class Measures:
    """All in 0–1. Macro averages are over the classes that were measured on. `low`…`high`: 95 %
    interval of the accuracy over people. `specificity_printed`: TN / (TP + TN), as ChromosomeNet
    prints it; `specificity` is TN / (FP + TN). `quartiles` are of the classes' accuracies."""

    pictures: int
    people: int
    accuracy: float
    low: float
    high: float
    precision: float
    sensitivity: float
    specificity: float
    specificity_printed: float
    f1: float
    classes: tuple[float, ...]
    quartiles: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; a class that was not measured is null."""
        classes = [None if np.isnan(value) else value for value in self.classes]
        return vars(self) | {"classes": classes, "quartiles": list(self.quartiles)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Measures:
        """Return what `to_dict` gave."""
        classes = tuple(np.nan if value is None else value for value in stored["classes"])
        return cls(**stored | {"classes": classes, "quartiles": tuple(stored["quartiles"])})


def measure(
    labels: np.ndarray,
    said: np.ndarray,
    people: np.ndarray,
    classes: int = len(CHROMOSOMES),
    seed: int = 0,
) -> Measures:
    """Return the measures of classes `said` (n,) from 0 for true `labels` (n,) of `people` (n,)."""
    matrix = confusion(labels, said, classes)
    total, hit = matrix.sum(), np.diag(matrix)
    true, called = matrix.sum(1), matrix.sum(0)
    there = true > 0
    missed, false = true - hit, called - hit
    negative = total - hit - missed - false
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = hit / true
        precision = np.where(called > 0, hit / called, 0.0)
        specificity = negative / (false + negative)
        printed = negative / (hit + negative)
        f1 = 2 * hit / (2 * hit + false + missed)
    cut = np.quantile(sensitivity[there], (0, 0.25, 0.5, 0.75, 1))
    low, high = interval(said == labels, people, seed)
    return Measures(
        pictures=int(total),
        people=len(np.unique(people)),
        accuracy=float(hit.sum() / total),
        low=low,
        high=high,
        precision=float(precision[there].mean()),
        sensitivity=float(sensitivity[there].mean()),
        specificity=float(specificity[there].mean()),
        specificity_printed=float(printed[there].mean()),
        f1=float(f1[there].mean()),
        classes=tuple(float(value) for value in sensitivity),
        quartiles=(*map(float, cut[:4]), float(cut[3] - cut[1]), float(cut[4])),
    )


def confusion(labels: np.ndarray, said: np.ndarray, classes: int = len(CHROMOSOMES)) -> np.ndarray:
    """Return counts (classes, classes), true classes as rows."""
    return confusion_matrix(labels, said, labels=range(classes))


def interval(right: np.ndarray, people: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the share that is right, whole people drawn anew (bootstrap of
    clusters: one person's chromosomes are right or wrong together); nan for one person."""
    _, number = np.unique(people, return_inverse=True)
    count = number.max() + 1
    if count < 2:
        return float("nan"), float("nan")
    hits = np.bincount(number, weights=right, minlength=count)
    sizes = np.bincount(number, minlength=count)
    drawn = np.random.default_rng(seed).integers(count, size=(DRAWS, count))
    low, high = np.quantile(hits[drawn].sum(1) / sizes[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


def confusions(matrix: np.ndarray, names: Sequence[str] = CHROMOSOMES, count: int = 6) -> str:
    """Return the most frequent confusions in words, true class first."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [np.unravel_index(k, wrong.shape) for k in order]
    named = [f"{names[i]} as {names[j]}: {wrong[i, j]}" for i, j in pairs if wrong[i, j]]
    return ", ".join(named) or "none"
