"""What a preparation does to its chromosomes: open chromatids, satellites, grain, frayed edges.

Every function takes and returns a chromosome, uint8 (h, w), ink on white 255; canvases may grow.
The looks are those of published clinical karyograms: stout chromosomes with poor bands and visible
chromatids, masks with frayed edges, dark patches where another chromosome lay across.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.synthesis.warp import centre_line


def weaken_bands(image: np.ndarray, factor: float) -> np.ndarray:
    """Return the chromosome with its bands' contrast times `factor`, its mean darkness kept."""
    ink = 255 - image.astype(np.float32)
    body = ink > 10
    if not body.any():
        return image
    mean = float(ink[body].mean())
    inside = np.clip(ink / (0.5 * mean), 0, 1)  # soft edges stay soft
    changed = ink + inside * (factor - 1) * (ink - mean)
    return _picture(np.where(body, changed, ink))


def open_chromatids(
    image: np.ndarray, centromere: float, cleft: float, splay: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the chromosome with its two chromatids visible; itself when it is too bent for that.

    `cleft` 0–1: how light the line between them is. `splay`: how far the arms' ends stand apart,
    in half widths. `centromere`: its position along the length, where both stay together and the
    waist is drawn in.
    """
    line = centre_line(image)
    if line is None:
        return image
    h, w = image.shape
    half = np.float32(max(2.0, 0.5 * float(np.median((image < 245).sum(1)))))
    rows = np.arange(h, dtype=np.float32) / np.float32(h)
    away = rows - np.float32(centromere)
    reach = np.where(away < 0, max(centromere, 0.15), max(1 - centromere, 0.15))
    part = np.clip(np.abs(away) / reach, 0, 1)  # 0 at the centromere, 1 at the ends
    # Stout arms have no room to open as far as slender ones do.
    short, long = rng.uniform(0.1, 1.3, 2) * splay * min(1.0, 0.2 * h / half)
    opening = half * np.where(away < 0, short, long) * part**1.5
    opening += half * 0.9 * min(splay, 0.3) * np.clip((part - 0.85) / 0.15, 0, 1) ** 2  # round tips
    sway = cv2.resize(rng.normal(0, 0.14, (max(3, int(h / half)), 1)).astype(np.float32), (1, h))
    line = line + half * sway[:, 0]  # the chromatids are never quite alike
    waist = 1 - rng.uniform(0.1, 0.35) * np.exp(-((away * h / (0.6 * half)) ** 2))
    pad = int(np.ceil(opening.max())) + 1
    wide = w + 2 * pad
    across = np.arange(wide, dtype=np.float32)[None] - pad - line[:, None]
    inward = (np.abs(across) - opening[:, None]) / waist[:, None]
    map_x = line[:, None] + np.sign(across) * np.maximum(inward, 0)
    map_y = np.broadcast_to(np.arange(h, dtype=np.float32)[:, None], map_x.shape)
    moved = cv2.remap(
        image,
        map_x.astype(np.float32),
        np.ascontiguousarray(map_y),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255,
    )
    wave = cv2.resize(
        rng.normal(0.5, 0.7, (max(3, int(1.3 * h / half)), 1)).astype(np.float32), (1, h)
    )  # the cleft comes and goes along the arms
    depth = cleft * np.clip(wave, 0, 1.3) * np.clip(4 * part[:, None], 0.2, 1)
    line_ink = np.exp(-((np.maximum(inward, 0) / (rng.uniform(0.2, 0.45) * half)) ** 2))
    gone = np.clip(-inward, 0, 1)
    ink = (255 - moved.astype(np.float32)) * (1 - np.clip(depth, 0, 0.9) * line_ink) * (1 - gone)
    return _picture(ink)


def add_satellites(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an acrocentric with pale satellites above its short arm, a light gap between."""
    h, w = image.shape
    top = image[: max(2, h // 8)] < 245
    columns = np.flatnonzero(top.any(0))
    if columns.size < 4:
        return image
    left, right = int(columns[0]), int(columns[-1])
    width = right - left + 1
    radius = width * rng.uniform(0.14, 0.24)
    gap = rng.uniform(0.0, 0.22) * width
    rise = int(np.ceil(2 * radius + gap)) + 2
    canvas = np.full((h + rise, w), 255, np.uint8)
    canvas[rise:] = image
    y, x = np.mgrid[: h + rise, :w].astype(np.float32)
    ink = 255 - canvas.astype(np.float32)
    for side in (0.25, 0.75):
        if rng.random() < 0.2:
            continue
        centre_x = left + side * width + rng.normal(0, 0.06 * width)
        centre_y = rise - gap - radius + rng.normal(0, 0.15 * radius)
        blob = np.clip(radius - np.hypot(x - centre_x, y - centre_y) + 0.5, 0, 1)
        ink = np.maximum(ink, blob * np.float32(rng.uniform(50, 150)))
    return _picture(ink)


def add_crossing(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the chromosome with the dark patch of another one that lay across it."""
    h, w = image.shape
    width = float(np.median((image < 245).sum(1)))
    slope = np.tan(rng.uniform(-0.9, 0.9))
    y, x = np.mgrid[:h, :w].astype(np.float32)
    middle = h * rng.uniform(0.2, 0.8) + slope * (x - w / 2)
    strip = np.clip((0.5 * width * rng.uniform(0.5, 1.1) - np.abs(y - middle)) / 1.5 + 0.5, 0, 1)
    light = image.astype(np.float32) / 255
    grain = cv2.resize(rng.normal(1, 0.25, (4, 3)).astype(np.float32), (w, h))
    # Light passes through both chromosomes.
    return _picture(255 * (1 - light ** (1 + rng.uniform(0.4, 1.2) * strip * grain)))


def fray(
    image: np.ndarray, grain: float, size: float, ragged: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the chromosome with coarse grain and a frayed outline.

    `grain`: standard deviation of its darkness; `size`: of the grains, pixels sigma; `ragged`: how
    far the outline wanders, pixels.
    """
    pad = int(np.ceil(2 * ragged)) + 1
    image = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=255)
    ink = 255 - image.astype(np.float32)
    if grain:
        ink *= 1 + np.float32(grain) * _grains(image.shape, size, rng)
    if ragged:
        body = (image < 245).astype(np.float32)
        soft = cv2.GaussianBlur(body, (0, 0), max(0.5, ragged))
        wander = np.clip(_grains(image.shape, max(0.6, 0.7 * ragged), rng), -2, 2)
        kept = soft > 0.5 + 0.22 * wander
        reach = 2 * int(np.ceil(ragged)) + 1
        beside = cv2.dilate(ink, np.ones((reach, reach), np.uint8))
        ink = np.where(kept, np.maximum(ink, 0.45 * beside), 0)
        ink = cv2.GaussianBlur(ink, (0, 0), 0.45)
    return _picture(ink)


def sharpen(image: np.ndarray, amount: float, sigma: float) -> np.ndarray:
    """Return the chromosome after an unsharp mask, as imaging software applies it."""
    ink = 255 - image.astype(np.float32)
    return _picture(ink + amount * (ink - cv2.GaussianBlur(ink, (0, 0), sigma)))


def _grains(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1."""
    field = np.empty(shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(field, 0, 1)
    if sigma > 0.3:
        field = cv2.GaussianBlur(field, (0, 0), sigma)
    return field / max(1e-6, float(field.std()))


def _picture(ink: np.ndarray) -> np.ndarray:
    return 255 - np.clip(np.rint(ink), 0, 255).astype(np.uint8)
