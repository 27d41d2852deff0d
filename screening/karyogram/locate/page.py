"""From a normalised page to its chromosomes: the steps in order."""

from __future__ import annotations

import cv2
import numpy as np

from screening.images.foreground import shrunk
from screening.karyogram.locate.axis import medial_axis
from screening.karyogram.locate.expected import expected_areas
from screening.karyogram.locate.found import Doubt, FoundChromosome, Located
from screening.karyogram.locate.objects import Piece, objects, tight
from screening.karyogram.locate.partition import Cutter, leaves, uncertain
from screening.karyogram.locate.rows import groups_of, rows_of

MANY = 400
"""More objects than this are no karyogram: they are counted, not cut."""


def locate(paper: np.ndarray) -> Located:
    """Return the chromosomes of a normalised page uint8 (h, w) of any resolution.

    Touching chromosomes are cut apart; letters, rules and arrows are left out. Pages larger than
    1,400 px are analysed on a shrunken copy; all coordinates returned are the given page's.
    ValueError for another shape or dtype.
    """
    if paper.ndim != 2 or paper.dtype != np.uint8 or paper.size == 0:
        raise ValueError(
            f"expected a normalised page uint8 (h, w), received {paper.dtype} {paper.shape}: "
            "see images.normalise.normalise"
        )
    page, scale = shrunk(paper)
    found = objects(page)
    other = tuple(tuple(round(v / scale) for v in box) for box in found.other.tolist())
    if not found.pieces:
        return Located((), (), 0, other, 0.0)
    return _Page(paper, page, scale, found.pieces, found.unit).located(other)


class _Page:
    """The state of one page while its objects are cut."""

    def __init__(
        self, paper: np.ndarray, page: np.ndarray, scale: float, pieces: list[Piece], unit: float
    ) -> None:
        self.paper, self.page, self.scale, self.pieces, self.unit = paper, page, scale, pieces, unit

    def located(self, other: tuple[tuple[int, int, int, int], ...]) -> Located:
        trees = self._trees()
        pieces: list[Piece] = []
        doubtful = []
        for tree in trees:
            offset = len(pieces)
            pieces += [leaf.piece for leaf in leaves(tree)]
            doubtful += [(offset, each) for each in uncertain(tree)]
        row = rows_of(_boxes(pieces))
        middle = np.array([p.x + p.w / 2 for p in pieces])
        order = np.lexsort((middle, row))
        group = np.empty(len(pieces), np.int64)
        group[order] = groups_of(_boxes([pieces[i] for i in order]), row[order], self.unit)
        place = np.empty(len(pieces), np.int64)
        place[order] = np.arange(len(pieces))
        made = [self._found(pieces[i], int(row[i]), int(group[i])) for i in order]
        doubts = []
        for offset, each in doubtful:
            members = [offset + m for m in each.members]
            at = int(row[members[0]]), int(group[members[0]])
            weights = np.exp(np.array([0.0, *(w for _, w in each.alternatives)]))
            doubts.append(
                Doubt(
                    tuple(sorted(int(place[m]) for m in members)),
                    tuple(
                        tuple(self._found(p, *at) for p in sorted(alt, key=lambda p: p.x + p.w / 2))
                        for alt, _ in each.alternatives
                    ),
                    tuple((weights / weights.sum()).tolist()),
                )
            )
        doubts.sort(key=lambda doubt: doubt.members)
        return Located(
            tuple(made), tuple(doubts), int(row.max()) + 1, other, self.unit / self.scale
        )

    def _trees(self) -> list:
        """Cut every object: first by shape alone, then knowing how large its neighbours are."""
        cutter = Cutter(self.page, self.unit)
        unknown = float("nan")
        if len(self.pieces) > MANY:
            return [cutter.leaf(piece) for piece in self.pieces]
        trees = [cutter.tree(piece, unknown) for piece in self.pieces]
        for _ in range(2):
            parts = [[leaf.piece for leaf in leaves(tree)] for tree in trees]
            expected = expected_areas(self.pieces, parts, self.unit)
            trees = [
                cutter.tree(piece, area)
                for piece, area in zip(self.pieces, expected.tolist(), strict=True)
            ]
        return trees

    def _found(self, piece: Piece, row: int, group: int) -> FoundChromosome:
        """Return the piece in the coordinates of the page given."""
        if self.scale < 1:
            piece = _enlarged(piece, self.paper, self.scale)
        axis, length, width = medial_axis(piece.mask, self.unit / self.scale)
        axis += np.array([piece.x, piece.y], np.float32)
        return FoundChromosome(
            piece.x, piece.y, piece.w, piece.h, piece.mask, axis, length, width, row, group
        )


def _boxes(pieces: list[Piece]) -> np.ndarray:
    return np.array([(p.x, p.y, p.w, p.h) for p in pieces], np.int64).reshape(-1, 4)


def _enlarged(piece: Piece, paper: np.ndarray, scale: float) -> Piece:
    """Return a piece of the shrunken page at the size of the page given."""
    x0, y0 = int(piece.x / scale), int(piece.y / scale)
    x1 = min(paper.shape[1], max(x0 + 1, round((piece.x + piece.w) / scale)))
    y1 = min(paper.shape[0], max(y0 + 1, round((piece.y + piece.h) / scale)))
    soft = cv2.resize(piece.mask.astype(np.uint8) * 255, (x1 - x0, y1 - y0))
    mask = soft >= 128
    return tight(mask if mask.any() else np.ones_like(mask), x0, y0)
