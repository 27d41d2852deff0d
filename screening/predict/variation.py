"""Test-time variation: the same picture a little brighter, flatter, noisier, softer; never moved.

Order and place carry meaning in a karyogram, so only grey values change, and by less than two scans
of one slide differ. An answer that hangs on such a change is not sure (Ayhan & Berens 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

CONTRAST = 0.12
"""Largest change of the ink's darkness, as a share."""
GAMMA = 0.15
"""Largest change of the ink's exponent: bands harder or flatter."""
NOISE = 4.0
"""Largest standard deviation of noise on the ink, in grey levels."""
BLUR = 0.7
"""Largest standard deviation of the blur, in px."""


@dataclass(frozen=True)
class Varied:
    """One answer over all variants: `p` is p(abnormal) of each pass of each, (variants × passes,);
    `warnings` those of the plain picture."""

    p: np.ndarray
    warnings: tuple[str, ...] = ()


class Scored(Protocol):
    """A scorer's answer for one picture."""

    @property
    def p(self) -> np.ndarray: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...


class Scorer(Protocol):
    """Anything that scores pictures, see `worklist.pipeline.Scorer`."""

    @property
    def passes(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def device(self) -> str: ...

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> Sequence[Scored]: ...


def variants(image: np.ndarray, count: int, key: int, seed: int = 0) -> np.ndarray:
    """Return uint8 (count, h, w): `image` itself, then variants; alike for the same numbers.

    `image` is uint8 (h, w), dark on white; `key` >= 0 the picture's number, see
    `worklist.pipeline.key_of`. White paper stays white. ValueError for a count below 1.
    """
    if count < 1 or image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"expected uint8 (h, w) and a count of 1 or more, received {image.shape}")
    ink = (255 - image.astype(np.float32)) / 255
    made = [image]
    for number in range(1, count):
        rng = np.random.default_rng((seed, key, number))
        changed = ink ** (1 + rng.uniform(-GAMMA, GAMMA)) * (1 + rng.uniform(-CONTRAST, CONTRAST))
        blur = rng.uniform(0, BLUR)
        if blur > 0.2:
            changed = cv2.GaussianBlur(changed, (0, 0), blur)
        noise = rng.standard_normal(image.shape, np.float32) * (rng.uniform(0, NOISE) / 255)
        changed = np.where(changed > 0.02, changed + noise, changed)
        made.append(np.clip(255 - 255 * changed, 0, 255).round().astype(np.uint8))
    return np.stack(made)


class VariedScorer:
    """A scorer whose answer joins the passes of `count` variants of each picture.

    It takes the place of `scorer`: more columns of p, otherwise the same.
    """

    def __init__(self, scorer: Scorer, count: int = 8, seed: int = 0) -> None:
        self.scorer, self.count, self.seed = scorer, count, seed

    @property
    def passes(self) -> int:
        """Return the columns of p."""
        return self.scorer.passes * self.count

    @property
    def size(self) -> int:
        return self.scorer.size

    @property
    def device(self) -> str:
        return self.scorer.device

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[Varied]:
        """Return one answer for each of `images`, uint8 (size, size)."""
        pairs = list(zip(images, keys, strict=True))
        # All at once: the network fills up its last batch with blank paper, which costs as much.
        answers = self.scorer.score(
            [each for image, key in pairs for each in variants(image, self.count, key, self.seed)],
            [key for key in keys for _ in range(self.count)],
        )
        groups = (answers[i : i + self.count] for i in range(0, len(answers), self.count))
        return [Varied(np.concatenate([a.p for a in group]), group[0].warnings) for group in groups]
