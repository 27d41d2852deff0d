"""Which pieces are print although each looks like a chromosome: told by what stands around them.

A letter of a headline is as large as a small chromosome and, blurred, as banded. But it stands in a
line of writing; a logo stands outside the rows; what a table encloses is its text. An arrow is of
one tone, and writing on a logo varies more than any bands.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from screening.images.writing import lines_of
from screening.karyogram.locate.masks import Piece
from screening.karyogram.locate.rows import assign_rows

_LETTERS = 3  # known as print, from which marks on one line are writing
_MOSTLY = 2  # times as many letters as pieces: else it is a row in which letters stand
_SENTENCE = 5  # letters in a line: no row of labels, which stand apart
_TALL = 1.7  # times a line's median letter: a taller piece stands in it by chance
_THIN = 0.35  # chromosome widths of ink across a long piece: a rule
_LONG = 6.0  # times as long as wide
_RULED = 1.6  # chromosome widths between a table's lines; between rows there is more
_AS_HIGH = 1.35  # times a table's median letter: a higher piece is no letter of it
_AN_X = 1.4  # times the median of groups F and G, at least, is an X high
_FULL = 4  # chromosomes in a row that is one beyond doubt
_EDGE = 0.25  # chromosome widths around a piece that are left out where tones are compared
_INSIDE, _TOLD = 9, 20  # px inside a piece, and pieces of a page, from which tones tell
_LARGE = 1.6  # chromosome widths: of a smaller one, a marker perhaps, they tell nothing
_TONES = (0.35, 3.0)
"""Times the page's median spread of tones: of 11,105 chromosomes on 240 composed validation pages,
half of them printed on, all lie between 0.51 and 2.19; arrows and frames under 0.26."""


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
    found = _rules(boxes, ink, unit)
    for table in _tables(marks, unit):
        inside = _enclosed(marks, table, unit) & (marks[:, 3] > _THIN * unit)
        if np.count_nonzero(inside) >= _LETTERS:
            letter = np.median(marks[inside, 3])
            found |= _enclosed(boxes, table, unit) & (boxes[:, 3] < _AS_HIGH * letter)
    letters = marks[(marks[:, 3] < 3 * unit) & (marks[:, 3] > _THIN * unit)]
    line, count = lines_of(np.concatenate([boxes, letters]), len(boxes))
    found |= _in_lines(boxes, letters, line, count)
    sentences = letters[count[line[len(boxes) :]] >= _SENTENCE]
    found[~found] |= _outside(boxes[~found], sentences)
    return found


def unlike_in_tone(paper: np.ndarray, pieces: Sequence[Piece], unit: float) -> np.ndarray:
    """Return bool (n,): which pieces vary in tone inside far less or far more than the others of
    the page, so that it does not matter how it is stained.

    `paper`: the page uint8 (h, w); `unit`: the typical chromosome's width on it in pixels.
    """
    side = max(3, int(_EDGE * unit) | 1)
    around = np.ones((side, side), np.uint8)
    spread = np.full(len(pieces), np.nan)
    for k, piece in enumerate(pieces):
        inside = cv2.erode(np.pad(piece.mask, 1).astype(np.uint8), around)[1:-1, 1:-1] > 0
        if np.count_nonzero(inside) >= _INSIDE:
            window = paper[piece.y : piece.y + piece.h, piece.x : piece.x + piece.w]
            ink = 255.0 - window[inside]
            spread[k] = ink.std() / max(ink.mean(), 1.0)
    if np.count_nonzero(np.isfinite(spread)) < _TOLD:
        return np.zeros(len(pieces), bool)
    low, high = (factor * np.nanmedian(spread) for factor in _TONES)
    large = np.array([max(piece.w, piece.h) for piece in pieces]) >= _LARGE * unit
    return large & ((spread < low) | (spread > high))


def _rules(boxes: np.ndarray, ink: np.ndarray, unit: float) -> np.ndarray:
    longest, shortest = boxes[:, 2:].max(1), boxes[:, 2:].min(1)
    return (longest > _LONG * shortest) & (ink < _THIN * unit * longest)


def _tables(marks: np.ndarray, unit: float) -> np.ndarray:
    """Return the boxes (m, 4) of tables: ruled around, or ruled by three lines close together."""
    around = marks[(marks[:, 2:] > 2.5 * unit).all(1)]
    flat = marks[(marks[:, 2] > 3 * unit) & (marks[:, 3] < 0.6 * unit)]
    flat = flat[np.argsort(flat[:, 1])]
    ruled = []
    for first in flat:
        chain = [first]
        for other in flat:
            down = other[1] - chain[-1][1]
            shared = min(first[0] + first[2], other[0] + other[2]) - max(first[0], other[0])
            alike = shared > 0.8 * max(first[2], other[2])
            if alike and 0.6 * unit < down < _RULED * unit:
                chain.append(other)
        if len(chain) >= 3:
            low = np.min([each[:2] for each in chain], 0)
            ruled.append([*low, *(np.max([each[:2] + each[2:] for each in chain], 0) - low)])
    return np.concatenate([around, np.array(ruled, np.int64).reshape(-1, 4)])


def _enclosed(boxes: np.ndarray, table: np.ndarray, unit: float) -> np.ndarray:
    """Return which boxes lie within a table and are no part of its lines."""
    slack = 0.3 * unit
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    inside = (low >= table[:2] - slack) & (high <= table[:2] + table[2:] + slack)
    return inside.all(1) & (boxes[:, 2:] < 0.8 * table[2:]).all(1)


def _in_lines(
    boxes: np.ndarray, letters: np.ndarray, line: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Return which pieces stand in a line of writing and are no taller than its letters."""
    n = len(boxes)
    written = np.zeros(n, bool)
    pieces = np.bincount(line[:n], minlength=len(count))
    for k in np.flatnonzero(count >= np.maximum(_LETTERS, _MOSTLY * pieces)):
        typical = np.median(letters[line[n:] == k, 3])
        written |= (line[:n] == k) & (boxes[:, 3] <= _TALL * typical)
    return written


def _outside(boxes: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """Return which pieces stand above the first row, or below writing that is below the last one:
    logos, rulers, a headline's rest.

    The sex chromosomes may have a row of their own, with less than a full one: there is an X in it,
    taller than all of the row above.
    """
    row = assign_rows(boxes)
    full = np.flatnonzero(np.bincount(row) >= _FULL) if len(row) else row
    if len(full) < 2:
        return np.zeros(len(boxes), bool)
    low, high = boxes[:, 1], boxes[:, 1] + boxes[:, 3]
    found = (row < full[0]) & (high < np.percentile(low[row == full[0]], 20))
    foot = high[row == full[-1]].max()
    under = sentences[sentences[:, 1] > foot, 1]
    if len(under):
        tall = _AN_X * np.median(boxes[row == full[-1], 3])
        for k in range(full[-1] + 1, row.max() + 1):
            mine = (row == k) & (low > under.min())
            if mine.any() and boxes[mine, 3].max() < tall:
                found |= mine
    return found
