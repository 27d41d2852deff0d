"""Chromosomes drawn from the band table, for demonstrations and tests without real data.

A grey profile from the stain intensities, blurred to what a light microscope resolves, is spread
over an outline with constricted centromere, round telomeres and, on acrocentrics, stalks and
satellites; then bent, roughened and softened. Good for looking at and for testing; a model that
is trained on them has seen no chromosome.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from screening.bands import STAIN, band_table
from screening.classes import AUTOSOMES, CHROMOSOMES, RELATIVE_LENGTH
from screening.errors import ScreeningError
from screening.synthesis.metaphase import Chromosome, Metaphase
from screening.synthesis.warp import warp

_OVERSAMPLING = 2.0


@dataclass(frozen=True)
class Preparation:
    """What the chromosomes of one metaphase have in common.

    `chr1`: length of chromosome 1 in pixels; `width`: of a chromatid pair, as a fraction of that;
    `resolution`: smallest visible band in megabases (sigma); `light`, `dark`: darkness of the
    lightest and darkest bands, 0–1; `split`: visibility of the two chromatids; `bend`, `blur`.
    """

    chr1: float
    width: float
    resolution: float
    light: float
    dark: float
    split: float
    bend: float
    blur: float


def random_preparation(rng: np.random.Generator) -> Preparation:
    """Return the preparation of one metaphase, between 400 and 550 bands."""
    return Preparation(
        chr1=rng.uniform(115, 165),
        width=rng.uniform(0.105, 0.15),
        resolution=rng.uniform(1.7, 3.0),
        light=rng.uniform(0.24, 0.38),
        dark=rng.uniform(0.82, 1.0),
        split=rng.uniform(0.15, 0.6),
        bend=rng.uniform(0.015, 0.06),
        blur=rng.uniform(0.55, 0.9),
    )


def draw_cell(
    rng: np.random.Generator, sex: str = "XX", case: str = "drawn", cell: str = "1"
) -> Metaphase:
    """Return a complete normal cell of 46 drawn chromosomes, `sex` "XX" or "XY".

    The same state of `rng` gives the same pixels. ScreeningError for another `sex`.
    """
    if sex not in ("XX", "XY"):
        raise ScreeningError(f"expected the sex chromosomes XX or XY, received {sex!r}")
    preparation = random_preparation(rng)
    names = [name for name in AUTOSOMES for _ in range(2)] + list(sex)
    chromosomes = tuple(
        Chromosome(
            draw_chromosome(name, preparation, rng), name, f"drawn/{case}/{cell}/{index}-{name}"
        )
        for index, name in enumerate(names)
    )
    return Metaphase(chromosomes, "drawn", case, cell)


def draw_chromosome(name: str, preparation: Preparation, rng: np.random.Generator) -> np.ndarray:
    """Return one drawn chromosome, uint8 (h, w), dark on white 255, short arm up, cropped."""
    if name not in CHROMOSOMES:
        raise ScreeningError(f"expected a chromosome 1…22, X or Y, received {name!r}")
    p = preparation
    length = p.chr1 * RELATIVE_LENGTH[name] / RELATIVE_LENGTH["1"] * _OVERSAMPLING
    length *= rng.normal(1, 0.02)
    width = p.chr1 * p.width * _OVERSAMPLING * np.clip(rng.normal(1, 0.05), 0.85, 1.15)
    rows, columns = int(np.ceil(length)) + 8, int(np.ceil(width * 1.3)) + 8
    y = (np.arange(rows, dtype=np.float32) - 4) / np.float32(length)
    x = (np.arange(columns, dtype=np.float32) - np.float32((columns - 1) / 2))[None]
    half = _outline(name, y, length, width, rng)[:, None]
    across = x / np.maximum(half, 1)
    # The two chromatids are not quite in step, and bands sag a little towards the edges.
    step = rng.normal(0, 0.006) * np.tanh(4 * across) + rng.normal(0, 0.004) * across**2
    profile = _profile(name, p, rng)
    position = np.clip(y[:, None] + step, 0, 1) * np.float32(len(profile) - 1)
    stain = profile[np.rint(position).astype(np.int32)]
    ink = p.light + (p.dark - p.light) * stain
    ink *= 1 - 0.35 * np.clip(np.abs(across), 0, 1) ** 4
    # Each chromatid has taken the stain a little differently, band by band.
    grid = rng.normal(1, 0.2, (max(4, rows // 14), 2)).astype(np.float32)
    ink *= cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_LINEAR)
    cleft = p.split * np.clip(_wave(rng, rows, 7, 0.8, 0.5), 0, 1.5)[:, None]
    ink *= 1 - np.clip(cleft, 0, 0.6) * np.exp(-((across / 0.22) ** 2))
    grid = rng.normal(1, 0.14, (max(3, rows // 6), max(3, columns // 6))).astype(np.float32)
    ink *= cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_CUBIC)
    ink *= np.float32(np.clip(rng.normal(1, 0.05), 0.85, 1.15))
    ink *= np.clip((half - np.abs(x)) / 2 + 0.5, 0, 1)
    ink = cv2.GaussianBlur(ink, (0, 0), p.blur * _OVERSAMPLING)
    picture = 255 - np.rint(255 * np.clip(ink, 0, 0.97)).astype(np.uint8)
    strong = 3.0 if rng.random() < 0.12 else 1.0
    return np.ascontiguousarray(
        warp(
            picture,
            1 / _OVERSAMPLING,
            bend=rng.normal(0, p.bend * strong),
            waves=rng.normal(0, (0.5 * p.bend, 0.008), (5, 2)),
            angle=rng.normal(0, 2),
        )
    )


def _profile(name: str, p: Preparation, rng: np.random.Generator) -> np.ndarray:
    """Darkness 0–1 along the axis, 512 samples, at the preparation's resolution."""
    bands = band_table()[name]
    samples = np.linspace(0, 1, 512)
    levels = np.array([STAIN[stain] * rng.normal(1, 0.1) for stain in bands.stains])
    which = np.clip(np.searchsorted(bands.edges, samples, side="right") - 1, 0, len(levels) - 1)
    sigma = max(1.0, p.resolution / bands.megabases * len(samples))
    line = levels[which].astype(np.float32)[:, None]
    smooth = cv2.GaussianBlur(
        line, (1, 0), sigmaX=0.1, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE
    )
    # Blurring flattens; the eye (and the trypsin) restore contrast.
    return np.clip(0.5 + 1.6 * (smooth[:, 0] - 0.42), 0, 1)


