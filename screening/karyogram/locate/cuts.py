"""Possible cuts of one piece of ink, each described by numbers that do not depend on resolution."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from screening.karyogram.locate.objects import Piece, tight
from screening.karyogram.locate.seams import Seam, seams

WORK_WIDTH = 11.0
"""Width in pixels of a typical chromosome on the copy in which paths are searched."""
MOST = 4
"""Cuts of one piece that are looked at more closely."""
_LEAST = 0.35  # squared widths: nothing smaller than this is cut off


@dataclass(frozen=True, eq=False)
class Cut:
    """A way to cut a piece in two: `first` left (or above), `second` right (or below).

    `shape`: float (len(SHAPE),), what the arbiter judges by, without the pieces' areas.
    """

    first: Piece
    second: Piece
    shape: np.ndarray


SHAPE = (
    "cost", "touch", "darkness", "cost_of_crest", "narrow", "beside", "whole_width",
    "whole_height", "thickness", "fill", "evenness",
)  # fmt: skip
"""Names of the numbers in `Cut.shape`."""


def cuts_of(piece: Piece, page: np.ndarray, unit: float, stacked: bool = False) -> list[Cut]:
    """Return the distinct cuts of a piece of `page`, at most MOST, the cheapest first.

    `unit`: typical chromosome width in pixels of `page`; `stacked`: cut above from below instead
    of left from right.
    """
    scale = min(2.0, WORK_WIDTH / unit)
    window = page[piece.y : piece.y + piece.h, piece.x : piece.x + piece.w]
    mask, dark = _copy(piece.mask, window, scale)
    if stacked:
        mask, dark = mask.T, dark.T
    width = unit * scale
    found = seams(mask, dark, _LEAST * width**2, MOST)
    if not found:
        return []
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)
    thickness = 2 * float(depth.max()) / width
    fill = _fill_of(mask)
    made = []
    for seam in found:
        shape = _shape(seam, mask, width, thickness, fill)
        side = seam.side.T if stacked else seam.side
        pieces = _pieces(piece, side)
        if pieces is not None:
            made.append(Cut(*pieces, shape))
    return made


def _copy(mask: np.ndarray, window: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (mask bool, darkness float 0–1) at `scale`; 1 is the piece's own dark end."""
    size = (max(3, round(mask.shape[1] * scale)), max(3, round(mask.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    white = np.where(mask, window, np.uint8(255))
    grey = cv2.resize(white, size, interpolation=method)
    small = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=method) > 100
    dark = 255.0 - grey.astype(np.float64)
    end = np.percentile(dark[small], 85) if small.any() else 255.0
    return small, np.clip(dark / max(end, 1.0), 0, 1)


def _fill_of(mask: np.ndarray) -> float:
    """Return the ink's share of its convex hull."""
    points = np.argwhere(mask).astype(np.int32)
    if len(points) < 3:
        return 1.0
    hull = cv2.contourArea(cv2.convexHull(points))
    return float(np.count_nonzero(mask) / max(hull, 1.0))


def _shape(seam: Seam, mask: np.ndarray, width: float, thickness: float, fill: float) -> np.ndarray:
    boxes = []
    for value in (1, 2):
        rows, columns = (
            np.flatnonzero((seam.side == value).any(1)),
            np.flatnonzero((seam.side == value).any(0)),
        )
        boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    a, b = boxes
    ha, hb = a[3] - a[1], b[3] - b[1]
    overlap = (min(a[3], b[3]) - max(a[1], b[1])) / max(1, min(ha, hb))
    narrow = min(a[2] - a[0], b[2] - b[0]) / width
    areas = np.bincount(seam.side.ravel(), minlength=3)[1:]
    return np.array([
        seam.cost / width,
        seam.touch / width,
        seam.cost / max(seam.touch, 1),
        seam.cost / max(seam.crest, 1e-3),
        narrow,
        overlap,
        mask.shape[1] / width,
        mask.shape[0] / width,
        thickness,
        fill,
        areas.min() / areas.max(),
    ])  # fmt: skip


def _pieces(piece: Piece, side: np.ndarray) -> tuple[Piece, Piece] | None:
    """Return the two sides at the page's resolution, None if one of them vanishes there."""
    if side.shape != piece.mask.shape:
        size = (piece.w, piece.h)
        share = [
            cv2.resize((side == v).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
            for v in (1, 2)
        ]
        first = piece.mask & (share[0] >= share[1])
    else:
        first = piece.mask & (side == 1)
    second = piece.mask & ~first
    if not first.any() or not second.any():
        return None
    return tight(first, piece.x, piece.y), tight(second, piece.x, piece.y)
