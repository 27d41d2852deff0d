"""One score from several parts: the whole picture's network, the cell's reading, and the doubts.

A logistic model (fitted on validation patients, its coefficients stored in the bundle) adds the
log-odds that each part speaks for. Every dropout pass of the network is fused by itself, so the
passes keep their spread and the vote remains the thesis' vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

NETWORK = "network"
"""Name of the feature that is the network's log-odds; it differs from pass to pass."""

_CLIP = 8.0  # log-odds; beyond 1 in 3,000 no part is believed, so that none alone decides


@dataclass(frozen=True)
class Fusion:
    """`intercept` and `weights` by feature, in log-odds towards abnormal.

    Features that a picture does not have count 0: neutral by construction of every feature.
    """

    intercept: float
    weights: Mapping[str, float]

    def passes(self, p: np.ndarray, features: Mapping[str, float]) -> np.ndarray:
        """Return the fused p(abnormal) of each pass, float32 (passes,).

        `p` is the network's p(abnormal) of each pass, (passes,) in 0–1.
        """
        other = self.intercept + sum(
            weight * bounded(features.get(name, 0.0))
            for name, weight in self.weights.items()
            if name != NETWORK
        )
        total = other + self.weights.get(NETWORK, 0.0) * log_odds(p)
        return expit(total).astype(np.float32)

    def contributions(self, p: np.ndarray, features: Mapping[str, float]) -> dict[str, float]:
        """Return each part's change of the log-odds towards abnormal, the network's on average."""
        known = {NETWORK: float(log_odds(p).mean())} | {
            name: bounded(value) for name, value in features.items() if name in self.weights
        }
        return {
            name: weight * known[name] for name, weight in self.weights.items() if name in known
        }


def log_odds(p: np.ndarray | float) -> np.ndarray:
    """Return log(p / (1 - p)), within ±8."""
    p = np.clip(np.asarray(p, np.float64), 1e-6, 1 - 1e-6)
    return np.clip(np.log(p) - np.log1p(-p), -_CLIP, _CLIP)


def bounded(value: float) -> float:
    """Return a feature within ±8, the range in which the coefficients were fitted."""
    return float(np.clip(value, -_CLIP, _CLIP))
