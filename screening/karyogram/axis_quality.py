"""How far a medial axis can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from screening.karyogram.whole import Body


@dataclass(frozen=True)
class AxisQuality:
    """What speaks for and against an axis.

    `explained`: share (0–1) of the mask within half the local width of the axis; `branch`: share of
    it in the largest piece that is not (an overlapping or crossing body, an arm left out); `turn`:
    greatest angle between two directions of the axis, degrees (bends, hooks); `cut`: part (0–1) of
    the width at an end that lies on the border of the mask's window, near 1 where the picture's
    edge cut the chromosome, and only telling when a mask that ends inside the picture has a margin;
    `filled`: share of the body that was gaps and holes (open chromatids);
    `ring`: the body had a hole of a ring's size and was opened.
    """

    explained: float
    branch: float
    turn: float
    cut: float
    filled: float
    ring: bool


def median(values: np.ndarray) -> float:
    """Return NumPy's median of a line's few numbers, none of them nan, in a fifth of its time."""
    ordered, half = np.sort(values), len(values) // 2
    return float(ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2)


def quality_of(
    mask: np.ndarray,
    line: np.ndarray,
    width: np.ndarray,
    body: Body,
    cut_sides: tuple[bool, bool, bool, bool],
) -> AxisQuality:
    """Return the quality of the line complex128 (k,), x + iy, with these widths (k,), in `mask`,
    uint8 (h, w) of 0 and 1, tight. `body` is what the line was found in; `cut_sides`: whether the
    top, bottom, left and right of the mask are the window's border."""
    h, w = mask.shape
    usual = median(width)
    columns = np.minimum(np.maximum(np.rint(line.real).astype(np.intp), 0), w - 1)
    rows = np.minimum(np.maximum(np.rint(line.imag).astype(np.intp), 0), h - 1)
    away = np.ones((h, w), np.uint8)
    away[rows, columns] = 0
    distance, label = cv2.distanceTransformWithLabels(
        away, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    half = np.zeros(int(label.max()) + 1, np.float32)
    # Points stand apart and are rounded to pixels here.
    half[label[rows, columns]] = 0.5 * np.minimum(width, 1.5 * usual) + 0.8
    left_out = ((distance > half[label]) & (mask > 0)).astype(np.uint8)
    area = max(cv2.countNonZero(mask), 1)
    count, _, stats, _ = cv2.connectedComponentsWithStats(left_out, connectivity=8)
    branch = stats[1:, cv2.CC_STAT_AREA].max() / area if count > 1 else 0.0
    step = line[1:] - line[:-1]
    turns = np.angle(step[1:] / step[:-1])
    heading = np.concatenate([[0.0], np.cumsum(turns)])
    return AxisQuality(
        explained=1 - cv2.countNonZero(left_out) / area,
        branch=float(branch),
        turn=float(np.rad2deg(heading.max() - heading.min())),
        cut=max(_contact(mask, end, usual, cut_sides) for end in (line[0], line[-1])),
        filled=body.filled,
        ring=body.ring,
    )


def _contact(
    mask: np.ndarray, end: complex, width: float, cut_sides: tuple[bool, bool, bool, bool]
) -> float:
    """Return the part (0-1) of the width near an end that lies on the window's border."""
    h, w = mask.shape
    x, y = end.real, end.imag
    most = 0
    # The last row and column of a smaller copy may be half beyond the window.
    sides = (
        (mask[:1], 0, x, y),
        (mask[-2:], 0, x, h - 1 - y),
        (mask[:, :1], 1, y, x),
        (mask[:, -2:], 1, y, w - 1 - x),
    )
    for (edge, across, at, away), cut in zip(sides, cut_sides, strict=True):
        if cut and away < 0.5 * width:
            border = edge.max(across)
            low = max(0, int(at - 0.75 * width + 1))
            most = max(most, int(np.count_nonzero(border[low : int(at + 0.75 * width) + 1])))
    return min(1.0, most / max(width, 1.0))
