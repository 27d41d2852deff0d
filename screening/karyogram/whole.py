"""One chromosome's mask made whole: chromatids joined, satellites tied on, slits closed, a ring
opened, so that an axis can run through the middle of all of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

INK_OF_BODY = 0.16
"""Ink over the chromosome's dark bands above which a pixel belongs to it; less is halo or paper."""

LEAST_INK = 8.0
"""Ink (255 - grey) at and below which nothing is read: paper and its compression noise."""

_BIG_PART = 0.2
"""Share of the largest object at which another is part of the chromosome wherever it lies."""

_SMALL_PART = 0.004
"""Share of the largest object under which another is dust, however near."""

_NEAR = 0.8
"""Gap, in thicknesses of the body, over which a small part (a satellite) still belongs."""

_SLIT = 0.35
"""Widest gap between two chromatids, in thicknesses of the arm: a chromosome bent back on itself
leaves more between its arms, because its inner side is squeezed but not folded."""

_RING = 0.9
"""Diameter, in thicknesses, from which a hole is the middle of a ring, not a gap in a body."""

_WIDE_SLIT, _ALIKE = 1.0, 0.75
"""With grey at hand: gap that may still be a slit, and correlation of the bands on its two sides
from which it is one (chromatids carry the same bands, the arms of a bent chromosome do not)."""


def ink_mask(grey: np.ndarray) -> np.ndarray:
    """Return bool (h, w): the pixels of one chromosome on paper, `grey` uint8 dark on white.

    Relative to its own dark bands, so that a pale preparation is not eaten from its edges. All
    False when the picture is blank.
    """
    ink = 255 - grey
    inside = ink[ink > LEAST_INK]
    if not inside.size:
        return np.zeros(grey.shape, bool)
    return ink > max(LEAST_INK, INK_OF_BODY * float(np.percentile(inside, 92)))


@dataclass(frozen=True, eq=False)
class Body:
    """A mask made whole: `mask` uint8 (h, w) of 0 and 1, one piece without holes; `thick`: diameter
    of the largest circle in it, pixels; `filled`: share (0-1) of it that was gaps and holes;
    `ring`: it had the hole of a ring and was opened."""

    mask: np.ndarray
    thick: float
    filled: float
    ring: bool


