"""How the chromosomes of a page are arranged: rows, upright axes, which way is up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Arrangement:
    """What tells a karyogram from scattered chromosomes.

    `rows` and `columns`: groups of chromosomes that blank or lettered strips across the whole page
    keep apart; only groups of at least 3 objects count, because outliers of a scattered cell stand
    alone. `upright`: share of the long objects whose axis is within 30° of vertical, weighted by
    their squared length, 0–1, nan with fewer than 5 of them (1/3 is expected of random directions);
    `lying`: the same for horizontal. The weight lets long chromosomes decide: two short ones that
    touch form an object wider than high. `first_over_last`: height of the first row's chromosomes
    over the last row's, nan with fewer than 2 rows. `labels_below`: share of the labels that stand
    nearer under a chromosome than over one, nan with fewer than 5 labels.
    """

    rows: int
    columns: int
    upright: float
    lying: float
    first_over_last: float
    labels_below: float


def arrangement(
    boxes: np.ndarray,
    angle: np.ndarray,
    elongation: np.ndarray,
    letters: np.ndarray,
    row: np.ndarray | None = None,
) -> Arrangement:
    """Return how chromosomes stand on a page.

    `boxes` int (n, 4) x, y, w, h; `angle` (n,) degrees of each axis from vertical, -90…90;
    `elongation` (n,) length over width; `letters` int (m, 4): boxes of what is written;
    `row` int (n,): the row of each as it was found, for pages on which no blank strip parts them.
    """
    row_of = _groups(boxes[:, 1], boxes[:, 3])
    if row is not None and len(_full(row_of)) < 3:
        row_of = row
    column_of = _groups(boxes[:, 0], boxes[:, 2])
    long = elongation >= 1.7
    tilt, weight = np.abs(angle[long]), np.hypot(boxes[long, 2], boxes[long, 3]) ** 2
    total = weight.sum() if len(tilt) >= 5 else float("nan")
    full = _full(row_of)
    rows = len(full)
    ratio = float("nan")
    if rows >= 2:
        first, last = boxes[row_of == full[0], 3], boxes[row_of == full[-1], 3]
        ratio = float(np.median(first) / np.median(last))
    return Arrangement(
        rows=rows,
        columns=len(_full(column_of)),
        upright=float(weight[tilt <= 30].sum() / total),
        lying=float(weight[tilt >= 60].sum() / total),
        first_over_last=ratio,
        labels_below=_labels_below(boxes, letters),
    )


def _groups(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return the group int (n,) of each interval, counted from the top; a group overlaps itself.

    A tenth of each end is forgiven: a bent tip may hang into the next row.
    """
    trim = 0.1 * length
    low, high = start + trim, start + length - trim
    order = np.argsort(low, kind="stable")
    group = np.zeros(len(start), np.int64)
    if not len(start):
        return group
    reach = np.maximum.accumulate(high[order])
    group[order[1:]] = np.cumsum(low[order][1:] > reach[:-1])
    return group


def _full(group_of: np.ndarray) -> np.ndarray:
    """Return the numbers of the groups that hold at least 3 objects, in order."""
    return np.flatnonzero(np.bincount(group_of) >= 3) if len(group_of) else group_of


def _labels_below(boxes: np.ndarray, letters: np.ndarray) -> float:
    """Return the share of letters whose nearest chromosome in the same column stands above them."""
    if len(boxes) == 0 or not 5 <= len(letters) <= 400:
        return float("nan")
    centre = letters[:, 0] + letters[:, 2] / 2
    same = (centre[:, None] >= boxes[:, 0] - boxes[:, 2]) & (
        centre[:, None] <= boxes[:, 0] + 2 * boxes[:, 2]
    )
    over = letters[:, 1, None] - (boxes[:, 1] + boxes[:, 3])
    under = boxes[:, 1] - (letters[:, 1] + letters[:, 3])[:, None]
    slack = -0.3 * letters[:, 3, None]
    over = np.where(same & (over >= slack), over, np.inf).min(axis=1)
    under = np.where(same & (under >= slack), under, np.inf).min(axis=1)
    # A letter as far from one as from the other says nothing, nor does a caption at the edge.
    decided = np.isfinite(over) & np.isfinite(under) & (over != under)
    if decided.sum() < 5:
        return float("nan")
    return float((over < under)[decided].mean())
