"""Another homolog from the picture of one: similar as homologs are, never a copy."""

from __future__ import annotations

import cv2
import numpy as np

from screening.synthesis.metaphase import Chromosome
from screening.synthesis.warp import crop, warp


def resample(
    chromosome: Chromosome,
    rng: np.random.Generator,
    stretch: tuple[float, float] = (1.0, 1.0),
    darkness: float = 1.0,
) -> Chromosome:
    """Return a chromosome that looks like another homolog of the same cell, origin marked "~".

    Bent and elastically warped along its axis, length ±6 %, width ±8 %, possibly mirrored, its
    bands' intensities, contrast, sharpness and edge varied. `stretch` (across, along) and
    `darkness` are factors that bring a chromosome of another cell to this cell's size and stain.
    """
    image = warp(
        chromosome.image,
        stretch=(
            stretch[0] * rng.uniform(0.92, 1.08),
            stretch[1] * rng.uniform(0.94, 1.06),
        ),
        bend=rng.normal(0, 0.03),
        waves=rng.normal(0, (0.012, 0.010), (5, 2)),
        mirror=rng.random() < 0.5,
    )
    ink = (255 - image.astype(np.float32)) / 255
    h, w = ink.shape
    bands = _field(rng, (max(3, h // 12), 1), (h, w), 0.10)
    grain = _field(rng, (max(2, h // 4), max(2, w // 4)), (h, w), 0.05)
    ink = np.clip(ink, 0, 1) ** np.float32(rng.uniform(0.85, 1.2))
    ink *= np.float32(darkness * rng.uniform(0.88, 1.12)) * bands * grain
    sigma = rng.uniform(-0.6, 0.6)
    soft = cv2.GaussianBlur(ink, (0, 0), max(0.3, abs(sigma)))
    # A negative draw sharpens: re-sampling must not always mean softer.
    ink = soft if sigma >= 0 else ink + 0.6 * (ink - soft)
    ink += rng.normal(0, 0.008, ink.shape).astype(np.float32) * (ink > 0.05)
    picture = 255 - np.clip(np.rint(255 * ink), 0, 255).astype(np.uint8)
    picture[image >= 250] = 255
    tag = int(rng.integers(16**6))
    return Chromosome(crop(picture), chromosome.name, f"{chromosome.origin}~{tag:06x}")


def fragment(chromosome: Chromosome, rng: np.random.Generator, length: int) -> Chromosome:
    """Return a marker of about `length` pixels: a warped piece of an arm with rounded ends.

    A stretch of 25–45 % of the donor is cut so that its own bands no longer identify it.
    """
    image = chromosome.image
    h = image.shape[0]
    piece = max(6, round(h * rng.uniform(0.25, 0.45)))
    start = int(rng.integers(0, max(1, h - piece)))
    cut = image[start : start + piece]
    # A folded chromosome is cut twice: keep the larger piece only.
    count, labels, stats, _ = cv2.connectedComponentsWithStats((cut < 245).astype(np.uint8))
    if count > 1:
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        cut = np.where(labels == largest, cut, np.uint8(255))
    cut = crop(cut)
    if rng.random() < 0.5:
        cut = cut[::-1]
    ink = 255 - cut.astype(np.float32)
    rows, columns = ink.shape
    # The cut ends get round telomeres: half an ellipse on each end, soft at its edge.
    cap = max(2.0, min(0.4 * rows, 0.45 * columns))
    y = np.minimum(np.arange(rows), np.arange(rows)[::-1]).astype(np.float32)[:, None]
    x = np.abs(np.linspace(-1, 1, columns, dtype=np.float32))[None]
    half_width = np.sqrt(np.clip(1 - (1 - np.minimum(y / cap, 1)) ** 2, 0, 1)) + 0.1
    ink *= np.clip((half_width - x) * columns / 3 + 0.5, 0, 1)
    rounded = crop(255 - np.rint(ink).astype(np.uint8))
    source = Chromosome(np.ascontiguousarray(rounded), "mar", chromosome.origin)
    return resample(source, rng, stretch=(rng.uniform(0.85, 1.0), length / rounded.shape[0]))


def _field(
    rng: np.random.Generator, knots: tuple[int, int], shape: tuple[int, int], spread: float
) -> np.ndarray:
    """A smooth random factor around 1 for every pixel, from a grid of `knots`."""
    grid = rng.normal(1, spread, knots).astype(np.float32)
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
