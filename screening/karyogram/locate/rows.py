"""Rows of a page and groups within them, from boxes alone."""

from __future__ import annotations

import numpy as np


def assign_rows(boxes: np.ndarray) -> np.ndarray:
    """Return the row int (n,) from the top of each box int (n, 4) x, y, w, h.

    A row ends where (nearly) nothing stands beside one another any more. A few objects that hang
    into the next row do not tie rows together.
    """
    n = len(boxes)
    if not n:
        return np.zeros(0, np.int64)
    trim = 0.1 * boxes[:, 3]
    low, high = boxes[:, 1] + trim, boxes[:, 1] + boxes[:, 3] - trim
    bands = _bands(low, high, np.arange(n))
    middle = (boxes[:, 1] + boxes[:, 3] / 2)[:, None]
    starts, ends = np.array([b[0] for b in bands]), np.array([b[1] for b in bands])
    overlap = np.minimum(high[:, None], ends) - np.maximum(low[:, None], starts)
    overlap = np.where(overlap > 0, overlap, -np.abs(middle - (starts + ends) / 2))
    row = overlap.argmax(1)
    return np.unique(row, return_inverse=True)[1]


def _bands(low: np.ndarray, high: np.ndarray, members: np.ndarray) -> list[tuple[float, float]]:
    """Return the vertical spans (start, end) of the rows that hold these boxes, from the top."""
    order = members[np.argsort(low[members], kind="stable")]
    reach = np.maximum.accumulate(high[order])
    breaks = np.flatnonzero(low[order][1:] > reach[:-1])
    spans = []
    for part in np.split(order, breaks + 1):
        start, end = float(low[part].min()), float(high[part].max())
        tallest = float(np.percentile(high[part] - low[part], 85))
        cut = _thin_place(low[part], high[part]) if end - start > 1.35 * tallest else None
        if cut is None or len(part) < 4:
            spans.append((start, end))
            continue
        middle = (low[part] + high[part]) / 2
        across = (low[part] < cut) & (high[part] > cut)
        upper, lower = part[~across & (middle < cut)], part[~across & (middle >= cut)]
        if len(upper) < 2 or len(lower) < 2:
            spans.append((start, end))
            continue
        spans += _bands(low, high, upper) + _bands(low, high, lower)
    return spans


def _thin_place(low: np.ndarray, high: np.ndarray) -> float | None:
    """Return the height at which few boxes lie between two heights at which many do, or None."""
    edges = np.sort(np.concatenate([low, high]))
    at = (edges[1:] + edges[:-1])[np.diff(edges) > 0] / 2
    cover = ((low < at[:, None]) & (high > at[:, None])).sum(1)
    above = np.maximum.accumulate(cover)
    below = np.maximum.accumulate(cover[::-1])[::-1]
    walls = np.minimum(above, below)
    thin = (cover <= 2) | (cover <= 0.2 * walls)
    good = thin & (walls >= 3 * np.maximum(cover, 1))
    if not good.any():
        return None
    score = np.where(good, cover / walls, np.inf)
    return float(at[int(score.argmin())])


def groups_of(boxes: np.ndarray, row: np.ndarray, unit: float) -> np.ndarray:
    """Return the group int (n,) of each box; boxes are in reading order, `row` their rows.

    Gaps within a slot are smaller than gaps between slots; where the limit lies is read from all
    gaps of the page, given that most slots hold two chromosomes.
    """
    n = len(boxes)
    if n < 2:
        return np.zeros(n, np.int64)
    gap = (boxes[1:, 0] - (boxes[:-1, 0] + boxes[:-1, 2])) / max(unit, 1.0)
    same = row[1:] == row[:-1]
    limit = _limit(gap, same)
    return np.concatenate([[0], np.cumsum(~same | (gap > limit))])


def _limit(gap: np.ndarray, same: np.ndarray) -> float:
    """Return the gap, in units, above which neighbours belong to different slots."""
    values = np.sort(gap[same])
    if not len(values):
        return 0.5
    best, limit = -np.inf, 0.5
    for low, high in zip(values[:-1], values[1:], strict=True):
        at = (low + high) / 2
        sizes = np.diff(np.flatnonzero(np.concatenate([[True], ~same | (gap > at), [True]])))
        pairs = sizes[sizes == 2].size * 2 / sizes.sum()
        room = min(high - low, 0.5)
        score = pairs + 0.4 * room
        if score > best:
            best, limit = score, at
    return float(limit)
