"""A cell re-laid: its chromosomes, cut out and named by the program, in a karyogram's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from screening.classes import CHROMOSOMES, MARKER, NOT_A_CHROMOSOME
from screening.karyogram.layout import LAYOUTS
from screening.karyogram.text import letters
from screening.report.counts import ClassCount, class_counts
from screening.words import probability

LAYOUT = "clinical"
TALLEST = 200
"""Height of the tallest chromosome in px; all are drawn at one scale."""
_MOST_ENLARGED = 4.0
_MARGIN, _HOMOLOG_GAP, _SLOT_GAP, _ROW_GAP = 36, 10, 30, 26
_LETTERS, _SMALL_LETTERS = 14, 9
_ABOVE, _BELOW = 16, 30  # px, room for the probability over a chromosome, the label under a slot
_INK, _SOFT, _AMBER, _RED = (20, 24, 32), (120, 128, 138), (178, 106, 0), (198, 32, 32)
_CAPTION = "Research use only: cut out, named and arranged by a program"


class NamedCrop(NamedTuple):
    """One chromosome: a class name, "mar" or "?", its probability (0–1), its picture uint8 (h, w)
    dark on white, and whether a person should look at it."""

    name: str
    probability: float
    crop: np.ndarray
    doubtful: bool = False


@dataclass(frozen=True, eq=False)
class Relaid:
    """A re-laid cell: `page` uint8 (h, w, 3) RGB, where each chromosome stands on it, `boxes`
    x, y, w, h in px in the order in which they were given, and where each class has its `slots`."""

    page: np.ndarray
    boxes: tuple[tuple[int, int, int, int], ...]
    slots: Mapping[str, tuple[int, int, int, int]]


@dataclass(frozen=True)
class _Slot:
    """One class in its row: its chromosomes and their places in the order given; `width` px before
    the row is spread over the page."""

    count: ClassCount
    chromosomes: tuple[NamedCrop, ...]
    places: tuple[int, ...]
    width: int


def relay(crops: Sequence[NamedCrop]) -> np.ndarray:
    """Return the page of `relaid`."""
    return relaid(crops).page


def relaid(crops: Sequence[NamedCrop]) -> Relaid:
    """Return the chromosomes class by class, four rows as in a clinic.

    Labels stand under the slots, red with the number found where it is not the expected one;
    doubtful chromosomes have a dashed amber frame and their probability. Markers and what has no
    name follow in a row of their own. Within a slot the order given is kept. No chromosome at all
    gives the empty form. ValueError for an unknown name or something that is no grey picture.
    """
    _check(crops)
    scaled = _scaled(crops)
    counts = class_counts(Counter(each.name for each in scaled))
    unit = int(np.median([each.crop.shape[1] for each in scaled])) if scaled else 30
    rows = [
        [_slot(counts[name], scaled, unit) for block in blocks for name in block]
        for blocks in LAYOUTS[LAYOUT]
    ]
    rest = [
        _slot(counts[name], scaled, unit) for name in (MARKER, NOT_A_CHROMOSOME) if name in counts
    ]
    rows += [rest] if rest else []
    inner = max(sum(s.width for s in row) + _SLOT_GAP * (len(row) - 1) for row in rows)
    heights = [
        max([each.crop.shape[0] for slot in row for each in slot.chromosomes], default=unit)
        for row in rows
    ]
    height = 2 * _MARGIN + sum(h + _ABOVE + _BELOW + _ROW_GAP for h in heights) + _SMALL_LETTERS
    page = np.full((height, inner + 2 * _MARGIN, 3), 255, np.uint8)
    boxes: dict[int, tuple[int, int, int, int]] = {}
    slots: dict[str, tuple[int, int, int, int]] = {}
    top = _MARGIN
    for row, tallest in zip(rows, heights, strict=True):
        baseline = top + _ABOVE + tallest
        free = inner - sum(slot.width for slot in row)
        gap = _SLOT_GAP if row is rest else free / max(1, len(row) - 1)
        x = float(_MARGIN)
        for slot in row:
            boxes |= _draw_slot(page, slot, round(x), baseline)
            slots[slot.count.name] = (round(x), top, slot.width, _ABOVE + tallest + _BELOW)
            x += slot.width + gap
        top = baseline + _BELOW + _ROW_GAP
    _write(page, _CAPTION, _SMALL_LETTERS, _MARGIN, height - _MARGIN, _SOFT)
    return Relaid(page, tuple(boxes[i] for i in range(len(scaled))), slots)


def _check(crops: Sequence[NamedCrop]) -> None:
    for name, _, crop, *_ in crops:
        if name not in (*CHROMOSOMES, MARKER, NOT_A_CHROMOSOME):
            raise ValueError(
                f"expected a chromosome name 1…22, X, Y, {MARKER} or {NOT_A_CHROMOSOME}, "
                f"received {name!r}"
            )
        if crop.ndim != 2 or crop.dtype != np.uint8 or crop.size == 0:
            raise ValueError(f"expected grey uint8 (h, w), received {crop.dtype} {crop.shape}")


def _scaled(crops: Sequence[NamedCrop]) -> list[NamedCrop]:
    """All crops at the one scale that brings the tallest to `TALLEST`."""
    tallest = max((each.crop.shape[0] for each in crops), default=TALLEST)
    scale = min(_MOST_ENLARGED, TALLEST / tallest)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return [
        each._replace(
            crop=each.crop
            if scale == 1
            else cv2.resize(
                each.crop,
                [max(1, round(side * scale)) for side in each.crop.shape[::-1]],
                interpolation=method,
            )
        )
        for each in crops
    ]


def _slot(count: ClassCount, crops: Sequence[NamedCrop], unit: int) -> _Slot:
    places = tuple(i for i, each in enumerate(crops) if each.name == count.name)
    own = tuple(crops[i] for i in places)
    used = sum(each.crop.shape[1] for each in own) + _HOMOLOG_GAP * max(0, len(own) - 1)
    # An empty or half-empty slot keeps its place, so that what is missing is seen.
    nominal = 2 * unit + _HOMOLOG_GAP
    return _Slot(count, own, places, max(used, nominal, _label(count).shape[1]))


def _label(count: ClassCount) -> np.ndarray:
    name = "unnamed" if count.name == NOT_A_CHROMOSOME else count.name
    return letters(f"{name} ({count.found})" if count.differs else name, "sans", _LETTERS)


def _draw_slot(
    page: np.ndarray, slot: _Slot, left: int, baseline: int
) -> dict[int, tuple[int, int, int, int]]:
    """Draw a slot; return the boxes of its chromosomes by their places."""
    colour = _RED if slot.count.differs else _INK if slot.count.found else _SOFT
    used = sum(each.crop.shape[1] for each in slot.chromosomes)
    used += _HOMOLOG_GAP * max(0, len(slot.chromosomes) - 1)
    x = left + (slot.width - used) // 2
    boxes = {}
    for place, each in zip(slot.places, slot.chromosomes, strict=True):
        h, w = each.crop.shape
        boxes[place] = (x, baseline - h, w, h)
        page[baseline - h : baseline, x : x + w] = each.crop[..., None]
        if each.doubtful:
            _frame(page, x - 3, baseline - h - 3, x + w + 2, baseline + 2)
            said = probability(each.probability)
            middle = x + w // 2 - letters(said, "sans", _SMALL_LETTERS).shape[1] // 2
            _write(page, said, _SMALL_LETTERS, middle, baseline - h - 14, _AMBER)
        x += w + _HOMOLOG_GAP
    rule = baseline + 5
    cv2.line(page, (left, rule), (left + slot.width - 1, rule), colour)
    ink = _label(slot.count)
    stamp(page, ink, left + (slot.width - ink.shape[1]) // 2, rule + 6, colour)
    return boxes


def _frame(page: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> None:
    """A dashed frame, 6 px on and 4 px off."""
    for start in range(0, max(x1 - x0, y1 - y0), 10):
        for y in (y0, y1):
            if x0 + start <= x1:
                cv2.line(page, (x0 + start, y), (min(x0 + start + 5, x1), y), _AMBER)
        for x in (x0, x1):
            if y0 + start <= y1:
                cv2.line(page, (x, y0 + start), (x, min(y0 + start + 5, y1)), _AMBER)


def _write(
    page: np.ndarray, text: str, height: int, x: int, y: int, colour: tuple[int, int, int]
) -> None:
    stamp(page, letters(text, "sans", height), x, y, colour)


def stamp(page: np.ndarray, ink: np.ndarray, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Draw black-on-white `ink` in a colour with its upper left corner at (x, y), clipped."""
    top, left = max(0, y), max(0, x)
    window = page[top : y + ink.shape[0], left : x + ink.shape[1]]
    shown = ink[top - y : top - y + window.shape[0], left - x : left - x + window.shape[1]]
    paper = shown[..., None] / 255.0
    window[:] = np.round(window * paper + np.array(colour) * (1 - paper)).astype(np.uint8)
