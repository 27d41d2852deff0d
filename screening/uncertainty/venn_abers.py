"""How sure one answer may be: Venn–Abers probabilities from the calibration cases.

Venn–Abers prediction (Vovk & Petej 2014): the calibration cases are fitted by isotonic regression
twice, with the new picture among them once as normal and once as abnormal. Its two values p0 <= p1
are the probability of abnormal; one of them is calibrated whatever the scores look like. Where few
cases were like the picture they lie far apart, so the nearer end never claims more than the cases
support: beside n patients of one label and none of the other it is n / (n + 1).

Several pages of one patient do not make it surer: a page weighs 1 / (pages of that patient with
that label), as if one page of each patient had been drawn, and the new picture weighs as much as a
patient. The probabilities hold where as large a share is abnormal as among those patients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

_DECIMALS = 5


@dataclass(frozen=True)
class Sureness:
    """The more probable label (a tie is abnormal) and the lower end of its probability, 0–1."""

    abnormal: bool
    at_least: float


@dataclass(frozen=True)
class VennAbers:
    """`points`: (score, weight of normal, weight of abnormal patients), scores rising."""

    points: tuple[tuple[float, float, float], ...]
    _known: dict[tuple[int, bool], tuple[float, float]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        table = np.array(self.points, np.float64).reshape(-1, 3)
        if not len(table) or not (np.diff(table[:, 0]) > 0).all() or (table < 0).any():
            raise ValueError("expected points of rising scores with weights of 0 or more")
        if not (table[:, 1:].sum(axis=1) > 0).all() or not (table[:, 1:].sum(axis=0) > 0).all():
            raise ValueError("expected a weight at every point, and both labels among them")

    @classmethod
    def fit(
        cls, scores: ArrayLike, labels: ArrayLike, patients: Sequence[Hashable] | None = None
    ) -> VennAbers:
        """Return the predictor of scores (n,) in 0–1, higher for abnormal, and labels (n,) 0/1.

        `patients`: whose page each is (None: all of different patients). ValueError when a label
        is missing.
        """
        names = range(len(np.asarray(scores))) if patients is None else patients
        owners = [(name, int(label)) for name, label in zip(names, np.asarray(labels), strict=True)]
        pages = Counter(owners)
        sums: dict[float, list[float]] = {}
        for score, owner in zip(np.asarray(scores, np.float64), owners, strict=True):
            point = sums.setdefault(round(float(score), _DECIMALS), [0.0, 0.0])
            point[owner[1]] += 1 / pages[owner]
        return cls(tuple((score, sums[score][0], sums[score][1]) for score in sorted(sums)))

    @property
    def prevalence(self) -> float:
        """Return the share of abnormal ones among the calibration patients."""
        _, normal, abnormal = np.array(self.points).sum(axis=0)
        return float(abnormal / (normal + abnormal))

    def interval(self, score: float) -> tuple[float, float]:
        """Return p0 <= p1, the probability of abnormal at `score` (0–1)."""
        scores = [point[0] for point in self.points]
        score = round(float(score), _DECIMALS)
        place = int(np.searchsorted(scores, score))
        tied = place < len(scores) and scores[place] == score
        if (place, tied) not in self._known:
            self._known[place, tied] = (self._at(place, tied, 0), self._at(place, tied, 1))
        return self._known[place, tied]

    def sureness(self, score: float) -> Sureness:
        """Return the more probable label at `score`, and the lower end of its probability.

        The two are weighed by the p1 / (1 - p0 + p1) of Vovk & Petej, which loses least in log
        loss.
        """
        low, high = self.interval(score)
        abnormal = low + high >= 1 - 1e-12
        return Sureness(abnormal, low if abnormal else 1 - high)

    def _at(self, place: int, tied: bool, label: int) -> float:
        """The isotonic fit at `place` with the new picture there as `label`."""
        from scipy.optimize import (
            isotonic_regression,
        )  # slow: not for a first page

        table = np.array(self.points)[:, 1:]
        if not tied:
            table = np.insert(table, place, 0.0, axis=0)
        table[place, label] += 1
        weights = table.sum(axis=1)
        return float(isotonic_regression(table[:, 1] / weights, weights=weights).x[place])
