"""How the classifier is told the relative length of a chromosome."""

from __future__ import annotations

import numpy as np

_LENGTH_CENTRES = np.linspace(np.log(1.2), np.log(10.0), 12)
"""Centres of the bumps that encode a relative length, on a logarithmic scale."""

LENGTH_FEATURES = len(_LENGTH_CENTRES)


def length_features(relative: np.ndarray) -> np.ndarray:
    """Return float32 (n, LENGTH_FEATURES): relative lengths (percent; nan unknown) as soft bumps.

    Neighbouring bumps overlap, so that an error of a few percent changes little. An unknown length
    is all zeros.
    """
    relative = np.asarray(relative, np.float32)
    known = np.isfinite(relative) & (relative > 0)
    logs = np.log(np.clip(np.where(known, relative, 1.0), 0.6, 14.0))
    spacing = _LENGTH_CENTRES[1] - _LENGTH_CENTRES[0]
    bumps = np.exp(-0.5 * ((logs[:, None] - _LENGTH_CENTRES) / spacing) ** 2)
    return np.where(known[:, None], bumps, 0.0).astype(np.float32)
