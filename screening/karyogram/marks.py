"""Marks that were taken for print but may be a small chromosome: toned, thick, and in line.

A marker chromosome is as small as a letter. What tells them apart is tone: print is one tone with
thin strokes, a chromosome is thick and banded. Only marks that stand where chromosomes stand are
looked at, so that captions and labels do not count.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.images.writing import lines_of
from screening.karyogram.locate import Located
from screening.page_settings import Marks

_SENTENCE = 4  # letters: a marker with an arrow and a label beside it are fewer
_LABELS = 3  # others at the same level make a mark one of a row of labels
_ONE_LEVEL = 0.2  # of its height by which feet and heads of labels differ
_APART = 0.2  # of a chromosome's width: nearer to one, in its box, is a piece of it


def toned_marks(
    paper: np.ndarray, located: Located, limits: Marks
) -> list[tuple[int, int, int, int]]:
    """Return the boxes (x, y, w, h) among `located.print_boxes` that may be small chromosomes.

    `paper`: the page that was located, uint8 (h, w).
    """
    bodies = np.zeros(paper.shape, bool)
    for one in located.chromosomes:
        bodies[one.y : one.y + one.h, one.x : one.x + one.w] |= one.mask
    found = []
    written = _written(np.array(located.print_boxes, np.int64).reshape(-1, 4))
    for box, letter in zip(located.print_boxes, written, strict=True):
        if letter:
            continue
        x, y, w, h = box
        sized = (
            min(w, h) >= limits.sides[0] * located.chromosome_width
            and max(w, h) <= limits.sides[1] * located.chromosome_width
        )
        if sized and _in_line(box, located, limits) and not _piece(box, located):
            ink = 255 - paper[y : y + h, x : x + w].astype(np.float32)
            ink[bodies[y : y + h, x : x + w]] = 0
            if _toned(ink, located.chromosome_width, limits):
                found.append(box)
    return found


def _written(boxes: np.ndarray) -> np.ndarray:
    """Return bool (n,): which marks stand in a line of writing, or in a row of labels.

    Labels stand apart, but on one level and are of one height; a marker stands where its row does.
    """
    if not len(boxes):
        return np.zeros(0, bool)
    line, count = lines_of(boxes)
    y, h = boxes[:, 1], boxes[:, 3]
    slack = _ONE_LEVEL * h[:, None]
    level = (abs(y[:, None] - y) <= slack) & (abs((y + h)[:, None] - (y + h)) <= slack)
    return (count[line] >= _SENTENCE) | (level.sum(1) > _LABELS)


def _in_line(box: tuple[int, int, int, int], located: Located, limits: Marks) -> bool:
    x, y, w, h = box
    unit = located.chromosome_width
    return any(
        abs(one.x + one.w / 2 - x - w / 2) < limits.beside * unit
        and one.y < y + h / 2 < one.y + one.h + limits.below * unit
        and abs(one.y + one.h - y - h) < limits.level * unit
        for one in located.chromosomes
    )


def _piece(box: tuple[int, int, int, int], located: Located) -> bool:
    """Return whether a mark is a satellite, or a tip that was cut off: in the box of a chromosome,
    and next to it."""
    x, y, w, h = box
    reach = max(1, round(_APART * located.chromosome_width))
    for one in located.chromosomes:
        left, right = max(x, one.x), min(x + w, one.x + one.w)
        top, bottom = max(y, one.y), min(y + h, one.y + one.h)
        if left < right and top < bottom:
            rows = slice(max(top - reach - one.y, 0), bottom + reach - one.y)
            columns = slice(max(left - reach - one.x, 0), right + reach - one.x)
            if one.mask[rows, columns].any():
                return True
    return False


def _toned(ink: np.ndarray, unit: float, limits: Marks) -> bool:
    darkest = max(float(ink.max()), 1.0)
    mask = np.pad((ink > limits.ink * darkest).astype(np.uint8), 1)
    if np.count_nonzero(mask) < 10:
        return False
    thick = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 3).max()) / unit
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=max(1, round(limits.edge * unit)))
    core = ink[inner[1:-1, 1:-1] > 0]
    between = np.count_nonzero((ink > 0.25 * darkest) & (ink < 0.75 * darkest))
    return bool(
        thick > limits.thick
        and core.size > 5
        and float(core.std()) > limits.spread * darkest
        and between > limits.between * np.count_nonzero(mask)
    )
