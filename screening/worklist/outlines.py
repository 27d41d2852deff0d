"""Where each chromosome of a reading stands, its outline, and what it was seen as: for the record.

A cell can then be drawn, straightened and read anew by a person's classes without the networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from screening.images.page import Page
from screening.record import Chromosome, Seen

if TYPE_CHECKING:
    from screening.karyogram.locate import FoundChromosome
    from screening.predict.chromosomes import Classified

_SLACK = 0.6
"""Pixels by which an outline may miss the ink: corners fall to a third, nothing is seen of it."""


def placed(
    chromosomes: Sequence[Chromosome],
    page: Page,
    found: Sequence[FoundChromosome],
    classified: Classified,
) -> tuple[Chromosome, ...]:
    """Return `chromosomes` with their boxes, outlines and what they were seen as; `found` and
    `classified`: the same chromosomes as cut from `page` and as classified."""
    every = zip(chromosomes, found, classified.p, classified.relative, strict=True)
    return tuple(_placed(one, page, piece, p, relative) for one, piece, p, relative in every)


def mask_of(
    outline: Sequence[tuple[float, float]], box: tuple[float, float, float, float], scale: float = 1
) -> tuple[int, int, np.ndarray]:
    """Return left, top and bool (h, w): what an outline holds, in pixels of the page.

    `box`: the page without its margins, x, y, w, h in pixels, of which an outline's corners are
    fractions; `scale`: pixels made of each. ValueError for an outline of fewer than three corners.
    """
    corners = np.asarray(outline, np.float64).reshape(-1, 2)
    if len(corners) < 3:
        raise ValueError(f"expected an outline of three corners or more, received {len(corners)}")
    at = (corners * (box[2], box[3]) + (box[0], box[1])) * scale
    left, top = np.floor(at.min(0)).astype(int)
    right, bottom = np.ceil(at.max(0)).astype(int)
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [np.round(at - (left, top)).astype(np.int32)], 1)
    return int(left), int(top), mask.astype(bool)


def _placed(
    one: Chromosome, page: Page, piece: FoundChromosome, p: np.ndarray, relative: float
) -> Chromosome:
    x, y, w, h = page.fractions(np.array([piece.box]))[0].tolist()
    seen = Seen(
        classes=tuple(float(f"{each:.3g}") for each in p.tolist()),
        relative=round(float(relative), 3) if np.isfinite(relative) else None,
        box=piece.box,
        row=int(piece.row),
        group=int(piece.group),
        area=piece.area,
    )
    return replace(one, x=x, y=y, w=w, h=h, outline=_outline(page, piece), seen=seen)


def _outline(page: Page, piece: FoundChromosome) -> tuple[tuple[float, float], ...]:
    """The corners around the largest part of a chromosome's ink, as fractions of the page."""
    lines, _ = cv2.findContours(
        piece.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    if not lines:
        return ()
    corners = cv2.approxPolyDP(max(lines, key=cv2.contourArea), _SLACK, closed=True)[:, 0]
    if len(corners) < 3:
        return ()
    points = page.fractions(np.c_[corners + (piece.x, piece.y), np.zeros((len(corners), 2))])[:, :2]
    return tuple((round(x, 5), round(y, 5)) for x, y in points.tolist())
