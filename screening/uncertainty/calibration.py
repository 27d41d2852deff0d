"""From a score to a probability: four scalings of p(abnormal), fitted on calibration cases.

All keep the order of scores (isotonic scaling may tie some), so none changes a ranking. A scaled
score is the probability of abnormal in a population with the calibration set's share of abnormal
cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, logit
from sklearn.isotonic import IsotonicRegression

from screening.metrics import log_loss

_EDGE = 1e-6  # scores are kept off 0 and 1, where log-odds end


@dataclass(frozen=True)
class Identity:
    """The score as it is."""

    def apply(self, scores: ArrayLike) -> np.ndarray:
        """Return the probabilities, float64 (n,), for scores in 0–1."""
        return _checked(scores)


@dataclass(frozen=True)
class Temperature:
    """Log-odds divided by `temperature` (Guo et al. 2017); above 1 makes less sure."""

    temperature: float

    def apply(self, scores: ArrayLike) -> np.ndarray:
        """Return the probabilities, float64 (n,), for scores in 0–1."""
        return expit(_log_odds(scores) / self.temperature)


@dataclass(frozen=True)
class Beta:
    """Log-odds `a` log s - `b` log(1 - s) + `c`, with a, b >= 0 (Kull et al. 2017)."""

    a: float
    b: float
    c: float

    def apply(self, scores: ArrayLike) -> np.ndarray:
        """Return the probabilities, float64 (n,), for scores in 0–1."""
        s = np.clip(_checked(scores), _EDGE, 1 - _EDGE)
        return expit(self.a * np.log(s) - self.b * np.log1p(-s) + self.c)


@dataclass(frozen=True)
class Isotonic:
    """A rising curve through the points (`x`, `y`), straight between them and level outside."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def apply(self, scores: ArrayLike) -> np.ndarray:
        """Return the probabilities, float64 (n,), for scores in 0–1."""
        return np.interp(_checked(scores), self.x, self.y)


Scaling = Identity | Temperature | Beta | Isotonic
KINDS: dict[str, type] = {
    "identity": Identity, "temperature": Temperature, "beta": Beta, "isotonic": Isotonic,
}  # fmt: skip
"""Simplest first."""


@dataclass(frozen=True)
class Choice:
    """The scaling picked, its name, and every kind's cross-validated log loss in nats."""

    kind: str
    scaling: Scaling
    losses: dict[str, float]


def fit(kind: str, scores: ArrayLike, labels: ArrayLike) -> Scaling:
    """Return the scaling of `kind` (see KINDS) with the highest likelihood.

    `labels` (n,) are 0 and 1. ValueError for an unknown kind, or when only one label is there.
    """
    if kind not in KINDS:
        raise ValueError(f"expected a kind of {tuple(KINDS)}, received {kind!r}")
    scores, labels = _checked(scores), np.asarray(labels, np.float64)
    if scores.shape != labels.shape or set(np.unique(labels)) != {0.0, 1.0}:
        raise ValueError("expected scores and labels of both kinds, one of each for each picture")
    return _FITS[kind](scores, labels)


def choose(
    scores: ArrayLike,
    labels: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Choice:
    """Return the scaling with the lowest cross-validated log loss, fitted on everything.

    All pictures of one of `patients` are in the same fold. A simpler kind wins a tie to three
    decimals. ValueError when a fold would leave only one label to fit on.
    """
    scores, labels = _checked(scores), np.asarray(labels, np.float64)
    names = list(range(len(scores))) if patients is None else list(patients)
    unique = list(dict.fromkeys(names))
    order = np.random.default_rng(seed).permutation(len(unique))
    fold_of = {unique[who]: place % folds for place, who in enumerate(order)}
    fold = np.array([fold_of[name] for name in names])
    losses = {}
    for kind in KINDS:
        out = np.empty(len(scores))
        for number in np.unique(fold):
            inside = fold == number
            out[inside] = fit(kind, scores[~inside], labels[~inside]).apply(scores[inside])
        losses[kind] = log_loss(labels, out, _EDGE)
    best = min(KINDS, key=lambda kind: round(losses[kind], 3))
    return Choice(best, fit(best, scores, labels), losses)


def temperature_of(logits: ArrayLike, labels: ArrayLike) -> tuple[float, float, float]:
    """Return the temperature, 0.05–50, of least log loss for logits (n, classes), and the loss
    before and after in nats; `labels` int (n,). Fit it on patients that trained nothing."""
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels, int)

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-log_p[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(50)), method="bounded")
    return float(np.exp(found.x)), loss(0.0), float(found.fun)


def to_json(scaling: Scaling) -> dict[str, object]:
    """Return plain values for JSON: the kind and its numbers."""
    kind = next(name for name, cls in KINDS.items() if isinstance(scaling, cls))
    return {"kind": kind, **json.loads(json.dumps(asdict(scaling)))}


def from_json(values: dict[str, object]) -> Scaling:
    """Return what `to_json` wrote; ValueError for anything else."""
    numbers = dict(values)
    kind = numbers.pop("kind", None)
    try:
        if kind == "isotonic":
            x, y = (tuple(float(v) for v in numbers.pop(key)) for key in "xy")  # type: ignore
            if numbers or len(x) != len(y) or not x or (np.diff(x) < 0).any():
                raise ValueError("points that do not rise")
            return Isotonic(x, y)
        return KINDS[kind](**{key: float(value) for key, value in numbers.items()})  # type: ignore
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"expected a scaling written by this tool, received {values}") from error


def _fit_identity(scores: np.ndarray, labels: np.ndarray) -> Identity:
    return Identity()


def _fit_temperature(scores: np.ndarray, labels: np.ndarray) -> Temperature:
    odds = _log_odds(scores)
    return Temperature(temperature_of(np.stack([np.zeros_like(odds), odds], 1), labels)[0])


def _fit_beta(scores: np.ndarray, labels: np.ndarray) -> Beta:
    s = np.clip(scores, _EDGE, 1 - _EDGE)
    first, second = np.log(s), -np.log1p(-s)

    def loss(abc: np.ndarray) -> tuple[float, np.ndarray]:
        z = abc[0] * first + abc[1] * second + abc[2]
        gap = expit(z) - labels
        return _cross_entropy(z, labels), np.array(
            [np.mean(gap * first), np.mean(gap * second), np.mean(gap)]
        )

    # Bounds keep separable calibration sets from running to infinite slopes.
    bounds = [(0, 20), (0, 20), (-50, 50)]
    found = minimize(loss, np.array([1.0, 1.0, 0.0]), jac=True, bounds=bounds, method="L-BFGS-B")
    return Beta(*(float(v) for v in found.x))


def _fit_isotonic(scores: np.ndarray, labels: np.ndarray) -> Isotonic:
    # Never surer than n cases can be: a level of only normals is not a probability of 0.
    edge = 1 / (len(scores) + 2)
    model = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip")
    model.fit(scores, labels)
    return Isotonic(
        tuple(float(x) for x in model.X_thresholds_), tuple(float(y) for y in model.y_thresholds_)
    )


_FITS: dict[str, Callable[[np.ndarray, np.ndarray], Scaling]] = {
    "identity": _fit_identity,
    "temperature": _fit_temperature,
    "beta": _fit_beta,
    "isotonic": _fit_isotonic,
}


def _checked(scores: ArrayLike) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("expected scores in 0–1 of shape (n,)")
    return scores


def _log_odds(scores: ArrayLike) -> np.ndarray:
    return logit(np.clip(_checked(scores), _EDGE, 1 - _EDGE))


def _cross_entropy(odds: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0, odds) - labels * odds))
