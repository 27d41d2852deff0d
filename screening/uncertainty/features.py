"""Is a picture unlike anything trained on: its features against those of the training pictures.

By Mahalanobis distance under probabilistic PCA (Tipping & Bishop 1999), or by the distance to the
k-th nearest training picture in the same whitened coordinates (for features in several clusters,
such as laboratories). Told as a conformal p-value: the share of held-out pictures as far or
farther.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

KINDS = ("mahalanobis", "neighbour")
_ARRAYS = ("mean", "axes", "variances", "neighbours")


@dataclass(frozen=True, eq=False)
class FeatureReference:
    """What the features of training pictures look like.

    `mean` (d,), `axes` (k, d) principal axes, `variances` (k,) along them, `noise` the variance in
    each other direction; `neighbours` (n, k + 1) training pictures in those coordinates, their
    distance from the axes last; `held_out`: distances of pictures that fitted none of this, by
    kind of distance, sorted.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    noise: float
    neighbours: np.ndarray
    held_out: Mapping[str, np.ndarray]

    @classmethod
    def fit(
        cls, features: ArrayLike, held_out: ArrayLike, axes: int = 32, kept: int = 512
    ) -> FeatureReference:
        """Return the reference of training `features` (n, d), judged by `held_out` (m, d).

        ValueError for fewer than 20 of either, or another width.
        """
        features, held_out = np.asarray(features, np.float64), np.asarray(held_out, np.float64)
        if features.ndim != 2 or features.shape[1:] != held_out.shape[1:]:
            raise ValueError(
                f"expected two arrays (n, d), received {features.shape}, {held_out.shape}"
            )
        if min(len(features), len(held_out)) < 20:
            raise ValueError(
                f"expected 20 pictures or more, received {len(features)}, {len(held_out)}"
            )
        n, d = features.shape
        k = max(1, min(axes, n // 4, d - 1))
        mean = features.mean(axis=0)
        _, singular, rows = np.linalg.svd(features - mean, full_matrices=False)
        spectrum = singular**2 / (n - 1)
        noise = max(float(spectrum[k:].sum() / (d - k)), 1e-12 * float(spectrum[0]) + 1e-300)
        step = max(1, n // kept)
        bare = cls(mean, rows[:k], spectrum[:k], noise, np.zeros((0, k + 1)), {})
        whole = cls(mean, rows[:k], spectrum[:k], noise, bare._coordinates(features[::step]), {})
        distances = {kind: np.sort(whole.distance(held_out, kind)) for kind in KINDS}
        return cls(mean, rows[:k], spectrum[:k], noise, whole.neighbours, distances)

    def to_npz(self) -> bytes:
        """Return the reference as the bytes of an .npz file (float32)."""
        buffer = io.BytesIO()
        plain = {name: getattr(self, name) for name in _ARRAYS}
        held = {f"held_out_{kind}": values for kind, values in self.held_out.items()}
        arrays = {**plain, "noise": np.array(self.noise), **held}
        np.savez_compressed(buffer, **{k: v.astype(np.float32) for k, v in arrays.items()})
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes) -> FeatureReference:
        """Return what `to_npz` wrote; nothing is unpickled. ValueError for anything else."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                found = {name: file[name].astype(np.float64) for name in file.files}
            held = {kind: found[f"held_out_{kind}"] for kind in KINDS}
            return cls(
                *(found[n] for n in _ARRAYS[:3]), float(found["noise"]), found[_ARRAYS[3]], held
            )
        except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError("expected a feature reference written by this tool") from error

    def distance(self, features: ArrayLike, kind: str = "mahalanobis", k: int = 5) -> np.ndarray:
        """Return the distance of each picture, float64 (n,), of a `kind` in KINDS."""
        at = self._coordinates(np.asarray(features, np.float64))
        if kind == "mahalanobis":
            return np.sqrt((at**2).sum(axis=1))
        if kind != "neighbour":
            raise ValueError(f"expected a distance of {KINDS}, received {kind!r}")
        squared = (at**2).sum(1)[:, None] - 2 * at @ self.neighbours.T + (self.neighbours**2).sum(1)
        nearest = np.partition(squared, min(k, len(self.neighbours)) - 1, axis=1)
        return np.sqrt(np.maximum(nearest[:, min(k, len(self.neighbours)) - 1], 0))

    def likeness(self, features: ArrayLike, kind: str = "mahalanobis") -> np.ndarray:
        """Return the conformal p-value of each picture, 0–1: small for what was never seen."""
        farther = len(self.held_out[kind]) - np.searchsorted(
            self.held_out[kind], self.distance(features, kind), side="left"
        )
        return (1 + farther) / (1 + len(self.held_out[kind]))

    def _coordinates(self, features: np.ndarray) -> np.ndarray:
        """Whitened coordinates along the axes, then the whitened distance from them."""
        centred = features - self.mean
        along = centred @ self.axes.T
        off = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        return np.column_stack([along / np.sqrt(self.variances), np.sqrt(off / self.noise)])
