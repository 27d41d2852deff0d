"""What surrounds a karyogram on its page: frames, and the bars of a program's window.

Both are straight, reach across the page and hold no chromosome. They are taken away before
anything is measured: a frame has more ink than a row, and lies as near to the rows as labels do.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.images.foreground import INK

_SIDE = 500  # px, longest side of the copy on which they are looked for
_ACROSS = 0.6  # of the page's width or height: no row of chromosomes is ink for so long
_DEEPEST = 0.2  # of the page: bars reach no further in
_BREAK = 0.006  # of the page: pale lines inside a bar
_HOLLOW = 0.3  # of its box: a frame has less ink
_CLEAR = 0.45  # of the thickest ink: what hangs on a frame and is thicker than its lines stays


def surround(paper: np.ndarray) -> np.ndarray | None:
    """Return bool (h, w): frames and window bars on a normalised page, None on one without any.

    Chromosomes that touch a frame are not part of it.
    """
    height, width = paper.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(paper, size, interpolation=cv2.INTER_AREA) if scale < 1 else paper
    ink = (small < INK).astype(np.uint8)
    gone = _bars(ink)
    gone |= _frames(ink & (1 - gone))
    if not gone.any():
        return None
    wide = cv2.dilate(gone, np.ones((3, 3), np.uint8))
    if scale < 1:
        wide = cv2.resize(wide, (width, height), interpolation=cv2.INTER_NEAREST)
    return wide > 0


def _bars(ink: np.ndarray) -> np.ndarray:
    """Return uint8 0/1 (h, w): strips along the page's borders that are ink nearly throughout."""
    gone = np.zeros_like(ink)
    for turn in range(4):
        side = np.rot90(ink, turn)
        full = np.flatnonzero(side[: round(_DEEPEST * len(side))].mean(1) > _ACROSS)
        apart = np.flatnonzero(np.diff(full, prepend=-1) > 1 + round(_BREAK * len(side)))
        end = full[: apart[0]] if len(apart) else full
        if len(end):
            np.rot90(gone, turn)[: end[-1] + 1] = 1
    return gone


def _frames(ink: np.ndarray) -> np.ndarray:
    """Return uint8 0/1 (h, w): lines around the page, without what is thicker than a line."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    gone = np.zeros_like(ink)
    if number < 2:
        return gone
    page_h, page_w = ink.shape
    w, h, area = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, 4]
    around = (w > _ACROSS * page_w) & (h > _ACROSS * page_h) & (area < _HOLLOW * w * h)
    upright = (h > _ACROSS * page_h) & (w < 0.02 * page_w)  # a side that stands alone
    for k in 1 + np.flatnonzero((around | upright)[1:]):
        one = (labels == k).astype(np.uint8)
        depth = cv2.distanceTransform(one, cv2.DIST_L2, 3)
        line = float(np.median(depth[(depth > 0) & (depth >= cv2.dilate(depth, None) - 1e-3)]))
        thick = (depth > max(2 * line + 1, _CLEAR * float(depth.max()))).astype(np.uint8)
        if thick.any():
            reach = 2 * int(np.ceil(depth.max())) + 1
            one &= 1 - cv2.dilate(thick, np.ones((reach, reach), np.uint8))
        gone |= one
    return gone
