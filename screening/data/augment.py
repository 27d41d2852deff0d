"""The thesis' augmentation: brightness, noise and blur, and nothing that moves anything.

Order and position carry meaning in a karyogram: flips, rotations and crops of the whole picture
gave good scores and failed on ordinary pictures (Chu, KTH 2020). `build` therefore refuses
transforms that are not pixel-level.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import numpy as np

# Without this, importing albumentations asks a package index for its newest version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A

BRIGHTNESS = 0.25
"""Largest change of brightness, as a share of each grey value."""

NOISY_PIXELS = 0.05
"""Largest share of pixels that noise replaces by black or white."""

Augment = Callable[[np.ndarray, str, int], np.ndarray]


class Brightness(A.ImageOnlyTransform):
    """Multiplies every grey value by one factor in 1 ± `limit`, as the thesis' "±25 %" says.

    albumentations' own brightness adds a share of the largest value instead, which turns dark bands
    grey without touching their contrast to the paper.
    """

    class InitSchema(A.BasicTransform.InitSchema):
        limit: float

    def __init__(self, limit: float, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.limit = limit

    def get_params(self) -> dict[str, float]:
        """Return the factor for one picture."""
        return {"factor": self.py_random.uniform(1 - self.limit, 1 + self.limit)}

    def apply(self, img: np.ndarray, factor: float, **params: object) -> np.ndarray:
        """Return the picture times `factor`, clipped to 0–255."""
        return np.clip(img.astype(np.float32) * factor, 0, 255).round().astype(np.uint8)


def transforms() -> list[A.BasicTransform]:
    """Return fresh transforms in the order they are applied."""
    return [
        Brightness(limit=BRIGHTNESS, p=0.8),
        A.GaussianBlur(blur_limit=(3, 5), sigma_limit=(0.2, 1.2), p=0.4),
        A.SaltAndPepper(amount=(0.0, NOISY_PIXELS), salt_vs_pepper=(0.3, 0.7), p=0.4),
    ]


def build(chosen: list[A.BasicTransform] | None = None) -> A.Compose:
    """Return the composed pipeline; ValueError naming any transform that may move pixels."""
    chosen = transforms() if chosen is None else chosen
    moving = [type(t).__name__ for t in chosen if not isinstance(t, A.ImageOnlyTransform)]
    if moving:
        raise ValueError(
            f"expected transforms that keep every position, received {', '.join(moving)}: "
            "order and position carry meaning in a karyogram"
        )
    return A.Compose(chosen)


def augment(seed: int = 0) -> Augment:
    """Return a function (image uint8 (h, w), item id, epoch) -> augmented uint8 (h, w).

    What happens to a picture depends on (seed, id, epoch) only: not on threads, order or batches.
    The function may be called from several threads.
    """

    def apply(image: np.ndarray, item_id: str, epoch: int) -> np.ndarray:
        # Seeding a pipeline is part of its state, so each call has its own: 0.1 ms.
        pipeline = build()
        key = f"{seed}/{epoch}/{item_id}".encode()
        pipeline.set_random_seed(int.from_bytes(hashlib.sha256(key).digest()[:4], "little"))
        return pipeline(image=image)["image"]

    return apply
