"""Which pieces are print although each looks like a chromosome: told by what stands around them.

A letter of a headline is as large as a small chromosome and, blurred, as banded. But it stands in a
line of writing; a logo stands above the first row; what a table encloses is its text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening.karyogram.locate.rows import assign_rows

_LETTERS = 3  # known as print, from which marks on one line are writing
_SPACE = 1.3  # of the letters' height: a wider gap ends a line (a blank is about half)
_LEVEL = 0.65  # of the lower one's height that two letters of a line have in common
_TALL = 1.7  # times a line's median letter: a taller piece stands in it by chance
_BESIDE = 1.5  # chromosome widths: what is higher is no letter of a table or line
_THIN = 0.35  # chromosome widths of ink across a long piece: a rule
_LONG = 6.0  # times as long as wide
_FULL = 4  # chromosomes in a row that is one beyond doubt


def printed_pieces(
    boxes: np.ndarray, ink: np.ndarray, known: Sequence[tuple[int, int, int, int]], unit: float
) -> np.ndarray:
    """Return bool (n,): which pieces are print.

    `boxes` int (n, 4) x, y, w, h of pieces; `ink` (n,) pixels of each; `known`: boxes of print;
    `unit`: the typical chromosome's width in pixels.
    """
    if not len(boxes):
        return np.zeros(0, bool)
    marks = np.array(known, np.int64).reshape(-1, 4)
    found = _rules(boxes, ink, unit) | _enclosed(boxes, marks, unit)
    letters = marks[(marks[:, 3] < 3 * unit) & (marks[:, 2] < 40 * unit)]
    found |= _in_lines(boxes, letters, unit)
    found[~found] |= _above_all(boxes[~found])
    return found


def _rules(boxes: np.ndarray, ink: np.ndarray, unit: float) -> np.ndarray:
    longest, shortest = boxes[:, 2:].max(1), boxes[:, 2:].min(1)
    return (longest > _LONG * shortest) & (ink < _THIN * unit * longest)


def _enclosed(boxes: np.ndarray, marks: np.ndarray, unit: float) -> np.ndarray:
    """Return which small pieces lie within a ruled box, as a table's or a key's."""
    tables = marks[(marks[:, 2:] > 2.5 * unit).all(1)]
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    inside = (low >= tables[:, :2]) & (high <= tables[:, :2] + tables[:, 2:])
    return inside.all(2).any(1) & (boxes[:, 3] < _BESIDE * unit)


def _in_lines(boxes: np.ndarray, marks: np.ndarray, unit: float) -> np.ndarray:
    """Return which pieces stand in a line of writing."""
    both = np.concatenate([boxes, marks])
    n, x, y, w, h = len(boxes), *both.T
    low = np.maximum(y[:, None], y)
    common = np.minimum((y + h)[:, None], y + h) - low
    level = common >= _LEVEL * np.minimum(h[:, None], h)
    level &= np.maximum(h[:, None], h) <= 2.2 * np.minimum(h[:, None], h)
    gap = np.maximum(x[:, None], x) - np.minimum((x + w)[:, None], x + w)
    near = level & (gap < _SPACE * np.minimum(h[:, None], h))
    # One box of print may hold a whole word: its letters are as many as it is wide.
    many = np.maximum(1, np.round(w / np.maximum(0.8 * h, 1)))
    many[:n] = 0
    line = _connected(near)
    count = np.bincount(line, many)
    written = np.zeros(n, bool)
    for k in np.flatnonzero(count >= _LETTERS):
        mine = np.flatnonzero(line == k)
        typical = np.median(h[mine[mine >= n]])
        chosen = mine[(mine < n) & (h[mine] <= _TALL * typical)]
        written[chosen] = True
    return written


def _connected(near: np.ndarray) -> np.ndarray:
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    return connected_components(csr_matrix(near), directed=False)[1]


def _above_all(boxes: np.ndarray) -> np.ndarray:
    """Return which pieces stand wholly above the first row: a logo, a headline's rest."""
    row = assign_rows(boxes)
    full = np.flatnonzero(np.bincount(row) >= _FULL) if len(row) else row
    if len(full) < 2:
        return np.zeros(len(boxes), bool)
    top = np.percentile(boxes[row == full[0], 1], 20)
    return (row < full[0]) & (boxes[:, 1] + boxes[:, 3] < top)
