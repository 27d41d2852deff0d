"""The medial line of one chromosome's mask."""

from __future__ import annotations

import cv2
import numpy as np

from screening.karyogram.fronts import Fronts

_WORK_WIDTH = 9.0  # px across a chromosome on the copy on which the line is found
_POINTS = 32


def medial_axis(mask: np.ndarray, width: float) -> tuple[np.ndarray, float, float]:
    """Return (axis float32 (k, 2) as x, y in pixels of the mask, length, median width in pixels).

    `mask` bool (h, w) of one chromosome; `width`: its width, roughly, in pixels. Cross-sections
    are the level sets of the way to one end, walked inside the mask, so that a bent chromosome is
    followed around its bend; their centres, smoothed and led on to both ends, are the axis. Of an
    upright chromosome the rows are the cross-sections, which is the same and quicker.
    """
    shrink = min(1.0, _WORK_WIDTH / max(width, 1.0))
    small = _resized(mask, shrink)
    if cv2.connectedComponents(small)[0] > 2:  # chromatids or satellites that stand apart
        small = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    ys, xs = np.nonzero(small)
    if _upright(ys, xs, small):
        at, steps = ys, small.shape[0]
    else:
        level, steps = _levels(small)
        ys, xs = np.nonzero(level >= 0)
        at = level[ys, xs]
    count = np.bincount(at, minlength=steps)
    sums = np.stack([np.bincount(at, xs, steps), np.bincount(at, ys, steps)], 1)
    centre = (sums / np.maximum(count, 1)[:, None])[count > 0]
    line = _smooth(centre, small)
    line = (line + 0.5) * [mask.shape[1] / small.shape[1], mask.shape[0] / small.shape[0]] - 0.5
    if line[0, 1] > line[-1, 1]:
        line = line[::-1]
    length = float(np.hypot(*np.diff(line, axis=0).T).sum()) + 1.0
    across = float(np.count_nonzero(mask)) / length
    return line.astype(np.float32), length, across


def _resized(mask: np.ndarray, scale: float) -> np.ndarray:
    h, w = mask.shape
    small = mask.astype(np.uint8)
    if scale < 1:
        size = (max(1, round(w * scale)), max(1, round(h * scale)))
        small = cv2.resize(small * 255, size, interpolation=cv2.INTER_AREA)
        small = (small >= 128).astype(np.uint8)
        if not small.any():
            small[:] = 1
    return small


def _upright(ys: np.ndarray, xs: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether every row holds one run of ink, none much longer than usual, and the middles
    of the rows do not drift."""
    h, w = mask.shape
    if h < 1.5 * w or h < 8:
        return False
    length = np.bincount(ys, minlength=h)
    if not length.all():
        return False
    low = np.full(h, w)
    np.minimum.at(low, ys, xs)
    high = np.zeros(h, np.int64)
    np.maximum.at(high, ys, xs)
    usual = np.median(length)
    if length.max() > 1.7 * usual or (high - low + 1 > length + 1).any():
        return False
    middle = (low + high) / 2
    drift = float(np.abs(np.diff(middle[2:-2])).max())
    return bool(drift < 0.25 * usual and np.ptp(middle) < 1.5 * usual)


def _levels(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (level int64 (h, w), number of levels): steps to one end, -1 outside the mask.

    The end is the pixel furthest from the middle: two walks find the longest way through the mask.
    Pixels that no walk reaches (crumbs) stay -1.
    """
    ys, xs = np.nonzero(mask)
    far = np.argmax(np.abs(ys - ys.mean()) + np.abs(xs - xs.mean()))
    fronts = Fronts(mask)
    level, steps = _walk(fronts, int(ys[far]), int(xs[far]))
    at = np.argmax(level)
    y, x = divmod(int(at), mask.shape[1])
    return _walk(fronts, y, x)


def _walk(fronts: Fronts, y: int, x: int) -> tuple[np.ndarray, int]:
    """Return the steps from (y, x) to each pixel of the mask."""
    reached: list[int] = []
    for step, now in enumerate(fronts.spread([(y, x)], square=False)):
        if step % 2 and now == reached[-1]:
            break
        reached.append(now)
    level = fronts.steps(reached)
    level[level == len(reached)] = -1
    return level, int(level.max()) + 1


def _smooth(centre: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the axis (k, 2) through cross-section centres, led on straight to both ends."""
    n = len(centre)
    if n < 5:
        return _chord(mask)
    trim = min(n // 5, 4)  # the first fronts start in a corner of the end, not in its middle
    inner = centre[trim : n - trim]
    reach = max(1, min(len(inner) // 4, 5))
    weight = np.hanning(2 * reach + 3)[1:-1]
    weight /= weight.sum()
    # Reflected through the end points, so that smoothing does not shorten the line.
    head, tail = 2 * inner[0] - inner[reach:0:-1], 2 * inner[-1] - inner[-2 : -reach - 2 : -1]
    long = np.concatenate([head, inner, tail])
    line = np.stack([np.convolve(long[:, i], weight, mode="valid") for i in (0, 1)], 1)
    line = np.concatenate([_end(line[::-1], mask)[::-1], line, _end(line, mask)])
    steps = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, steps[-1], _POINTS)
    return np.stack([np.interp(at, steps, line[:, i]) for i in (0, 1)], 1)


def _end(line: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return (1, 2): where the line, led on straight, leaves the mask."""
    direction = line[-1] - line[-min(len(line), 5)]
    direction = direction / max(float(np.hypot(*direction)), 1e-6)
    (x0, y0), (dx, dy) = line[-1].tolist(), direction.tolist()
    h, w = mask.shape
    end = x0, y0
    for step in range(24):  # a few: an array of all of them takes ten times as long
        x, y = x0 + dx * (0.5 * step), y0 + dy * (0.5 * step)
        column, row = min(max(round(x), 0), w - 1), min(max(round(y), 0), h - 1)
        if not mask[row, column] or abs(x - column) > 0.5 or abs(y - row) > 0.5:
            break
        end = x, y
    return np.array([end])


def _chord(mask: np.ndarray) -> np.ndarray:
    """Return the line (2, 2) from top to bottom through a mask too small for cross-sections."""
    ys, xs = np.nonzero(mask)
    low, high = ys.min(), ys.max()
    return np.array(
        [[xs[ys == low].mean(), low], [xs[ys == high].mean(), max(high, low + 0.5)]], np.float64
    )
