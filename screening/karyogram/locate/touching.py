"""A piece parted into two that stand side by side: along the lightest way from its top to its foot.

Two small chromosomes that touch look, by shape alone, like one whose chromatids have
opened; the regions of ink are then joined beyond doubt. What the halves look like tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from skimage.graph import route_through_array

from screening.karyogram.locate.found import FoundChromosome

_MIDDLE = (0.25, 0.75)  # of the ink from the left, between which the way goes
_STEP = 0.15  # what a step over ink costs besides the ink (0 to 1): no long detours
_LEAST = 0.2  # of the ink on either side
_LIKE = 8  # chromosomes whose width is the usual one of their length


def side_by_side(
    piece: FoundChromosome, paper: np.ndarray, unit: float
) -> tuple[FoundChromosome, FoundChromosome] | None:
    """Return the left and the right half of a piece, None where there is no way between two.

    `paper`: the page, uint8 (h, w); `unit`: the typical width of a chromosome on it in pixels.
    """
    window = paper[piece.y : piece.y + piece.h, piece.x : piece.x + piece.w]
    share = np.cumsum(piece.mask.sum(0)) / max(piece.area, 1)
    first, last = (int(np.searchsorted(share, part)) for part in _MIDDLE)
    if last - first < 2:
        return None
    ink = np.where(piece.mask, (255 - window.astype(np.float64)) / 255 + _STEP, 0.01)
    # A line above and one below, so that the way begins and ends where it likes.
    cost = np.pad(ink[:, first : last + 1], ((1, 1), (0, 0)), constant_values=0.001)
    middle = (last - first) // 2
    way, _ = route_through_array(cost, (0, middle), (len(cost) - 1, middle))
    border = np.zeros(len(cost), np.int64)
    for y, x in way:
        border[y] = max(border[y], x)
    left = piece.mask & (np.arange(piece.w) <= first + border[1:-1, None])
    halves = [_largest(half) for half in (left, piece.mask & ~left)]
    if min(np.count_nonzero(half) for half in halves) < _LEAST * piece.area:
        return None
    boxes = [cv2.boundingRect(half.astype(np.uint8)) for half in halves]
    one, other = (
        FoundChromosome.of(
            half[y : y + h, x : x + w], piece.x + x, piece.y + y, unit, piece.row, piece.group
        )
        for half, (x, y, w, h) in zip(halves, boxes, strict=True)
    )
    return one, other


def usual_width(others: Sequence[FoundChromosome], length: float) -> float:
    """Return the median width in pixels of those of `others`, one or more, that are about as long
    as `length` pixels: on many pages long chromosomes are wider than short ones."""
    apart = [abs(np.log(max(one.length, 1.0) / max(length, 1.0))) for one in others]
    like = np.argsort(apart, kind="stable")[:_LIKE]
    return float(np.median([others[i].width for i in like]))


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax() if len(stats) > 1 else mask
