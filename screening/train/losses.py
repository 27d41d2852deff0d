"""Losses of a two-class problem in which one class is rare; one value per picture."""

from __future__ import annotations

import keras
import numpy as np

FOCUS = 2.0
"""Exponent of the focal loss (Lin et al. 2017)."""


def loss_for(imbalance: str, labels: np.ndarray) -> keras.losses.Loss:
    """Return the loss, unreduced: labels (b, 1) and p(abnormal) (b, 1) -> (b,).

    "focal" weighs each class by the share of the other one in `labels` (0/1) and pictures that are
    already right by little; all other kinds are plain cross-entropy.
    """
    if imbalance == "focal":
        return keras.losses.BinaryFocalCrossentropy(
            apply_class_balancing=True,
            alpha=float(1 - np.mean(labels)),
            gamma=FOCUS,
            reduction=None,
        )
    return keras.losses.BinaryCrossentropy(reduction=None)


def example_weights(imbalance: str, labels: np.ndarray) -> np.ndarray:
    """Return float32 (n,): each picture's weight in the loss; the mean is 1.

    With "class_weights" both classes weigh the same in sum; otherwise every picture weighs 1.
    """
    labels = np.asarray(labels).astype(int)
    if imbalance != "class_weights":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels, minlength=2)
    return (len(labels) / (2 * np.maximum(counts, 1)))[labels].astype(np.float32)
