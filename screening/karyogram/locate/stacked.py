"""Where chromosomes of one row touch those of the next: rows that stand close are kept apart.

The network learned borders between neighbours in a row. Between rows it is the row that tells: at
the feet of one nearly no ink is left, and what goes on there reaches far into both.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from screening.karyogram.locate.regions import Graph, N, Y
from screening.karyogram.locate.segments import WORK_WIDTH, Segments

_REACH = round(6 * WORK_WIDTH)  # px up and down in which the fullest line of a row lies
_THIN = 0.35  # of the fullest lines above and below: between rows
_INTO = 0.55  # of a row's median height: what reaches so far into both rows is of both


def stacked_pieces(found: Segments, graph: Graph, part: np.ndarray) -> np.ndarray:
    """Return int (c, 2): (piece, line of the copy) at which pieces are to be parted, from the top.

    `part` int (r,): the piece of each region of `graph`.
    """
    lines = _between_rows(found.inside.sum(1).astype(np.float64))
    none = np.zeros((0, 2), np.int64)
    if not len(lines) or not len(part):
        return none
    box = graph.joined(part).box
    top, bottom = box[:, 1], box[:, 3]
    whole = ~((top < lines[:, None] - WORK_WIDTH) & (bottom > lines[:, None] + WORK_WIDTH)).any(0)
    row = np.searchsorted(lines, (top + bottom) / 2)
    height = np.full(len(lines) + 1, np.inf)
    for k in range(len(height)):
        mine = whole & (row == k) & (bottom - top > WORK_WIDTH)
        if np.count_nonzero(mine) >= 2:
            height[k] = float(np.median((bottom - top)[mine]))
    cuts = [
        (piece, line)
        for k, line in enumerate(lines)
        for piece in np.flatnonzero(~whole)
        if line - top[piece] > _INTO * height[k] and bottom[piece] - line > _INTO * height[k + 1]
    ]
    return np.array(cuts, np.int64) if cuts else none


def parted(found: Segments, labels: np.ndarray, part: np.ndarray, cuts: np.ndarray) -> Segments:
    """Return the segments with a line of paper where pieces are to be parted."""
    inside = found.inside.copy()
    of_piece = np.concatenate([[-1], part])[labels]
    for piece, line in cuts:
        inside[line, of_piece[line] == piece] = False
    return replace(found, inside=inside, border=np.where(inside, found.border, 0))


def unlinked(graph: Graph, labels: np.ndarray, before: np.ndarray, cuts: np.ndarray) -> Graph:
    """Return the graph of regions without contacts across the cuts.

    `before` int (h, w): piece + 1 of each pixel when the cuts were chosen, 0 outside.
    """
    count = len(graph.peak)
    piece = np.zeros(count + 1, np.int64)
    piece[labels] = before
    floor = np.zeros(count, np.int64)
    middle = graph.sums[:, Y] / graph.sums[:, N]
    for number, line in cuts:
        floor += (piece[1:] == number + 1) & (middle > line)
    kept = floor[graph.pair[:, 0]] == floor[graph.pair[:, 1]]
    kept |= piece[1:][graph.pair[:, 0]] != piece[1:][graph.pair[:, 1]]
    return replace(
        graph, pair=graph.pair[kept], contact=graph.contact[kept], least=graph.least[kept],
        most=graph.most[kept], neck=graph.neck[kept], gap=graph.gap[kept],
    )  # fmt: skip


def _between_rows(ink: np.ndarray) -> np.ndarray:
    """Return the lines int (k,) with little or no ink between fuller ones."""
    padded = np.pad(ink, _REACH)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _REACH).max(1)
    above, below = windows[: len(ink)], windows[_REACH + 1 :][: len(ink)]
    thin = ink < _THIN * np.minimum(above, below)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], thin, [False]]).astype(int)))
    runs = edges.reshape(-1, 2)
    return np.array([start + int(ink[start:end].argmin()) for start, end in runs], np.int64)
