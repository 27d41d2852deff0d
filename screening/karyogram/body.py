"""The mask of one chromosome in a picture of its own, and the axis it is straightened along."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from screening.karyogram.axis_quality import median
from screening.karyogram.fronts import Fronts

_PART_OF_BODY = 0.2
"""Smallest share of the largest object at which another belongs to the chromosome."""
_WORK = 56
"""Longer side at which the axis is found, pixels: enough for a bend, few enough to be quick."""
_SQUARE, _CROSS = 1.15, 1.0
"""Way of a front in a step of either kind, pixels."""


def shrunk_mask(body: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mask at about _WORK pixels on its longer side, and original pixels per pixel."""
    factor = max(body.shape) / _WORK
    if factor <= 1:
        return body, 1.0
    size = (max(2, round(body.shape[1] / factor)), max(2, round(body.shape[0] / factor)))
    small = cv2.resize(body * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return (small > 127).astype(np.uint8), factor


def joined(body: np.ndarray) -> np.ndarray:
    """Return the largest object and all that are not much smaller, gaps closed until they are one.

    Two chromatids that stand apart are one chromosome; and two chromosomes that were cut out as one
    piece must not pass for the larger of them.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(body, connectivity=8)
    if count <= 1:
        return np.ones_like(body)
    areas = stats[1:, cv2.CC_STAT_AREA]
    large = 1 + np.flatnonzero(areas >= _PART_OF_BODY * areas.max())
    found = np.isin(labels, large).astype(np.uint8)
    if len(large) == 1:
        return found
    for gap in range(3, max(body.shape) + 2, 2):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (gap, gap))
        closed = cv2.morphologyEx(np.pad(found, gap), cv2.MORPH_CLOSE, kernel)
        if cv2.connectedComponents(closed, connectivity=8)[0] == 2:
            return np.ascontiguousarray(closed[gap:-gap, gap:-gap])
    # No closing joins two points that lie on the edge of every kernel between them.
    points = np.argwhere(found)[:, ::-1].astype(np.int32)
    return cv2.fillConvexPoly(found, cv2.convexHull(points), 1)


def axis_of(body: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mask's axis (k, 2) from upper to lower end, and its median width, in pixels."""
    area = float(np.count_nonzero(body))
    rows = np.flatnonzero(body.any(axis=1))
    columns = np.flatnonzero(body.any(axis=0))
    height = rows[-1] - rows[0] + 1
    across = body[rows[0] : rows[-1] + 1].sum(axis=1)
    thick = median(across)
    wide = columns[-1] - columns[0] + 1
    # Straight and upright: rows as wide as the chromosome, and no sideways reach.
    if wide < 1.35 * thick or height < 1.6 * area / height:
        x = (np.arange(body.shape[1]) @ body.sum(axis=0)) / area
        upper, lower = _row_centre(body, rows, 0.0), _row_centre(body, rows, 1.0)
        if height < 1.8 * thick:
            upper = lower = x
        ends = [[upper, rows[0] - 0.5], [lower, rows[-1] + 0.5]]
        return np.array(ends, np.float32), thick
    return _bent_axis(body, area)


def _row_centre(body: np.ndarray, rows: np.ndarray, end: float) -> float:
    """Straight-line fit of the rows' centres, read at the upper (0) or lower (1) end."""
    part = body[rows]
    weight = part.sum(axis=1).astype(np.float64)
    centres = part @ np.arange(body.shape[1]) / np.maximum(weight, 1)
    y = np.linspace(-1, 1, len(rows))
    mean_y = (weight @ y) / weight.sum()
    mean_x = (weight @ centres) / weight.sum()
    if len(rows) < 2:
        return float(mean_x)
    slope = (weight * (y - mean_y)) @ (centres - mean_x) / ((weight * (y - mean_y)) @ (y - mean_y))
    return float(mean_x + slope * ((2 * end - 1) - mean_y))


def _bent_axis(body: np.ndarray, area: float) -> tuple[np.ndarray, float]:
    """Axis through the centres of equal distance along the mask from one of its ends."""
    body = np.pad(body, 1)
    ys, xs = np.nonzero(body)
    start = np.argmax((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2)
    fronts = Fronts(body)
    far = _farthest(_distance(fronts, [(ys[start], xs[start])]), ys, xs)
    distance = _distance(fronts, [far])
    other = _farthest(distance, ys, xs)
    thick = area / max(1.0, float(distance.max()))
    # An end is as wide as the chromosome: start from all of it, not from one of its corners.
    near = distance[ys, xs] <= 0.4 * thick
    distance = _distance(fronts, list(zip(ys[near], xs[near], strict=True)))
    values = distance[ys, xs]
    levels = max(4, min(24, round(float(values.max()) / max(1.5, 0.4 * thick))))
    level = np.minimum((values / (values.max() + 1e-3) * levels).astype(int), levels - 1)
    count = np.maximum(np.bincount(level, minlength=levels), 1)
    centres = np.stack(
        [np.bincount(level, xs, levels) / count, np.bincount(level, ys, levels) / count], 1
    )
    padded = np.concatenate(
        [2 * centres[:1] - centres[1:2], centres, 2 * centres[-1:] - centres[-2:-1]]
    )
    centres = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    if _upside(centres, far, other):
        centres = centres[::-1]
    line = _extended(centres - 1, body[1:-1, 1:-1])
    length = float(np.hypot(*np.diff(line, axis=0).T).sum())
    return line.astype(np.float32), area / max(length, 1.0)


def _upside(centres: np.ndarray, far: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the axis runs upwards; both ends level (a U): from left to right."""
    rise = centres[-1, 1] - centres[0, 1]
    run = centres[-1, 0] - centres[0, 0]
    return rise < 0 if abs(rise) > 0.15 * abs(run) else run < 0


def _distance(body: Fronts, seeds: Sequence[tuple[int, int]]) -> np.ndarray:
    """Distance from the seeds inside the mask, octagonal metric, pixels; outside it 0."""
    reached: list[int] = []
    for now in body.spread(seeds, square=True):
        if reached and now == reached[-1]:
            break
        reached.append(now)
    cost = np.zeros(len(reached) + 1)
    cost[1:-1:2], cost[2:-1:2] = _SQUARE, _CROSS
    cost[:-1] = np.cumsum(cost[:-1])
    distance: np.ndarray = cost.astype(np.float32)[body.steps(reached)]
    return distance


def _farthest(distance: np.ndarray, ys: np.ndarray, xs: np.ndarray) -> tuple[int, int]:
    at = int(distance[ys, xs].argmax())
    return int(ys[at]), int(xs[at])


def _extended(line: np.ndarray, body: np.ndarray) -> np.ndarray:
    """The line with both ends carried on in their direction to the edge of the mask."""
    ends = []
    for tip, before in (
        (line[0], line[min(2, len(line) - 1)]),
        (line[-1], line[-min(3, len(line))]),
    ):
        step = tip - before
        step = step / max(float(np.hypot(*step)), 1e-6) * 0.5
        at = tip
        for _ in range(2 * max(body.shape)):
            x, y = np.rint(at + step).astype(int)
            inside = 0 <= y < body.shape[0] and 0 <= x < body.shape[1] and body[y, x]
            if not inside:
                break
            at = at + step
        ends.append(at + step)
    return np.concatenate([ends[0][None], line, ends[1][None]])
