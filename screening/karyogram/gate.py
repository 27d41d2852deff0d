"""The gate before the models: is this a karyogram, and where on it stands which chromosome?

Refuses only on clear evidence and says why in plain words; what is merely doubtful becomes a
warning, which reaches the user and can send the picture to a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from screening.images.arrangement import Arrangement, arrangement
from screening.images.page import Page
from screening.images.quality import Quality, assess
from screening.images.writing import karyogram_rows
from screening.karyogram.locate import Located, Locator
from screening.karyogram.locate.label_lines import rows_by_labels, stacked
from screening.page_settings import Gate

_WHOLE_WIDTH = 0.95
"""Of its thickness: a chromosome that meets the upper or lower border with as much is cut off."""
_HALF_WIDTH = 0.65
"""Of twice the depth inside it: a chromosome at the left or right border that is no wider lost its
other half, since the border is not counted for its outline."""

_ROWS = 3
"""A karyogram has as many, or more; where fewer are seen, the labels are asked."""
_STACKED = 5
"""Pairs of one row that stand one above the other, from which it is no row: the labels are asked.
Of 240 composed test pages 236 have none, three one or two, and one, with print in its rows, 7."""


@dataclass(frozen=True, eq=False)
class Inspection:
    """The gate's answer, and what was found on the page (None when it was refused before that);
    `page`: without the writing above and below the karyogram, None where there is none: what is
    printed there must reach no model."""

    quality: Quality
    located: Located | None
    page: Page | None = None


def inspect(page: Page, locator: Locator) -> Inspection:
    """Return whether a normalised page is a karyogram, with its chromosomes.

    Refused: what `images.quality.assess` refuses; metaphase spreads; karyograms that lie on their
    side or stand on their head, as far as rows and labels tell. `quality.objects` is the number of
    chromosomes found. A mirrored karyogram passes: only its classes can tell.
    """
    quality = assess(page)
    if not quality.ok:
        return Inspection(quality, None)
    located = locator.locate(page)
    bare = None
    first, last = _rows(page, located)
    if (first, last) != (0, len(page.paper)):
        row = np.arange(len(page.paper))[:, None]
        bare = page.without((row < first) | (row >= last))
        # Anew: the writing had a share in the paper's tone, and in what was taken for print.
        located = locator.locate(bare)
    count = len(located.chromosomes)
    order, limits = _arrangement(located), locator.gate
    reason = _not_one_cell(count, limits)
    if not reason and (order.rows < _ROWS or _stacked(located) >= _STACKED):
        located = _in_labelled_rows(located)
        order = _arrangement(located)
    reason = reason or _not_arranged(order, count)
    if reason:
        return Inspection(Quality(False, reason, count), located, bare)
    warnings = (*quality.warnings, *_doubts(order, count, limits), *_cut_off(page, located))
    return Inspection(replace(quality, objects=count, warnings=warnings), located, bare)


def _rows(page: Page, located: Located) -> tuple[int, int]:
    """Return the rows of pixels (first, last + 1) that hold the karyogram without writing."""
    height = len(page.paper)
    if not located.chromosomes:
        return 0, height
    boxes = np.array([each.box for each in located.chromosomes], np.int64)
    marks = np.array(located.print_boxes, np.int64).reshape(-1, 4)
    top, end = int(boxes[:, 1].min()), int((boxes[:, 1] + boxes[:, 3]).max())
    return karyogram_rows(top, end, marks, 0.35 * located.chromosome_width, height)


def _stacked(located: Located) -> int:
    boxes = np.array([each.box for each in located.chromosomes], np.int64)
    return stacked(boxes, np.array([each.row for each in located.chromosomes]))


def _in_labelled_rows(located: Located) -> Located:
    """Return the page in the rows that its labels tell, as it is where they tell none."""
    boxes = np.array([each.box for each in located.chromosomes], np.int64)
    marks = np.array(located.print_boxes, np.int64).reshape(-1, 4)
    row = rows_by_labels(boxes, marks, located.chromosome_width)
    known = [each.row for each in located.chromosomes]
    return located if row is None or row.tolist() == known else located.in_rows(row)


def _arrangement(located: Located) -> Arrangement:
    found = located.chromosomes
    boxes = np.array([each.box for each in found], np.int64).reshape(-1, 4)
    along = np.array([each.axis[-1] - each.axis[0] for each in found]).reshape(-1, 2)
    angle = np.degrees(np.arctan2(along[:, 0], np.maximum(along[:, 1], 1e-6)))
    elongation = np.array([each.length / max(each.width, 1.0) for each in found])
    other = np.array(located.print_boxes, np.int64).reshape(-1, 4)
    rule = np.maximum(other[:, 2], other[:, 3]) > 8 * np.minimum(other[:, 2], other[:, 3])
    row = np.array([each.row for each in found], np.int64)
    return arrangement(boxes, angle, elongation, other[~rule], row)


def _not_one_cell(count: int, limits: Gate) -> str:
    if count > limits.one_cell[1]:
        return f"{count} objects, a cell has about 46 chromosomes: text, noise or several cells?"
    if count < limits.one_cell[0]:
        what = "object looks" if count == 1 else "objects look"
        return f"{count} {what} like chromosomes, a karyogram has about 46: not a whole karyogram"
    return ""


def _not_arranged(order: Arrangement, count: int) -> str:
    """Say why the objects are not arranged as a karyogram."""
    # Touching homologs hide the single axes, stout chromosomes have none, but rows fall in size.
    falls = order.first_over_last
    touching = falls >= 2 and (np.isnan(order.upright) or order.lying >= 0.6)
    stout = falls >= 1.8 and order.lying < 0.3
    if _ordered(order) and (order.upright >= 0.6 or order.labels_below >= 0.7 or touching or stout):
        return ""
    if np.isnan(order.upright):
        return "the objects are round or shapeless, chromosomes are long: not a karyogram?"
    if order.lying >= 0.6 and order.upright <= 0.3:
        return "the chromosomes lie on their side: turn the picture by 90 degrees"
    if order.upright < 0.6:
        return f"{count} objects in all directions and in no rows: a metaphase spread?"
    if order.rows <= 1:
        return f"{count} objects in no rows: a metaphase spread, or part of a karyogram?"
    # Chromosomes 1 to 3 stand in the first row of every layout, the smallest ones in the last.
    unlabelled = np.isnan(order.labels_below)
    limit = 0.5 if unlabelled else 0.8
    if order.first_over_last < limit and (unlabelled or order.labels_below < 0.4):
        return "the smallest chromosomes stand on top: the karyogram is upside down"
    return ""


def _ordered(order: Arrangement) -> bool:
    return order.rows >= _ROWS and order.first_over_last >= 1.5


def _doubts(order: Arrangement, count: int, limits: Gate) -> list[str]:
    """Return sentences about what makes the page hard to judge."""
    doubts = []
    if count < limits.usual[0]:
        doubts.append(f"only {count} chromosomes found: part of a karyogram?")
    if count > limits.usual[1]:
        doubts.append(f"{count} chromosomes found: two cells, or dirt on the page?")
    if order.rows == 2:
        doubts.append("only 2 rows found: part of a karyogram, or rows that touch")
    if order.upright < 0.65 and not _ordered(order):
        doubts.append("many chromosomes are not upright")
    if order.rows >= _ROWS and order.first_over_last < 0.8:
        doubts.append("the last row's chromosomes are longer than the first row's: upside down?")
    return doubts


def _cut_off(page: Page, located: Located) -> tuple[str, ...]:
    """Return what is to be told of chromosomes that the picture's border cuts. Their round ends may
    touch it, so do their sides where a picture has no margins; cut, they meet it with their whole
    width or have lost half of it."""
    height, width = page.paper.shape
    count = 0
    for one in located.chromosomes:
        above, below = one.y <= 0, one.y + one.h >= height
        left, right = one.x <= 0, one.x + one.w >= width
        if not (above or below or left or right):
            continue
        mask = one.mask.astype(np.uint8)
        depth = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 3).max())
        meets = max(above * one.mask[0].sum(), below * one.mask[-1].sum())
        beside = max(left * one.mask[:, 0].sum(), right * one.mask[:, -1].sum())
        count += meets >= _WHOLE_WIDTH * depth or (
            one.w < _HALF_WIDTH * depth and beside > 0.5 * one.h
        )
    if not count:
        return ()
    which = "a chromosome ends" if count == 1 else f"{count} chromosomes end"
    return (f"{which} at the picture's border: cut off?",)
