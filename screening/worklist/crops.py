"""Small pictures of the chromosomes that a person should look at first."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from screening.classes import NOT_A_CHROMOSOME
from screening.images.page import Page
from screening.karyogram.locate import FoundChromosome
from screening.record import Chromosome, Reading
from screening.words import probability

CROP_HEIGHT = 72
"""Tallest crop kept for the page, px."""
_JPEG_QUALITY = 60
_MOST_CROPS = 12
_PLAIN = 9.0


def noteworthy(
    reading: Reading, page: Page, found: Sequence[FoundChromosome]
) -> tuple[tuple[str, bytes], ...]:
    """Return (caption, JPEG) of chromosomes of classes gained or lost, misplaced and doubtful ones,
    in this order; `found`: the chromosomes of the reading as they were cut."""
    changed = {change[1:] for change in reading.gains_and_losses}
    ranked = sorted((_rank(one, changed), i) for i, one in enumerate(reading.chromosomes))
    return tuple(
        (_caption(reading.chromosomes[i]), _jpeg(found[i].crop(page.paper)))
        for rank, i in ranked[:_MOST_CROPS]
        if rank < _PLAIN
    )


def _rank(one: Chromosome, changed: set[str]) -> float:
    if one.name in changed:
        return 0.0
    if one.misplaced:
        return 1.0
    return 2.0 + one.probability if one.doubtful else _PLAIN


def _caption(one: Chromosome) -> str:
    where = f", in position {one.position}" if one.position and one.position != one.name else ""
    name = "not one chromosome" if one.name == NOT_A_CHROMOSOME else one.name
    return f"{name} ({probability(one.probability)}){where}"


def _jpeg(picture: np.ndarray) -> bytes:
    scale = min(1.0, CROP_HEIGHT / picture.shape[0])
    if scale < 1:
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return content.tobytes()
