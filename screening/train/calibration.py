"""Temperature scaling (Guo et al. 2017): one number that makes a network's logits honest."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

LOW, HIGH = 0.2, 5.0


def temperature_of(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the temperature of least log loss for logits (n, classes), with the loss before and
    after; `labels` int (n,). Fit it on patients that trained nothing."""

    def loss(temperature: float) -> float:
        log_p = log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)
        return float(-log_p[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=(LOW, HIGH), method="bounded")
    values = {"temperature": float(found.x), "before": loss(1.0), "after": float(found.fun)}
    return {name: round(value, 4) for name, value in values.items()}
