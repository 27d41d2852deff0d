"""What the passes of one image say together: votes, mean, spread and two entropies. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screening.errors import ScreeningError


@dataclass(frozen=True)
class McStatistics:
    """One image's summary of its passes' p(abnormal).

    mean, std: of the passes (std of the population, 0-0.5). abnormal: the majority label, ties
    count as abnormal because a missed abnormal case is the worse error. votes: share of passes
    that voted for that label, 0.5-1. entropy: predictive entropy of the mean in bits, 0-1, all
    uncertainty. mutual_information: the part of it, in bits, that comes from the passes
    disagreeing (BALD, Houlsby 2011). passes: how many there were.
    """

    mean: float
    std: float
    votes: float
    abnormal: bool
    entropy: float
    mutual_information: float
    passes: int


def summarise(p: np.ndarray, threshold: float = 0.5) -> list[McStatistics]:
    """Return one McStatistics per row of `p`, (images, passes) in 0-1.

    A pass votes abnormal at p >= threshold. ScreeningError: another shape, no passes, or values
    that are not probabilities.
    """
    p = np.asarray(p, np.float64)
    if p.ndim != 2 or p.shape[1] == 0:
        raise ScreeningError(f"expected p of shape (images, passes), received {p.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ScreeningError(
            "expected probabilities between 0 and 1; received others, NaN perhaps: check the model"
        )
    mean, std = p.mean(axis=1), p.std(axis=1)
    share = (p >= threshold).mean(axis=1)
    entropy = binary_entropy(mean)
    # Never below 0 in exact arithmetic (Jensen); rounding may leave -1e-17.
    information = np.maximum(entropy - binary_entropy(p).mean(axis=1), 0)
    return [
        McStatistics(
            mean=float(mean[i]),
            std=float(std[i]),
            votes=float(max(share[i], 1 - share[i])),
            abnormal=bool(share[i] >= 0.5),
            entropy=float(entropy[i]),
            mutual_information=float(information[i]),
            passes=p.shape[1],
        )
        for i in range(len(p))
    ]


def binary_entropy(p: np.ndarray) -> np.ndarray:
    """Return the entropy in bits of a label, abnormal with probability `p`; 0 at p = 0 and 1."""
    p = np.asarray(p, np.float64)
    q = 1 - p
    logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
    log_q = np.log2(q, out=np.zeros_like(q), where=q > 0)
    return -(p * logs + q * log_q)
