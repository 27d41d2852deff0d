"""Outlines at the page's resolution of pieces found on the small copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import find_objects

from screening.images.ink import ink_window


@dataclass(frozen=True, eq=False)
class Piece:
    """Ink of one chromosome: `x`, `y` of its tight box on the page and its `mask` bool (h, w)."""

    x: int
    y: int
    mask: np.ndarray

    @property
    def w(self) -> int:
        """Return the width of the box in pixels."""
        return self.mask.shape[1]

    @property
    def h(self) -> int:
        """Return the height of the box in pixels."""
        return self.mask.shape[0]


def tight(mask: np.ndarray, x: int, y: int) -> Piece | None:
    """Return the piece of a mask bool (h, w) whose upper left corner lies at (x, y); None when it
    is empty. Crumbs that hang on nothing are left out."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if number > 2:
        area = stats[1:, cv2.CC_STAT_AREA]
        kept = 1 + np.flatnonzero(area >= 0.04 * area.max())
        mask = np.isin(labels, kept)
    window = ink_window(mask)
    if window is None:
        return None
    rows, columns = window
    return Piece(x + columns.start, y + rows.start, np.ascontiguousarray(mask[rows, columns]))


class Outlines:
    """Brings label maps of the small copy to the page.

    `ink` bool (h, w) of the page; `grown` int32: regions k + 1 on the copy, grown over the pale
    rim around them; `scale`: (x, y) of the copy relative to the page.
    """

    def __init__(self, ink: np.ndarray, grown: np.ndarray, scale: tuple[float, float]) -> None:
        self.ink, self.grown, self.scale = ink, grown, scale
        self._owner = np.zeros(ink.shape, np.int32)

    def pieces(self, part: np.ndarray) -> list[Piece | None]:
        """Return each part's ink, disjoint; `part` int (r,)."""
        best = np.full(self.ink.shape, 0.5, np.float32)
        labels = np.concatenate([[0], part + 1])[self.grown]
        boxes: list[tuple[slice, slice] | None] = find_objects(
            labels, int(part.max(initial=-1)) + 1
        )
        windows: list[tuple[int, int, int, int] | None] = []
        for k, box in enumerate(boxes, start=1):
            if box is None:
                windows.append(None)
                continue
            place, soft = self._soft(labels, k, box)
            windows.append(place)
            x0, y0, x1, y1 = place
            there = best[y0:y1, x0:x1]
            mine = soft > there
            there[mine] = soft[mine]
            self._owner[y0:y1, x0:x1][mine] = k
        self._owner[~self.ink] = 0
        made: list[Piece | None] = []
        for k, window in enumerate(windows, start=1):
            if window is None:
                made.append(None)
                continue
            x0, y0, x1, y1 = window
            made.append(tight(self._owner[y0:y1, x0:x1] == k, x0, y0))
        return made

    def divided(self, whole: Sequence[Piece], parts: Sequence[np.ndarray]) -> list[Piece | None]:
        """Return the ink of some pieces divided anew: `parts` bool (r,) each."""
        x0, y0 = min(p.x for p in whole), min(p.y for p in whole)
        x1, y1 = max(p.x + p.w for p in whole), max(p.y + p.h for p in whole)
        union = np.zeros((y1 - y0, x1 - x0), bool)
        for p in whole:
            union[p.y - y0 : p.y - y0 + p.h, p.x - x0 : p.x - x0 + p.w] |= p.mask
        if len(parts) == 1:
            return [tight(union, x0, y0)]
        sx, sy = self.scale
        left, top = max(0, int(x0 * sx) - 2), max(0, int(y0 * sy) - 2)
        near = self.grown[top : int(y1 * sy) + 3, left : int(x1 * sx) + 3]
        share = []
        for part in parts:
            mask = np.concatenate([[False], part])[near]
            share.append(self._warped(mask, (left, top), (x0, y0, x1, y1)))
        owner = np.stack(share).argmax(0)
        return [tight(union & (owner == k), x0, y0) for k in range(len(parts))]

    def _soft(
        self, labels: np.ndarray, k: int, box: tuple[slice, slice]
    ) -> tuple[tuple[int, int, int, int], np.ndarray]:
        sx, sy = self.scale
        x0, y0, x1, y1 = box[1].start, box[0].start, box[1].stop, box[0].stop
        height, width = self.ink.shape
        window = (
            max(0, int((x0 - 1) / sx)), max(0, int((y0 - 1) / sy)),
            min(width, int((x1 + 1) / sx) + 1), min(height, int((y1 + 1) / sy) + 1),
        )  # fmt: skip
        left, top = max(0, x0 - 2), max(0, y0 - 2)
        near = labels[top : y1 + 2, left : x1 + 2] == k
        return window, self._warped(near, (left, top), window)

    def _warped(
        self, mask: np.ndarray, corner: tuple[int, int], window: tuple[int, int, int, int]
    ) -> np.ndarray:
        """Return the mask at the page's scale, float32 of the window's size."""
        sx, sy = self.scale
        x0, y0, x1, y1 = window
        # From pixel centres of the window to those of the copy's part.
        matrix = np.array([
            [sx, 0, (x0 + 0.5) * sx - 0.5 - corner[0]],
            [0, sy, (y0 + 0.5) * sy - 0.5 - corner[1]],
        ])  # fmt: skip
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(mask.astype(np.float32), matrix, (x1 - x0, y1 - y0), flags=flags)


def grown(labels: np.ndarray, barred: np.ndarray, steps: int = 2) -> np.ndarray:
    """Return the labels int32 (h, w) grown by `steps` pixels into what is 0 and not `barred`."""
    kernel = np.ones((3, 3), np.uint8)
    out = labels.astype(np.float32)
    for _ in range(steps):
        wider = cv2.dilate(out, kernel)
        free = (out == 0) & ~barred
        out[free] = wider[free]
    return out.astype(np.int32)
