"""Lines of writing on a page: headlines, patients, dates, a printed result. They are no evidence.

What a laboratory has printed about a cell must not reach a network. A line is told by its letters:
close together, on one level and of one height; labels, which tell rows, stand apart.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

_LETTERS = 4  # "46,XX" has as many of one height
_SPACE = 1.3  # of the letters' height: a wider gap ends a line (a blank is about half)
_LEVEL = 0.65  # of the lower one's height that two letters of a line have in common
_ALIKE = 2.2  # times as high as the lower one, at most, are letters of one line
_OVER = 0.5  # of the lower one's height by which letters of a line may overlap
_WORD = 12  # letters in the longest word: a wider box is a rule with what hangs on it
_LABEL = 1.8  # of a letter's height under the feet of a row are its labels
_CLEAR = 0.8  # of it is between the feet and writing: labels with their rule hang closer
_LONG = 2.3  # times as wide as high: a word grown together, longer than two digits
_LABELS = 3  # marks over a line make it the second one under the feet
_STEP = 8  # px: a page ends at one of these, so that a letter's rim does not matter
_RIM = 4  # px of the karyogram's own rim that stay with it


def lines_of(boxes: np.ndarray, others: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (the line of writing int (n,) in which each box stands, the letters known in each).

    `boxes` int (n, 4) x, y, w, h, of which the first `others` are no known letters. A box may hold
    a whole word: its letters are as many as it is wide.
    """
    x, y, w, h = boxes.T
    lower = np.minimum(h[:, None], h)
    common = np.minimum((y + h)[:, None], y + h) - np.maximum(y[:, None], y)
    gap = np.maximum(x[:, None], x) - np.minimum((x + w)[:, None], x + w)
    near = (common >= _LEVEL * lower) & (gap < _SPACE * lower) & (gap > -_OVER * lower)
    near &= np.maximum(h[:, None], h) <= _ALIKE * lower
    line = connected_components(csr_matrix(near), directed=False)[1]
    letters = np.maximum(1, np.round(w / np.maximum(0.8 * h, 1)))
    letters[(letters > _WORD) | (np.arange(len(letters)) < others)] = 0
    return line, np.bincount(line, letters, len(boxes))


def karyogram_rows(
    top: int, end: int, marks: np.ndarray, least: float, height: int
) -> tuple[int, int]:
    """Return the rows of pixels (first, last + 1) between the writing above and below a karyogram.

    `top`, `end`: where its chromosomes begin and end; `marks` int (m, 4) x, y, w, h: boxes of
    print, those less than `least` high are no letters; `height`: of the page, (0, `height`) without
    writing. Labels under the last row belong to it.
    """
    low, high = marks[:, 1], marks[:, 1] + marks[:, 3]
    letters = marks[:, 3] > least
    above, below = marks[letters & (high <= top)], marks[letters & (low >= end)]
    above = above[_written(above)]
    # Under the feet come the labels: writing is what stands under these, or further away, or, in a
    # line of several pieces, clear of them.
    over = (below[:, 1] + below[:, 3] <= below[:, None, 1]).sum(1)
    gap = (below[:, 1] - end) / np.maximum(below[:, 3], 1)
    line = lines_of(below)[0] if len(below) else np.zeros(0, np.int64)
    far = np.isin(line, line[(over >= _LABELS) | (gap > _LABEL)])
    clear = np.isin(line, line[gap > _CLEAR]) & (np.bincount(line)[line] > 1)
    below = below[_written(below) & (far | clear)]
    first, last = 0, height
    if len(above):
        done = int((above[:, 1] + above[:, 3]).max())
        first = -_beside(-int(min([top, *low[low > done]])), -done)
    if len(below):
        begins = int(below[:, 1].min())
        last = _beside(int(max([end, *high[high < begins]])), begins)
    return first, last


def _written(marks: np.ndarray) -> np.ndarray:
    """Return bool (n,): which marks stand in a line of writing."""
    if not len(marks):
        return np.zeros(0, bool)
    line, count = lines_of(marks)
    word = (marks[:, 2] > _LONG * marks[:, 3]) & (count[line] > 0)
    return (count[line] >= _LETTERS) | np.isin(line, line[word])


def _beside(own: int, writing: int) -> int:
    """Return the row of pixels at which a karyogram ends that reaches to `own`, before `writing`:
    as far as there is room the same, whatever is written."""
    step = -(-(own + _RIM) // _STEP) * _STEP
    return step if step < writing else (own + writing) // 2
