"""What stands on the page: the objects that hold chromosomes, and everything else."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from screening.images.foreground import CHROMOSOME, SPECK, components


@dataclass(frozen=True, eq=False)
class Piece:
    """Connected ink: `x`, `y` of its box on the analysed page and its `mask` bool (h, w)."""

    x: int
    y: int
    mask: np.ndarray
    area: int

    @property
    def w(self) -> int:
        return self.mask.shape[1]

    @property
    def h(self) -> int:
        return self.mask.shape[0]


@dataclass(frozen=True, eq=False)
class Objects:
    """`pieces` of ink that hold one chromosome or more; `other` boxes int (n, 4) x, y, w, h of
    what is no chromosome (specks left out); `unit`: typical chromosome width in pixels, 0 without
    any."""

    pieces: list[Piece]
    other: np.ndarray
    unit: float


def objects(page: np.ndarray) -> Objects:
    """Return what stands on a normalised page uint8 (h, w)."""
    found = components(page)
    wanted = np.flatnonzero(found.kind == CHROMOSOME)
    pieces = []
    for index in wanted:
        x, y, w, h = (int(v) for v in found.boxes[index])
        mask = found.labels[y : y + h, x : x + w] == index + 1
        pieces.append(Piece(x, y, mask, int(found.areas[index])))
    other = found.boxes[(found.kind != CHROMOSOME) & (found.kind != SPECK)]
    return Objects(pieces, other, _unit(pieces))


def tight(mask: np.ndarray, x: int, y: int) -> Piece:
    """Return the piece of a mask bool (h, w) whose upper left corner lies at (x, y)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    inner = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    return Piece(x + left, y + top, inner, int(np.count_nonzero(inner)))


def united(pieces: list[Piece]) -> Piece:
    """Return one piece that holds the ink of all."""
    x, y = min(p.x for p in pieces), min(p.y for p in pieces)
    w = max(p.x + p.w for p in pieces) - x
    h = max(p.y + p.h for p in pieces) - y
    mask = np.zeros((h, w), bool)
    for p in pieces:
        mask[p.y - y : p.y - y + p.h, p.x - x : p.x - x + p.w] |= p.mask
    return Piece(x, y, mask, sum(p.area for p in pieces))


def ridge(mask: np.ndarray) -> np.ndarray:
    """Return the half widths (n,) in pixels at the middle line of a mask: local maxima of the
    distance to paper."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    top = depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)) - 1e-3
    return depth[top & (depth > 0)]


def _unit(pieces: list[Piece]) -> float:
    """Return the typical width: the median over the middle lines of all objects."""
    if not pieces:
        return 0.0
    half = np.concatenate([ridge(p.mask) for p in pieces])
    half = half[half >= 0.35 * np.percentile(half, 90)]
    return float(2 * np.median(half))