def _outline(
    name: str, y: np.ndarray, length: float, width: float, rng: np.random.Generator
) -> np.ndarray:
    """Half the width at every row, pixels; 0 outside the chromosome."""
    bands = band_table()[name]
    half = 0.5 * width * _wave(rng, len(y), max(4, round(length / width)), 1.0, 0.05)
    reach = 0.4 * width / length
    pinch = rng.uniform(0.25, 0.45) * np.exp(-(((y - bands.centromere) / reach) ** 2))
    half *= 1 - pinch
    stalks = [i for i, stain in enumerate(bands.stains) if stain == "stalk"]
    for i in stalks:
        start, end = bands.edges[i], bands.edges[i + 1]
        neck = np.clip(1 - np.abs(y - (start + end) / 2) / (0.8 * (end - start)), 0, 1)
        half *= 1 - 0.45 * np.minimum(1, 1.5 * neck)
        half[y < end] *= rng.uniform(0.6, 0.85)
    inside = np.minimum(y, 1 - y) * length  # pixels to the nearer end
    cap = 0.3 * width
    ends = np.sqrt(np.clip(1 - (1 - np.clip(inside / cap, 0, 1)) ** 2, 0, 1))
    return (half * ends).astype(np.float32)


def _wave(
    rng: np.random.Generator, count: int, knots: int, mean: float, spread: float
) -> np.ndarray:
    """A smooth random line of `count` values around `mean`."""
    line = rng.normal(mean, spread, (knots, 1)).astype(np.float32)
    return cv2.resize(line, (1, count), interpolation=cv2.INTER_CUBIC)[:, 0]
