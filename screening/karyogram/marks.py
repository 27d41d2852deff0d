"""Marks that were taken for print but may be a small chromosome: toned, thick, and in line.

A marker chromosome is as small as a letter. What tells them apart is tone: print is one tone with
thin strokes, a chromosome is thick and banded. Only marks that stand where chromosomes stand are
looked at, so that captions and labels do not count.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.karyogram.locate import Located

_INK = 0.16
"""Share of the darkest ink from which a pixel belongs to the mark."""
_LOW, _HIGH = 0.4, 3.0
"""Height and width of a mark, in chromosome widths."""
_THICK, _SPREAD, _BETWEEN = 0.4, 0.1, 0.3
"""Thickness in chromosome widths; standard deviation of the tones inside the edge and share of the
pixels between a quarter and three quarters of the darkest. Of 264 normal validation pages 1 % have
such a mark in line with chromosomes."""
_EDGE = 0.08  # of a chromosome's width: blurred by the camera, in print too
_LEVEL = 0.8  # chromosome widths by which feet in one row differ
_BESIDE = 12  # chromosome widths


def toned_marks(paper: np.ndarray, located: Located) -> list[tuple[int, int, int, int]]:
    """Return the boxes (x, y, w, h) among `located.print_boxes` that may be small chromosomes.

    `paper`: the page that was located, uint8 (h, w).
    """
    bodies = np.zeros(paper.shape, bool)
    for one in located.chromosomes:
        bodies[one.y : one.y + one.h, one.x : one.x + one.w] |= one.mask
    found = []
    for box in located.print_boxes:
        x, y, w, h = box
        sized = (
            min(w, h) >= _LOW * located.chromosome_width
            and max(w, h) <= _HIGH * located.chromosome_width
        )
        if sized and _in_line(box, located):
            ink = 255 - paper[y : y + h, x : x + w].astype(np.float32)
            ink[bodies[y : y + h, x : x + w]] = 0
            if _toned(ink, located.chromosome_width):
                found.append(box)
    return found


def _in_line(box: tuple[int, int, int, int], located: Located) -> bool:
    x, y, w, h = box
    unit = located.chromosome_width
    return any(
        abs(one.x + one.w / 2 - x - w / 2) < _BESIDE * unit
        and one.y < y + h / 2 < one.y + one.h + 0.3 * unit
        and abs(one.y + one.h - y - h) < _LEVEL * unit
        for one in located.chromosomes
    )


def _toned(ink: np.ndarray, unit: float) -> bool:
    darkest = max(float(ink.max()), 1.0)
    mask = np.pad((ink > _INK * darkest).astype(np.uint8), 1)
    if np.count_nonzero(mask) < 10:
        return False
    thick = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 3).max()) / unit
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=max(1, round(_EDGE * unit)))
    core = ink[inner[1:-1, 1:-1] > 0]
    between = np.count_nonzero((ink > 0.25 * darkest) & (ink < 0.75 * darkest))
    return bool(
        thick > _THICK
        and core.size > 5
        and float(core.std()) > _SPREAD * darkest
        and between > _BETWEEN * np.count_nonzero(mask)
    )
