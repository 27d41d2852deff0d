"""The same chromosomes as another staining shows them: without bands, or with reversed ones."""

from __future__ import annotations

import cv2
import numpy as np

_INK_OF_BODY = 0.16
"""Ink over the dark bands above which a pixel belongs to the chromosome."""


def unbanded(image: np.ndarray, rng: np.random.Generator, left: float = 0.0) -> np.ndarray:
    """Return a chromosome uint8 (h, w), dark on white, in solid Giemsa: one tone, a little patchy.

    `left`: share 0–1 of the bands that remains.
    """
    ink, inside = _parts(image, rim=0.25)
    dark = _tones(ink, inside)[1] * rng.uniform(0.85, 1.0)
    patchy = 1 + sum(_patches(image.shape, size, rng) for size in (0.25, 0.6))
    solid = dark * patchy * inside
    return _picture(np.where(inside > 0, left * ink + (1 - left) * solid, ink))


def reversed_bands(image: np.ndarray) -> np.ndarray:
    """Return a chromosome uint8 (h, w), dark on white, with light bands for dark ones: R bands."""
    ink, inside = _parts(image, rim=0.5)
    light, dark = _tones(ink, inside)
    swapped = np.clip(light + dark - ink, 0.7 * light, dark)
    return _picture(np.where(inside > 0, swapped * inside, ink))


def _patches(shape: tuple[int, int], size: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of 3 % around 0, in patches as large as `size` of the picture's width."""
    h, w = shape
    grid = rng.normal(0, 0.03, [2 + round(side / (size * w)) for side in (h, w)])
    return cv2.resize(grid.astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)


def _parts(image: np.ndarray, rim: float) -> tuple[np.ndarray, np.ndarray]:
    """The ink, float32, and how far inside the chromosome each pixel is: 0 outside, 1 from
    `rim` of its half width (at least 1.5 pixels) inwards."""
    ink = 255 - image.astype(np.float32)
    dark = float(np.percentile(ink[ink > 8], 92)) if (ink > 8).any() else 255.0
    body = (ink > max(8.0, _INK_OF_BODY * dark)).astype(np.uint8)
    body = cv2.morphologyEx(body, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    depth = cv2.distanceTransform(np.pad(body, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    return ink, np.clip(depth / max(1.5, rim * float(depth.max())), 0, 1)


def _tones(ink: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """The ink of the light and of the dark bands."""
    within = ink[inside >= 1]
    light, dark = np.percentile(within, (6, 94)) if within.size else (0.0, 255.0)
    return float(light), float(dark)


def _picture(ink: np.ndarray) -> np.ndarray:
    return 255 - np.rint(np.clip(ink, 0, 255)).astype(np.uint8)
