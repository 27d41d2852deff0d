"""One score from all evidence: a logistic model over what the witnesses say.

Its coefficients are fitted on validation patients and stored in the bundle; it adds the log-odds
that each feature speaks for. A feature that differs from dropout pass to dropout pass (the network,
the reading of the chromosomes) is fused pass by pass, so that the passes keep their spread and the
vote remains the thesis' vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from screening.record import Feature


@dataclass(frozen=True)
class Fusion:
    """`intercept` and `weights` by feature, in log-odds towards abnormal.

    Features that a picture does not have count 0: neutral by construction of every feature. What
    the features in `only_raise` say never lowers the score. No feature counts beyond ±`limit`, so
    that none alone decides.
    """

    intercept: float
    weights: Mapping[str, float]
    only_raise: tuple[str, ...] = ()
    limit: float = 8.0

    def passes(self, features: Mapping[str, Feature], count: int) -> np.ndarray:
        """Return the fused p(abnormal) of each of `count` passes, float32 (count,).

        A feature is a number or one for each pass; ValueError for another number of passes.
        """
        from scipy.special import expit  # slow: not for a first page

        total = np.full(count, self.intercept)
        for name in self.weights:
            if name in features:
                total = total + self._part(name, features[name])
        if total.shape != (count,):
            raise ValueError(f"expected features of {count} passes, received {total.shape[0]}")
        return expit(total).astype(np.float32)

    def contributions(self, features: Mapping[str, Feature]) -> dict[str, float]:
        """Return each feature's change of the log-odds towards abnormal, on average over passes."""
        return {
            name: float(np.mean(self._part(name, features[name])))
            for name in self.weights
            if name in features
        }

    def _part(self, name: str, feature: Feature) -> np.ndarray:
        part = self.weights[name] * bounded(feature, self.limit)
        return np.maximum(part, 0.0) if name in self.only_raise else part


def log_odds(p: np.ndarray | float) -> np.ndarray:
    """Return log(p / (1 - p)), finite also at 0 and 1."""
    p = np.clip(np.asarray(p, np.float64), 1e-6, 1 - 1e-6)
    return np.log(p) - np.log1p(-p)


def bounded(feature: Feature, limit: float) -> np.ndarray:
    """Return a feature within ±`limit`, the range in which the coefficients were fitted."""
    return np.clip(np.asarray(feature, np.float64), -limit, limit)
