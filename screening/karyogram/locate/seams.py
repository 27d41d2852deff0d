"""Where an object could be cut: paths from its top to its bottom that cross as little ink as
possible.

A path runs through paper for nothing, so it follows the gap between two homologs and pays only
where they touch. Rows are passed downwards only, columns in both directions, so that a path may
also turn around an arm that hangs over its neighbour. All paths are found at once by dynamic
programming over the rows, forwards and backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_PAPER_COST = 0.002  # per pixel: of two ways through paper the shorter one
_TOUCH_COST = 0.3  # of one pixel of the palest ink beside 1 of the darkest


@dataclass(frozen=True, eq=False)
class Seam:
    """One way to cut an object in two.

    `side` int8 (h, w): 1 left (or above), 2 right (or below), 0 paper; `cost`: ink on the path,
    dark pixels; `touch`: pixels of ink on the path; `crest`: least ink of a path through the
    better hidden of both sides, in the same unit as `cost`.
    """

    side: np.ndarray
    cost: float
    touch: int
    crest: float


def seams(mask: np.ndarray, dark: np.ndarray, least: float, most: int) -> list[Seam]:
    """Return up to `most` distinct cuts from top to bottom, the cheapest first.

    `mask` bool (h, w) of one object; `dark` float32 (h, w): ink's darkness 0–1; each side keeps at
    least `least` pixels of ink in one piece.
    """
    mask, dark = np.pad(mask, 1), np.pad(dark, 1)
    cost = np.where(mask, _TOUCH_COST + (1 - _TOUCH_COST) * dark, _PAPER_COST)
    prefix = np.cumsum(cost, axis=1)
    down = _fill(cost, prefix)
    up = _fill(cost[::-1], prefix[::-1])[::-1]
    through = down + up - cost
    crest = np.minimum(
        np.maximum.accumulate(through, axis=1),
        np.maximum.accumulate(through[:, ::-1], axis=1)[:, ::-1],
    )
    rise = crest - through
    open_ = rise > np.maximum(0.6, 0.12 * crest)
    found: list[Seam] = []
    areas: list[int] = []
    for _ in range(3 * most):
        value = np.where(open_, through, np.inf)
        at = int(value.argmin())
        if not np.isfinite(value.flat[at]):
            break
        y, x = divmod(at, mask.shape[1])
        left, right = _trace(down, up, cost, prefix, y, x)
        # What the path runs through, and its close surroundings, would give the same cut.
        columns = np.arange(mask.shape[1])
        open_ &= ~((columns >= left[:, None] - 2) & (columns <= right[:, None] + 2))
        side = _sides(mask, left, right)
        area = np.bincount(side.ravel(), minlength=3)
        if min(area[1], area[2]) < least or any(abs(area[1] - a) < 0.03 * least for a in areas):
            continue
        on_path = mask & (columns >= left[:, None]) & (columns <= right[:, None])
        touch = int(np.count_nonzero(on_path))
        areas.append(int(area[1]))
        found.append(Seam(side[1:-1, 1:-1], float(cost[on_path].sum()), touch, float(crest[y, x])))
        if len(found) == most:
            break
    return found


def _fill(cost: np.ndarray, prefix: np.ndarray) -> np.ndarray:
    """Return float (h, w): the least cost of a path from the first row to each pixel."""
    best = np.empty_like(cost)
    best[0] = cost[0]
    for y in range(1, len(cost)):
        above = best[y - 1]
        p, c = prefix[y], cost[y]
        # Enter the row at another column and walk along it: both ends of the walk are paid.
        rightward = np.minimum.accumulate(above - p + c) + p
        leftward = np.minimum.accumulate((above + p)[::-1])[::-1] - p + c
        best[y] = np.minimum(rightward, leftward)
    return best


def _trace(
    down: np.ndarray, up: np.ndarray, cost: np.ndarray, prefix: np.ndarray, y: int, x: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last column (h,) of the best path through (y, x) in each row."""
    height = len(cost)
    left, right = np.empty(height, np.int64), np.empty(height, np.int64)
    left[y] = right[y] = here = x
    for row in range(y, 0, -1):  # upwards: where did the path enter this row?
        entry = _entry(down[row - 1], cost[row], prefix[row], here)
        left[row], right[row] = min(here, entry), max(here, entry)
        here = entry
    if y:
        left[0] = right[0] = here
    here = x
    for row in range(y, height - 1):
        entry = _entry(up[row + 1], cost[row], prefix[row], here)
        low, high = min(here, entry), max(here, entry)
        if row == y:
            low, high = min(low, left[y]), max(high, right[y])
        left[row], right[row] = low, high
        here = entry
    if y < height - 1:
        left[-1] = right[-1] = here
    return left, right


def _entry(before: np.ndarray, cost: np.ndarray, prefix: np.ndarray, x: int) -> int:
    """Return the column at which the best path to column `x` of a row came into it."""
    walk = np.abs(prefix - prefix[x])
    walk[: x + 1] += cost[: x + 1]
    walk[x + 1 :] += cost[x]
    return int((before + walk).argmin())


def _sides(mask: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return int8 (h, w): 1 and 2 on both sides of the path, its own ink given to the nearer.

    Crumbs that the path cuts off from the main part of their side go to the other side if they
    hang on it.
    """
    columns = np.arange(mask.shape[1])
    first = mask & (columns < left[:, None])
    second = mask & (columns > right[:, None])
    side = first.astype(np.int8) + 2 * second.astype(np.int8)
    for value in (1, 2):
        number, labels, stats, _ = cv2.connectedComponentsWithStats(
            (side == value).astype(np.uint8), connectivity=8
        )
        if number > 2:
            main = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            side[(labels > 0) & (labels != main)] = 0
    # Ink of the path and crumbs grow back from both sides in step.
    left_over = mask & (side == 0)
    kernel = np.ones((3, 3), np.uint8)
    for _ in range(200):
        if not left_over.any():
            break
        one = cv2.dilate((side == 1).astype(np.uint8), kernel) > 0
        two = cv2.dilate((side == 2).astype(np.uint8), kernel) > 0
        gain = left_over & (one | two)
        if not gain.any():
            break
        side[gain] = np.where(one[gain], 1, 2)
        left_over &= ~gain
    return side
