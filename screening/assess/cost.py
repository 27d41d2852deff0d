"""What a threshold costs and saves at a laboratory's own prevalence.

A person opens flagged and reviewed cases first; low-priority ones later, and more briefly. The
shares of normal and of abnormal cases of low priority are measured; how common abnormal cases are
is the laboratory's own figure, because that of a calibration set is made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from screening.metrics import Proportion, proportion


@dataclass(frozen=True)
class Workload:
    """One threshold at one prevalence.

    `recall`: abnormal cases not of low priority; `low_priority`: normal cases of it; `opened`:
    share of all cases that a person opens first; `minutes`: saved in 100 cases; `npv`: share of
    normal among the low-priority, `npv_low` its lower bound (95 %); nan where nothing is.
    """

    threshold: float
    recall: Proportion
    low_priority: Proportion
    opened: float
    minutes: float
    npv: float
    npv_low: float


@dataclass(frozen=True)
class Minutes:
    """A laboratory's own minutes for a case opened first and for one of low priority."""

    first: float = 20.0
    last: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.last <= self.first:
            raise ValueError(f"expected 0 <= last <= first, received {self.last}, {self.first}")


def workload_curve(
    abnormal_last: ArrayLike,
    normal_last: ArrayLike,
    thresholds: Sequence[float],
    prevalence: float,
    minutes: Minutes | None = None,
) -> list[Workload]:
    """Return the workload at each threshold.

    `abnormal_last`, `normal_last`: bool (cases, thresholds), whether the rule makes a case
    low-priority.
    """
    minutes = minutes or Minutes()
    check_prevalence(prevalence)
    abnormal_last, normal_last = np.asarray(abnormal_last), np.asarray(normal_last)
    curve = []
    for i, threshold in enumerate(thresholds):
        recall = proportion(int((~abnormal_last[:, i]).sum()), len(abnormal_last))
        low_priority = proportion(int(normal_last[:, i].sum()), len(normal_last))
        value, low = npv(recall, low_priority, prevalence)
        opened = opened_first(recall.value, low_priority.value, prevalence)
        saved = 100 * (1 - opened) * (minutes.first - minutes.last)
        curve.append(Workload(float(threshold), recall, low_priority, opened, saved, value, low))
    return curve


def opened_first(recall: float, low_priority: float, prevalence: float) -> float:
    """Return the share of all cases that a person opens first, 0–1."""
    return prevalence * recall + (1 - prevalence) * (1 - low_priority)


def npv(recall: Proportion, low_priority: Proportion, prevalence: float) -> tuple[float, float]:
    """Return the share of normal among the low-priority cases, and its lower bound.

    The bound takes both proportions at the bad end of their intervals: with two 95 % intervals
    each bad end is exceeded with 2.5 %, so it holds with 95 % (Bonferroni). nan when both are 0.
    """
    check_prevalence(prevalence)

    def value(missed: float, put_last: float) -> float:
        right, wrong = (1 - prevalence) * put_last, prevalence * missed
        return right / (right + wrong) if right + wrong > 0 else float("nan")

    return value(1 - recall.value, low_priority.value), value(1 - recall.low, low_priority.low)


def cheapest_for(curve: Sequence[Workload], recall: float) -> Workload | None:
    """Return the point that opens least among those with at least this observed recall."""
    good = [point for point in curve if point.recall.value >= recall - 1e-12]
    return min(good, key=lambda point: point.opened, default=None)


def check_prevalence(prevalence: float) -> None:
    """Raise ValueError unless the prevalence lies inside 0–1."""
    if not 0 < prevalence < 1:
        raise ValueError(f"expected a prevalence between 0 and 1, received {prevalence}")
