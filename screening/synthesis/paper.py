"""What paper, optics, sensor and file format do to a finished page."""

from __future__ import annotations

import cv2
import numpy as np

from screening.synthesis.style import Style


def develop(page: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Return the page, uint8 (h, w), as a laboratory's file shows it; nothing moves."""
    if style.blur > 0.2:
        page = cv2.GaussianBlur(page, (0, 0), style.blur)
    if style.paper < 255 or style.vignette or style.noise:
        page = _expose(page, style, rng)
    if style.inverted:
        page = 255 - page
    if style.jpeg:
        _, buffer = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, style.jpeg])
        decoded = cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE)
        assert decoded is not None, "just encoded"
        return decoded
    return page


def _expose(page: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    h, w = page.shape
    light = page.astype(np.float32)
    light *= style.paper / 255
    if style.vignette:
        x = np.linspace(-1, 1, w, dtype=np.float32) * np.float32(np.cos(style.tilt))
        y = np.linspace(-1, 1, h, dtype=np.float32) * np.float32(np.sin(style.tilt))
        light *= 1 - np.float32(style.vignette) * (0.5 + 0.35 * (x[None] + y[:, None]))
    if style.noise:
        grain = np.empty((h, w), np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(grain, 0, style.noise * 16)
        light += grain.astype(np.float32) / 16
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)
