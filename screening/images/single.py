"""A picture of one chromosome, brought to dark ink on white paper, whatever it was cut from."""

from __future__ import annotations

import numpy as np

from screening.images.ink import crop_to_ink

PAPER = 255
_NOISE = 8  # grey levels by which paper may vary
_RIM = 0.5  # share of the border that paper takes at least; else there is no paper to be seen


def single_chromosome(grey: np.ndarray) -> np.ndarray:
    """Return uint8 (h, w), dark on white 255, cropped to its ink; size 0 when there is none.

    `grey` uint8 (h, w) holds one chromosome, light on dark or dark on light. Paper is what most of
    the picture's border shows; where the border shows ink nearly everywhere, the picture is taken
    to be cropped to a dark chromosome.
    """
    if grey.ndim != 2 or grey.dtype != np.uint8 or grey.size == 0:
        raise ValueError(
            f"expected a grey picture uint8 (h, w), received {grey.dtype} {grey.shape}"
        )
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]]).astype(np.int16)
    paper = int(np.median(border))
    middle = float(np.median(grey))
    even = np.mean(np.abs(border - paper) <= _NOISE) >= _RIM
    if paper < 128 and even and paper <= middle + _NOISE:
        grey, border, paper = 255 - grey, 255 - border, 255 - paper
    if np.mean(np.abs(border - paper) <= _NOISE) < _RIM:
        paper = int(max(np.percentile(grey, 99), 200))
    level = max(paper - _NOISE, 1)
    scaled = np.clip(grey.astype(np.float32) * (PAPER / max(paper, 1)), 0, PAPER)
    page = np.where(grey >= level, PAPER, scaled).astype(np.uint8)
    return crop_to_ink(page, PAPER)
