"""Whether a single chromosome, no homolog beside it, is rearranged: how probably, how and where.

The network judges it against what is usual in its class. A rearranged chromosome is often named
wrongly, and a normal one of another laboratory sometimes: it counts as unchanged only as far as
one of its likely classes is both probable and reads as unchanged (scripts/measure_singles.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screening.classes import CHROMOSOMES
from screening.evidence.structure import change_of
from screening.page_settings import StructureReading

LIKELY = 3
"""Classes as which a single chromosome is looked at."""

TOLD = 0.5
"""Probability of a change from which it is told what and where."""

SURE = 0.85
"""Least mean probability of the class that each row shows from which it is told: of 22,000
unchanged chromosomes of validation people, most of them folded, cut, negative, small, unbanded or
R-banded, none is told so. Nearly all changed ones are left untold, too (3 of 1,062 are told); from
0.75 on 15 were told, 9 rightly, and 10 that an edge had cut."""


@dataclass(frozen=True)
class SingleChange:
    """`p`: probability (0–1) that a chromosome is rearranged; `kind`: "del", "dup", "inv", "t" or
    "" when its rows do not tell; `where`: the bands ("q22 to q34"), of "t" the partner's class."""

    p: float
    kind: str = ""
    where: str = ""


def likely_classes(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the LIKELY classes of each picture, int (n, LIKELY), most probable first, and their
    probabilities given that it is a chromosome; `p` (n, 25) as of the classifier."""
    own = p[:, : len(CHROMOSOMES)]
    best = np.argsort(-own, axis=1, kind="stable")[:, :LIKELY]
    return best, np.take_along_axis(own, best, 1) / np.maximum(own.sum(1, keepdims=True), 1e-6)


def p_changed(log_odds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the probability of a change (n,): log-odds of one as each likely class and the
    probabilities of these classes, both (n, LIKELY)."""
    from scipy.special import expit  # slow: not for a first page

    return np.clip(1 - (weights * expit(-log_odds)).sum(1), 0, 1)


def pairs_alone(classes: np.ndarray) -> np.ndarray:
    """Return int (m, 2) in which each place of `classes` (n,) stands once: the reader takes two of
    a class at a time and judges each by itself. The last of an odd number goes with itself."""
    pairs = []
    for index in np.unique(classes):
        own = np.flatnonzero(classes == index).tolist()
        own += own[-1:] * (len(own) % 2)
        pairs += [own[k : k + 2] for k in range(0, len(own), 2)]
    return np.array(pairs, np.int64).reshape(-1, 2)


def single_change(p: float, places: np.ndarray, name: str, how: StructureReading) -> SingleChange:
    """Return what is told of one chromosome of class `name`: log probabilities (rows, 24, parts) of
    its rows with ink."""
    if p < TOLD or _sureness(places) < SURE:
        return SingleChange(p)
    read = change_of(places, name, how)
    return SingleChange(p, read.kind, read.partner if read.kind == "t" else read.bands)


def _sureness(places: np.ndarray) -> float:
    """Mean over the rows of the probability of the class that each shows."""
    return float(np.exp(places).sum(2).max(1).mean()) if len(places) else 0.0
