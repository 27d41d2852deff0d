"""Which epoch of a training is kept, and what is measured to decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from screening.config import ChoiceConfig
from screening.metrics import auroc, log_loss, precision, recall, specificity

THRESHOLD = 0.5
"""Of p(abnormal), for the precision and recall that are recorded."""


def measured(labels: np.ndarray, p: np.ndarray, target: float) -> dict[str, float]:
    """Return loss, auc, accuracy, precision, recall, and `specificity` at the recall `target`.

    `labels` 0/1 and `p` p(abnormal), both (n,). A value that is not defined (precision when nothing
    was called abnormal) is nan.
    """
    called = (p >= THRESHOLD).astype(int)
    return {
        "loss": log_loss(labels, p),
        "auc": auroc(labels, p),
        "accuracy": float(np.mean(called == labels)),
        "precision": precision(labels, called).value,
        "recall": recall(labels, called).value,
        "specificity": specificity(labels, p >= recall_threshold(labels, p, target)).value,
    }


def recall_threshold(labels: np.ndarray, p: np.ndarray, target: float) -> float:
    """Return the highest threshold at which at least the share `target` of the abnormal is found.

    0 when there is no abnormal picture.
    """
    positive = np.sort(p[np.asarray(labels) == 1])[::-1]
    if not len(positive):
        return 0.0
    return float(positive[int(np.ceil(target * len(positive))) - 1])


def rank(row: Mapping[str, float], choice: ChoiceConfig) -> list[float]:
    """Return what epochs are compared by, larger is better; an undefined value is worst.

    "auc": validation AUC, then the lower loss. "loss": the lower loss. "recall-first": specificity
    at the recall that the choice demands, then AUC: missing an abnormal case is the unacceptable
    error (Chu, KTH 2020), so recall is a condition and not a score.
    """
    keys = {
        "auc": (row["val_auc"], -row["val_loss"]),
        "loss": (-row["val_loss"], row["val_auc"]),
        "recall-first": (row["val_specificity"], row["val_auc"]),
    }[choice.by]
    return [-np.inf if np.isnan(key) else float(key) for key in keys]


def in_words(choice: ChoiceConfig) -> str:
    """Return what is compared, for messages."""
    return {
        "auc": "validation AUC",
        "loss": "validation loss",
        "recall-first": f"specificity at a validation recall of {choice.recall:g}",
    }[choice.by]


def better(one: Sequence[float], other: Sequence[float] | None) -> bool:
    """Return whether the rank `one` beats `other` (None: nothing yet)."""
    return other is None or list(one) > list(other)
