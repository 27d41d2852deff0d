"""From the classifier's probabilities to likelihoods that survive a classifier that is wrong.

A network says 0.999 and is wrong more often than once in a thousand, most of all on a laboratory
it never saw. So its answer is blurred by a confusion kernel (mostly within the Denver group, among
chromosomes of like length) before anything is multiplied, and every likelihood has a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from screening.classes import CHROMOSOMES, DENVER_GROUPS, NOT_A_CHROMOSOME_INDEX, RELATIVE_LENGTH
from screening.reading_settings import Confusion, Rates


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Of each object, against an average chromosome: `classes` (…, n, 24) that it is one chromosome
    of the class, `other` (…, n) that it is none, `marker` (…, n) that it is one that fits no class,
    all before it is known where it stands; a leading axis for the passes, if any."""

    classes: np.ndarray
    other: np.ndarray
    marker: np.ndarray


def likelihood(p: np.ndarray, rates: Rates) -> Likelihood:
    """Return the likelihoods for class probabilities p (…, n, 25), the last "not one chromosome".

    ValueError for another shape or values that are no probabilities.
    """
    p = np.asarray(p, np.float64)
    if (
        p.ndim < 2
        or p.shape[-1] != NOT_A_CHROMOSOME_INDEX + 1
        or not np.isfinite(p).all()
        or (p < 0).any()
    ):
        raise ValueError(
            f"expected class probabilities (…, n, {NOT_A_CHROMOSOME_INDEX + 1}) of 0 or more, "
            f"received {p.shape}"
        )
    p = p / np.maximum(p.sum(-1, keepdims=True), 1e-9)
    kernel = (1 - rates.misread) * np.eye(NOT_A_CHROMOSOME_INDEX) + rates.misread * confusion(
        rates.confusion
    )
    one = (
        p[..., :NOT_A_CHROMOSOME_INDEX] @ kernel * NOT_A_CHROMOSOME_INDEX / (1 - rates.reject_share)
    )
    none = p[..., NOT_A_CHROMOSOME_INDEX] / rates.reject_share
    single = p[..., :NOT_A_CHROMOSOME_INDEX].sum(-1) / (1 - rates.reject_share)
    other = (1 - rates.lookalike) * none + rates.lookalike * single
    return Likelihood(
        classes=(1 - rates.unreadable) * one + rates.unreadable * none[..., None],
        other=other,
        # Nothing is known of what a marker looks like: partly like nothing, partly like anything.
        marker=rates.marker_unlike * none + (1 - rates.marker_unlike) * single,
    )


@lru_cache(maxsize=8)
def confusion(errors: Confusion) -> np.ndarray:
    """Return P(true class | taken for the class of the row, wrongly), (24, 24) with rows of sum 1.

    Most go to chromosomes of like length, the own Denver group first; the rest anywhere.
    """
    length = np.array([RELATIVE_LENGTH[name] for name in CHROMOSOMES])
    group = {name: letter for letter, names in DENVER_GROUPS.items() for name in names}
    same = np.array([[group[a] == group[b] for b in CHROMOSOMES] for a in CHROMOSOMES])
    near = np.exp(-np.abs(length[:, None] - length[None]) / errors.length)
    near *= np.where(same, errors.same_group, 1.0)
    anywhere = np.ones((NOT_A_CHROMOSOME_INDEX, NOT_A_CHROMOSOME_INDEX))
    for table in (near, anywhere):
        np.fill_diagonal(table, 0.0)
        table /= table.sum(1, keepdims=True)
    return errors.alike * near + (1 - errors.alike) * anywhere


def misplacement(errors: Confusion) -> np.ndarray:
    """Return P(slot | class of the row, in a wrong slot), (24, 24): within the Denver group first.

    The person who arranges errs among the chromosomes that look alike, as a classifier does.
    """
    return confusion(errors)
