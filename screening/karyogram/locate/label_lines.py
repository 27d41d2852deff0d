"""Rows of a page from the lines in which its labels are printed, where boxes alone do not tell.

On a page that was scanned askew, with rows close together, no level parts one row from the next.
The labels (1 to 22, X, Y) still stand in lines, as askew as the rows, and each line is one row's.
What they say is not read.
"""

from __future__ import annotations

import numpy as np

from screening.images.writing import lines_of

_TEXT = (0.3, 2.0)  # chromosome widths: how high a label is
_WRITING = 4  # letters on one level close together: a sentence, no label
_ALIKE = (0.65, 1.5)  # times the median label's height
_SLOPES = np.tan(np.deg2rad(np.arange(-10, 10.01, 0.25)))  # of the lines; steeper is no scan
_LEVEL = 0.35  # label heights that labels of one line are off it, about
_APART = 0.9  # label heights between the levels of two lines
_IN_LINE, _SEX = 3, 2  # labels of a line; of the last one, in a row of sex chromosomes alone
_LABELS = 12, 100  # on a page: with fewer most rows have none, more are no labels
_MOSTLY = 0.75  # of the labels stand in lines: else these are marks strewn over the page
_OUTSIDE = 4  # chromosomes without a line, at most: a row whose labels were not found
_ASTRAY = 2  # pairs of one row, at most, one above the other: print that passed for a chromosome
_STACKED = 0.5  # of the narrower one's width that two of a row share, one wholly above the other


def rows_by_labels(boxes: np.ndarray, marks: np.ndarray, unit: float) -> np.ndarray | None:
    """Return the row int (n,) of each chromosome, from the top, by the lines of labels; None where
    labels do not tell.

    `boxes` int (n, 4) x, y, w, h of chromosomes; `marks` int (m, 4): boxes of print; `unit`: the
    typical chromosome's width in pixels. Labels under their chromosomes and over them are
    told by the line that is then left without any.
    """
    labels = _labels(marks, unit)
    if not _LABELS[0] <= len(labels) <= _LABELS[1] or not len(boxes):
        return None
    height = float(np.median(labels[:, 3]))
    middle = labels[:, :2] + labels[:, 2:] / 2
    slope = _slope(middle, height)
    lines = _levels(middle[:, 1] - slope * middle[:, 0], height)
    if len(lines) < 3:
        return None
    centre = boxes[:, :2] + boxes[:, 2:] / 2
    row = np.searchsorted(lines, centre[:, 1] - slope * centre[:, 0])
    over, under = np.count_nonzero(row == 0), np.count_nonzero(row == len(lines))
    if min(over, under) > _OUTSIDE or stacked(boxes, row) > _ASTRAY:
        return None
    return np.unique(row, return_inverse=True)[1]


def stacked(boxes: np.ndarray, row: np.ndarray) -> int:
    """Return how many pairs of one row int (n,) stand one above the other: none in true rows."""
    x, y, w, h = boxes.T
    shared = np.minimum((x + w)[:, None], x + w) - np.maximum(x[:, None], x)
    above = (y + h)[:, None] <= y
    over = above & (row[:, None] == row) & (shared > _STACKED * np.minimum(w[:, None], w))
    return int(np.count_nonzero(over))


def _labels(marks: np.ndarray, unit: float) -> np.ndarray:
    """Return the boxes int (k, 4) of what is printed like a label: one to three letters alone."""
    height = marks[:, 3]
    text = marks[(height > _TEXT[0] * unit) & (height < _TEXT[1] * unit)]
    if not len(text):
        return text
    line, count = lines_of(text)
    text, line = text[count[line] < _WRITING], line[count[line] < _WRITING]
    if not len(text):
        return text
    whole = np.array([_around(text[line == k]) for k in np.unique(line)])
    ratio = whole[:, 3] / np.median(whole[:, 3])
    return whole[(ratio > _ALIKE[0]) & (ratio < _ALIKE[1])]


def _around(boxes: np.ndarray) -> np.ndarray:
    """Return the box around boxes."""
    low = boxes[:, :2].min(0)
    return np.concatenate([low, (boxes[:, :2] + boxes[:, 2:]).max(0) - low])


def _slope(middle: np.ndarray, height: float) -> float:
    """Return the slope along which most labels stand in line, their middles float (k, 2)."""
    across, down = (middle[:, None] - middle).transpose(2, 0, 1)
    off = (down - _SLOPES[:, None, None] * across) / (_LEVEL * height)
    score = np.exp(-(off**2)).sum((1, 2))
    return float(_SLOPES[int(score.argmax())])


def _levels(level: np.ndarray, height: float) -> np.ndarray:
    """Return the levels float (l,) of the lines, from the top; none where many stand in none."""
    order = np.sort(level)
    parts = np.split(order, np.flatnonzero(np.diff(order) > _APART * height) + 1)
    held = [part for part in parts if len(part) >= _IN_LINE]
    if len(parts[-1]) == _SEX and held:
        held.append(parts[-1])
    if sum(map(len, held)) < _MOSTLY * len(level):
        return np.zeros(0)
    return np.array([np.median(part) for part in held])
