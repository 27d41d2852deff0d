"""What the lengths of single chromosomes say of their classes when nobody tells their scale.

Pictures of one microscope lie at one scale, or nearly so: the length of each is that of its class
times a common factor, with a spread of its own from cell to cell. Factor and spread are those that
are most probable given what the bands say of the classes (expectation maximisation, Dempster, Laird
& Rubin 1977). Pictures that were all brought to one size must not speak: lengths count only where
they are far more probable so than as lengths that know no class. One broad scale is enough to name
a class; for structure `karyogram.scales` parts laboratories, once the classes are known.
"""

from __future__ import annotations

import numpy as np

from screening.classes import CHROMOSOMES, RELATIVE_LENGTH

FEWEST = 6
"""Pictures from which on a scale is looked for."""

_CLEAR = 5.0
"""Log odds against lengths that know no class, from which on they speak."""

_ODD, _ANY = 0.02, 1 / 3
"""Share of the pictures with a length that is not its class's (cut, folded, rearranged), and the
density of such a log length: somewhere within a factor of twenty."""

_TRUST = 0.65
"""Exponent of the likelihood: the bands tell a part of the length already, and lengths of one cell
err together."""

_LEAST_SPREAD = 0.05
_ROUNDS, _STILL = 100, 1e-3
_MOST_GROUPS = 3
"""Groups of lengths that know no class: several sizes to which pictures were brought."""

_LOG_LENGTHS = np.log([RELATIVE_LENGTH[name] for name in CHROMOSOMES])


def likelihood_of_lengths(p: np.ndarray, lengths: np.ndarray) -> np.ndarray | None:
    """Return the likelihood (n, 24) of each picture's length as each class, None when the lengths
    say nothing.

    `p` (n, 25): what the bands alone say of the classes; `lengths` (n,): along the axes, pixels of
    the pictures. A length that is not above 0 says nothing of its picture.
    """
    known = np.isfinite(lengths) & (lengths > 0)
    if np.count_nonzero(known) < FEWEST:
        return None
    classes = p[known, : len(CHROMOSOMES)].astype(np.float64)
    classes /= np.maximum(classes.sum(1, keepdims=True), 1e-9)
    log_lengths = np.log(lengths[known].astype(np.float64))
    found, score = _at_one_scale(classes, log_lengths)
    if score - _without_class(log_lengths) < _CLEAR:
        return None
    likelihood = np.ones((len(p), len(CHROMOSOMES)))
    likelihood[known] = found**_TRUST
    return likelihood


def weighed(each: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
    """Return (…, n, 25) probabilities of the classes, weighed with the `likelihood` (n, 24) of the
    lengths; how probable it is that a picture shows no single chromosome stays as it was."""
    own = each[..., : len(CHROMOSOMES)]
    made = np.maximum(own, 1e-9) * likelihood
    made *= own.sum(-1, keepdims=True) / made.sum(-1, keepdims=True)
    return np.concatenate([made, each[..., len(CHROMOSOMES) :]], -1).astype(each.dtype)


def _at_one_scale(classes: np.ndarray, log_lengths: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the likelihood (n, 24) of the lengths at the scale that is most probable, and how
    probable all of them are, as a logarithm with the price of two numbers."""
    off = log_lengths[:, None] - _LOG_LENGTHS
    scale = float(np.median(np.take_along_axis(off, classes.argmax(1)[:, None], 1)))
    spread, score = 0.15, -np.inf
    for _ in range(_ROUNDS):
        usual = (1 - _ODD) * _normal(off - scale, spread)
        likelihood = usual + _ODD * _ANY
        every = (classes * likelihood).sum(1)
        before, score = score, float(np.log(every).sum())
        if score - before < _STILL:
            break
        share = classes * usual / every[:, None]
        scale = float((share * off).sum() / share.sum())
        spread = max(
            _LEAST_SPREAD, float(((share * (off - scale) ** 2).sum() / share.sum()) ** 0.5)
        )
    return likelihood, score - np.log(len(log_lengths))


def _without_class(log_lengths: np.ndarray) -> float:
    """Return how probable the lengths are if none knows its class, as a logarithm with the price of
    what describes their groups (Schwarz 1978)."""
    from sklearn.mixture import GaussianMixture  # slow: not for a first page

    column = np.sort(log_lengths)[:, None]
    most = min(_MOST_GROUPS, max(1, len(np.unique(column)) // FEWEST))
    fitted = (
        GaussianMixture(count, random_state=0, reg_covar=_LEAST_SPREAD**2).fit(column)
        for count in range(1, most + 1)
    )
    return max(-0.5 * float(one.bic(column)) for one in fitted)


def _normal(away: np.ndarray, spread: float) -> np.ndarray:
    return np.exp(-0.5 * (away / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