def whole(mask: np.ndarray, grey: np.ndarray | None = None, wide: bool = False) -> Body:
    """Return the body of a chromosome's `mask`, uint8 (h, w) of 0 and 1, not empty.

    Every part of the chromosome but dust is in it. `grey` uint8 (h, w) tells slits from bends where
    it is given; `wide` closes wide slits untold. A ring is opened where it is thinnest.
    """
    kept, thick = _parts(mask)
    edge = int(_WIDE_SLIT * thick) + 2
    own = cv2.countNonZero(kept & mask)
    kept = cv2.copyMakeBorder(kept, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    body = _closed(kept, (_WIDE_SLIT if wide else _SLIT) * thick)
    if grey is not None and not wide:
        grey = cv2.copyMakeBorder(grey, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=255)
        closed = _closed(kept, _WIDE_SLIT * thick)
        if _is_slit(closed, body, grey, thick):
            body = closed
    outer, holes = _contours(body)
    ring = False
    if holes:
        body = np.zeros_like(body)
        cv2.drawContours(body, [outer], 0, 1, cv2.FILLED)
        hole = max(holes, key=cv2.contourArea)
        ring = _is_ring(hole, body.shape, _RING * thick)
    if ring:
        body &= _closed(kept, _SLIT * thick)
        body = _opened(body, hole, thick)
    filled = 0.0 if ring else max(0.0, 1 - own / max(cv2.countNonZero(body), 1))
    body = body[edge:-edge, edge:-edge].copy()
    return Body(body, thick if ring else 2 * float(_depth(body).max()), filled, ring)


def _is_ring(hole: np.ndarray, shape: tuple[int, int], least: float) -> bool:
    """Return whether a circle `least` pixels wide fits into the hole."""
    if cv2.contourArea(hole) < 0.5 * least**2:
        return False
    inside = np.zeros(shape, np.uint8)
    cv2.drawContours(inside, [hole], 0, 1, cv2.FILLED)
    return 2 * float(cv2.distanceTransform(inside, cv2.DIST_L2, 3).max()) > least


def _depth(body: np.ndarray) -> np.ndarray:
    """Return float32 (h, w): the way from each pixel of the body to the nearest one outside."""
    around = cv2.copyMakeBorder(body, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return cv2.distanceTransform(around, cv2.DIST_L2, 3)[1:-1, 1:-1]


def _parts(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the largest object with all others that belong to it, in one piece, and its thickness
    before small parts were tied on."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count == 2:
        return mask, 2 * float(_depth(mask).max())
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    largest = int(areas.argmax())
    body = (labels == largest).astype(np.uint8)
    thick = 2 * float(_depth(body).max())
    share = areas / areas[largest]
    big = np.flatnonzero((share >= _BIG_PART) & (np.arange(count) != largest))
    if big.size:
        body = _joined(np.isin(labels, [largest, *big]).astype(np.uint8), thick)
    for part in np.flatnonzero((share < _BIG_PART) & (share >= _SMALL_PART)):
        body = _tied(body, labels == part, _NEAR * thick)
    return body, thick


def _joined(parts: np.ndarray, thick: float) -> np.ndarray:
    """Return large objects as one: chromatids side by side by closing, others by a band between."""
    edge = int(2 * thick) + 2
    padded = cv2.copyMakeBorder(parts, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    gap = 1.0
    while gap < thick:
        closed = _closed(padded, gap)
        if cv2.connectedComponents(closed, connectivity=8)[0] == 2:
            # Once more, or a notch as deep as the gap is left at both ends.
            closed = _closed(padded, min(2 * gap, thick))
            return closed[edge:-edge, edge:-edge].copy()
        gap = 1.5 * gap + 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats(parts, connectivity=8)
    order = 1 + np.argsort(-stats[1:count, cv2.CC_STAT_AREA])
    body = (labels == order[0]).astype(np.uint8)
    for part in order[1:]:
        body = _tied(body, labels == part, np.inf)
    return body


def _tied(body: np.ndarray, part: np.ndarray, reach: float) -> np.ndarray:
    """Return the body with `part`, a band as wide as the part between their nearest points; without
    it when it is farther away than `reach`."""
    ys, xs = np.nonzero(part)
    by, bx = np.nonzero(body)
    near = np.abs(by - ys.mean()) + np.abs(bx - xs.mean())
    at = near.argmin()
    own = ((ys - by[at]) ** 2 + (xs - bx[at]) ** 2).argmin()
    if np.hypot(ys[own] - by[at], xs[own] - bx[at]) > reach + 1:
        return body
    broad = max(1, round(2 * float(_depth(part.astype(np.uint8)).max()) - 1))
    middle = (round(xs.mean()), round(ys.mean()))
    end = (int(bx[at]), int(by[at]))
    return cv2.line(body | part.astype(np.uint8), middle, end, 1, broad)


def _closed(body: np.ndarray, gap: float) -> np.ndarray:
    size = 2 * int(gap / 2 + 0.5) + 1
    if size < 3:
        return body
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.morphologyEx(body, cv2.MORPH_CLOSE, kernel)


def _contours(body: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the outline of the largest object and those of the holes in it."""
    found, tree = cv2.findContours(body, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer = max(
        (i for i in range(len(found)) if tree[0][i][3] < 0), key=lambda i: cv2.contourArea(found[i])
    )
    return found[outer], [found[i] for i in range(len(found)) if tree[0][i][3] == outer]


def _is_slit(wide: np.ndarray, body: np.ndarray, grey: np.ndarray, thick: float) -> bool:
    """Return whether what lies between the bodies is a slit between chromatids: long, along the
    middle of the wide body, and with the same bands on both sides."""
    gap = wide & (1 - body)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(gap, connectivity=4)
    if count < 2:
        return False
    part = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    if stats[part, cv2.CC_STAT_AREA] < 0.5 * thick * thick:
        return False
    ys, xs = np.nonzero(labels == part)
    centre, size, turn = cv2.minAreaRect(np.stack([xs, ys], 1).astype(np.int32))
    if min(size) * 2 > max(size):
        return False
    angle = np.deg2rad(turn if size[0] >= size[1] else turn + 90)
    along, across = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    t = np.linspace(-0.5, 0.5, max(8, round(max(size))))[:, None] * max(size)
    sides = []
    for side in (-1, 1):
        away = side * (min(size) / 2 + thick * np.linspace(0.25, 0.75, 5))
        x = centre[0] + t * along[0] + away * across[0]
        y = centre[1] + t * along[1] + away * across[1]
        tone = cv2.remap(
            grey, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=255,
        )  # fmt: skip
        sides.append(tone.mean(1))
    if min(side.std() for side in sides) < 4:
        return False
    return float(np.corrcoef(*sides)[0, 1]) > _ALIKE


def _opened(body: np.ndarray, hole: np.ndarray, thick: float) -> np.ndarray:
    """Return the ring cut through where the way from its hole to the outside is thinnest."""
    x, y = hole[:, 0].mean(0)
    reach = np.arange(0, max(body.shape), 0.5)
    # From the top, so that a ring of even thickness is opened there.
    turn = np.exp(1j * np.deg2rad(-90 + np.arange(96) * 3.75))
    at = complex(x, y) + turn[:, None] * reach
    rays = cv2.remap(
        body, at.real.astype(np.float32), at.imag.astype(np.float32), cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT, borderValue=0,
    )  # fmt: skip
    thin = rays.sum(1, dtype=np.int64)
    thin = thin + np.roll(thin, 1) + np.roll(thin, -1)  # or pixel noise decides
    # The first of those that are nearly the thinnest.
    end = at[np.flatnonzero(thin <= 1.1 * thin.min())[0], -1]
    start = (round(float(x)), round(float(y)))
    broad = max(2, round(thick / 4))
    return cv2.line(body.copy(), start, (round(end.real), round(end.imag)), 0, broad)


def shrunk(mask: np.ndarray, scale: float) -> np.ndarray:
    """Return the mask at 1 / `scale`, exactly: its last column and row may stand for paper."""
    h, w = (int(np.ceil(side / scale)) for side in mask.shape)
    matrix = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5]])
    soft = cv2.blur(mask * np.uint8(255), (2 * int(scale / 2) + 1,) * 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return (cv2.warpAffine(soft, matrix, (w, h), flags=flags) > 127).astype(np.uint8)
