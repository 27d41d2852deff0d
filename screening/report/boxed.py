"""A karyogram in full size with a box and a name for each chromosome found, and lines of text."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from screening.classes import NOT_A_CHROMOSOME
from screening.karyogram.text import letters
from screening.record import Chromosome, Reading
from screening.report.overlay import change_of
from screening.report.relay import stamp

LONGEST = 2000
"""Pixels of the karyogram's longer side; a larger one is shrunk."""
NARROWEST = 640
"""Pixels of the picture's width, so that the lines of text find room beside a small karyogram."""
_MARGIN = 16
_INK, _CALM, _AMBER, _RED = (20, 24, 32), (60, 110, 180), (178, 106, 0), (198, 32, 32)


def boxed(
    grey: np.ndarray,
    reading: Reading | None,
    above: Sequence[str],
    below: Sequence[str],
    only_found: bool = False,
) -> np.ndarray:
    """Return uint8 (h, w, 3) RGB: the picture `grey` uint8 (h, w) as it was read, lines of text
    above and below it.

    Boxes are red for what the cell has too many or too few of, amber for what is doubtful or
    misplaced. With `only_found` all but the boxes is white: no name that is printed on the page is
    seen, nor is a chromosome that was not found.
    """
    found = reading.chromosomes if reading is not None else ()
    changes = reading.gains_and_losses if reading is not None else ()
    if only_found:
        grey = _only(grey, found)
    scale = min(1.0, LONGEST / max(grey.shape))
    if scale < 1:
        size = [max(1, round(side * scale)) for side in grey.shape[::-1]]
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    width = max(grey.shape[1], NARROWEST)
    height = max(12, width // 90)  # of the letters
    top, bottom = (_lines(lines, height, width) for lines in (above, below))
    page = np.full((len(top) + grey.shape[0] + len(bottom), width, 3), 255, np.uint8)
    page[: len(top)], page[len(page) - len(bottom) :] = top, bottom
    left = (width - grey.shape[1]) // 2
    page[len(top) : len(top) + grey.shape[0], left : left + grey.shape[1]] = grey[..., None]
    for one in found:
        if one.seen is not None:
            x, y, w, h = (round(side * scale) for side in one.seen.box)
            box = x + left, y + len(top), w, h
            _draw(page, one, box, _colour(one, changes), height * 3 // 4)
    return page


def has_boxes(reading: Reading | None) -> bool:
    """Return whether a reading knows where its chromosomes stand: older records do not."""
    return reading is not None and any(one.seen is not None for one in reading.chromosomes)


def _only(grey: np.ndarray, found: Sequence[Chromosome]) -> np.ndarray:
    bare = np.full_like(grey, 255)
    for one in found:
        if one.seen is not None and one.name != NOT_A_CHROMOSOME:
            x, y, w, h = one.seen.box
            part = slice(max(y, 0), y + h), slice(max(x, 0), x + w)
            bare[part] = grey[part]
    return bare


def _colour(one: Chromosome, changes: Sequence[str]) -> tuple[int, int, int]:
    if change_of(one, changes):
        return _RED
    return _AMBER if one.doubtful or one.misplaced else _CALM


def _draw(
    page: np.ndarray,
    one: Chromosome,
    box: tuple[int, int, int, int],
    colour: tuple[int, int, int],
    height: int,
) -> None:
    """A box two pixels outside the chromosome, its name above."""
    x, y, w, h = box
    cv2.rectangle(page, (x - 2, y - 2), (x + w + 1, y + h + 1), colour)
    unnamed = one.name == NOT_A_CHROMOSOME
    ink = letters(one.name + "?" * (one.doubtful and not unnamed), "sans-bold", height)
    stamp(page, ink, x + (w - ink.shape[1]) // 2, y - 5 - ink.shape[0], colour)


def _lines(texts: Sequence[str], height: int, width: int) -> np.ndarray:
    """The texts under each other, broken between words where they are too wide, and room for the
    names of a page's first row."""
    rows = [row for text in texts for row in _broken(text, height, width - 2 * _MARGIN)]
    step = round(1.7 * height)
    block = np.full((2 * _MARGIN + step * (len(rows) + 1), width, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        stamp(block, letters(row, "sans", height), _MARGIN, _MARGIN + i * step, _INK)
    return block


def _broken(text: str, height: int, width: int) -> list[str]:
    rows: list[str] = []
    for word in text.split():
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and letters(longer, "sans", height).shape[1] > width:
            rows.append(word)
        else:
            rows[-1:] = [longer]
    return rows
