"""Where a screener looked: which places of its last map speak for abnormal (Grad-CAM).

Selvaraju et al. 2017. The screener's head knows the last map only by its means, so the gradient of
the log-odds is the same at every place: a channel's weight is what a change of its mean does, in
closed form, and no second pass through the base is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

NORM = "hidden_norm"
HEAD = ("hidden", NORM, "p_abnormal")
"""The head of `models.screener` behind the mean of the last map."""


@dataclass(frozen=True, eq=False)
class Attention:
    """The head of a screener: what it multiplies (c, u), adds (u,), keeps of what is above 0, and
    how far each of these moves the log-odds of abnormal (u,)."""

    kernel: np.ndarray
    bias: np.ndarray
    pull: np.ndarray

    @staticmethod
    def of(weights: Mapping[str, Sequence[np.ndarray]], epsilon: float) -> Attention | None:
        """Return the attention of a screener by the `weights` of its layers, in Keras' order, and
        the `epsilon` of its normalisation; None when its head is another than ours."""
        if any(name not in weights for name in HEAD):
            return None
        (kernel, bias), (gamma, _, _, variance), (last, _) = (weights[name] for name in HEAD)
        return Attention(kernel, bias, gamma / np.sqrt(variance + epsilon) * last[:, 0])

    def maps(self, features: np.ndarray) -> np.ndarray:
        """Return uint8 (n, m, m), 255 where the network found most that speaks for abnormal in
        each picture, 0 where nothing does; `features` (n, m, m, c): its last map."""
        active = features.mean((1, 2)) @ self.kernel + self.bias > 0
        return brightest_at(features, (active * self.pull) @ self.kernel.T)


def brightest_at(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return uint8 (n, m, m), 255 where the last map (n, m, m, c), its channels weighed by how much
    each moves the score (n, c), speaks most for it, 0 where it does not."""
    found = np.maximum(np.einsum("nyxc,nc->nyx", features, weights), 0)
    most = np.maximum(found.max((1, 2), keepdims=True), 1e-12)
    return np.round(255 * found / most).astype(np.uint8)
