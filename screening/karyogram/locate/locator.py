"""The locator: from a normalised page to its chromosomes, the steps in order."""

from __future__ import annotations

import cv2
import numpy as np

from screening.bundle import Bundle
from screening.errors import BundleError
from screening.images.page import Page
from screening.karyogram.locate.arbiter import Arbiter
from screening.karyogram.locate.found import AmbiguousCut, FoundChromosome, Located
from screening.karyogram.locate.masks import Outlines, Piece, grown
from screening.karyogram.locate.partition import AmbiguousPieces, Partition, partition
from screening.karyogram.locate.printing import printed_pieces, unlike_in_tone
from screening.karyogram.locate.regions import Graph, drawn_in, regions
from screening.karyogram.locate.rows import assign_rows, groups_of
from screening.karyogram.locate.segments import (
    WORK_WIDTH,
    Segmenter,
    Segments,
    familiar,
    objects_alone,
    page_copy,
    typical_width,
)
from screening.karyogram.locate.stacked import parted, stacked_pieces, unlinked
from screening.page_settings import Gate

SEGMENTER, ARBITER = "segmenter", "arbiter"
"""Names of the bundle's parts."""
MANY = 1200
"""More regions than this are no karyogram: they are counted, not joined."""
_LEAST = 0.3 * WORK_WIDTH**2  # px of ink: anything smaller is dirt
_MISJUDGED = 1.2  # times the width assumed; 0.85 to 1.05 on nearly all pages
_LEAST_MARK = 4  # px of ink: anything smaller is no letter


class Locator:
    """Finds every chromosome of a page with a bundle's segmenter and arbiter.

    `gate`: how many of them `karyogram.gate` lets through. One object serves any number of threads.
    """

    def __init__(self, segmenter: Segmenter, arbiter: Arbiter, gate: Gate) -> None:
        self.segmenter, self.arbiter, self.gate = segmenter, arbiter, gate

    @staticmethod
    def of(bundle: Bundle) -> Locator:
        """Return the locator of a bundle; BundleError when it lacks a part or has one that does
        not fit this version."""
        segmenter = Segmenter(bundle.read_part(SEGMENTER))
        try:
            arbiter = Arbiter.from_json(bundle.read_part(ARBITER))
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{bundle.folder}: its part {ARBITER!r} is no use: {error}") from None
        return Locator(segmenter, arbiter, bundle.info.reading.gate)

    def locate(self, page: Page) -> Located:
        """Return the chromosomes of a normalised page of any resolution.

        Touching chromosomes are cut apart; letters, rules and arrows are left out. Pages are
        analysed on a copy on which chromosomes are ten pixels wide; all coordinates returned are
        the given page's. On a page unlike any karyogram, each connected object of plausible size is
        returned. ValueError for another shape or dtype.
        """
        paper = page.paper
        if paper.ndim != 2 or paper.dtype != np.uint8 or paper.size == 0:
            raise ValueError(
                f"expected a normalised page uint8 (h, w), received {paper.dtype} {paper.shape}: "
                "see images.normalise.normalise"
            )
        small, shrink = page.shrunk
        width = typical_width(small)
        if not width:
            return Located((), (), 0, (), 0.0)
        located = self._located(page, width)
        # Chromosomes with open chromatids or white bands look as slender as their halves at first.
        wider = located.chromosome_width * shrink
        if wider > _MISJUDGED * width:
            located = self._located(page, wider)
        return located

    def _located(self, page: Page, width: float) -> Located:
        """Return what is found when a typical chromosome is `width` pixels of the shrunk page."""
        paper, small = page.paper, page.shrunk[0]
        copy, scale = page_copy(small, width)
        found = self.segmenter.segments(copy)
        known = familiar(copy, found)
        if not known:
            found = objects_alone(copy)
        labels, graph = regions(found)
        cutting = self._cutting(graph, labels, known)
        cuts = stacked_pieces(found, graph, cutting.part if known else cutting.part[:0])
        if len(cuts):
            before = np.concatenate([[0], cutting.part + 1])[labels]
            found = parted(found, labels, cutting.part, cuts)
            labels, graph = regions(found)
            graph = unlinked(graph, labels, before, cuts)
            cutting = self._cutting(graph, labels, known)
        # Both resizings round the page's sides: the true scale is that of the sides.
        sides = [max(8, round(side * scale)) for side in small.shape[::-1]]
        scales = sides[0] / paper.shape[1], sides[1] / paper.shape[0]
        outlines = Outlines(page.ink > 0, grown(labels, found.printed | found.inside), scales)
        drawn = drawn_in(labels, cutting.part, found)
        return _Pieces(paper, outlines, cutting, drawn, WORK_WIDTH / scales[0]).located(
            _other(found, scales, paper.shape)
        )

    def _cutting(self, graph: Graph, labels: np.ndarray, known: bool) -> Partition:
        """Return the pieces; on a page that the network does not know, each connected object is
        one."""
        count = len(graph.peak)
        if count > MANY:
            return Partition(np.arange(count), ())
        _, objects = cv2.connectedComponents((labels > 0).astype(np.uint8), connectivity=8)
        apart = np.zeros(count + 1, np.int64)
        apart[labels] = objects
        if not known:
            return Partition(np.unique(apart[1:], return_inverse=True)[1], ())
        return partition(graph, apart[1:], self.arbiter)


def _other(
    found: Segments, scales: tuple[float, float], shape: tuple[int, int]
) -> tuple[tuple[int, int, int, int], ...]:
    """Return the boxes of what is ink but no chromosome, on the page."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(found.printed.astype(np.uint8))
    boxes = []
    for x, y, w, h, area in stats[1:].tolist():
        if area < _LEAST_MARK:
            continue
        x0, y0 = int(x / scales[0]), int(y / scales[1])
        x1 = min(shape[1], max(x0 + 1, round((x + w) / scales[0])))
        y1 = min(shape[0], max(y0 + 1, round((y + h) / scales[1])))
        boxes.append((x0, y0, x1 - x0, y1 - y0))
    return tuple(boxes)


class _Pieces:
    """The pieces of one page while they become chromosomes."""

    def __init__(
        self,
        paper: np.ndarray,
        outlines: Outlines,
        cutting: Partition,
        drawn: np.ndarray,
        unit: float,
    ) -> None:
        self.paper, self.outlines, self.cutting, self.unit = paper, outlines, cutting, unit
        least = _LEAST * (unit / WORK_WIDTH) ** 2
        self.pieces: dict[int, Piece] = {}
        self.drawn: list[tuple[int, int, int, int]] = []
        for k, piece in enumerate(outlines.pieces(cutting.part)):
            if piece is None or np.count_nonzero(piece.mask) < least:
                continue
            if drawn[k]:
                self.drawn.append((piece.x, piece.y, piece.w, piece.h))
            else:
                self.pieces[k] = piece

    def located(self, other: tuple[tuple[int, int, int, int], ...]) -> Located:
        other = (*other, *self.drawn)
        other += self._taken(unlike_in_tone(self.paper, list(self.pieces.values()), self.unit))
        boxes = np.array([(p.x, p.y, p.w, p.h) for p in self.pieces.values()], np.int64)
        ink = np.array([np.count_nonzero(p.mask) for p in self.pieces.values()])
        other += self._taken(printed_pieces(boxes.reshape(-1, 4), ink, other, self.unit))
        if not self.pieces:
            return Located((), (), 0, other, 0.0)
        keys = np.array(list(self.pieces))
        boxes = np.array([(p.x, p.y, p.w, p.h) for p in self.pieces.values()], np.int64)
        row = assign_rows(boxes)
        order = np.lexsort((boxes[:, 0] + boxes[:, 2] / 2, row))
        keys, boxes, row = keys[order], boxes[order], row[order]
        group = groups_of(boxes, row, self.unit)
        place = {int(key): i for i, key in enumerate(keys)}
        made = [
            self._found(self.pieces[int(key)], int(r), int(g))
            for key, r, g in zip(keys, row, group, strict=True)
        ]
        found = (self._doubt(each, place, made) for each in self.cutting.doubts)
        doubts = sorted((d for d in found if d is not None), key=lambda doubt: doubt.members)
        unit = float(np.median([each.width for each in made]))
        return Located(tuple(made), tuple(doubts), int(row.max()) + 1, other, unit)

    def _taken(self, away: np.ndarray) -> tuple[tuple[int, int, int, int], ...]:
        """The boxes of the pieces that are taken `away`, bool (n,)."""
        keys = [key for key, gone in zip(self.pieces, away, strict=True) if gone]
        return tuple((p.x, p.y, p.w, p.h) for p in map(self.pieces.pop, keys))

    def _doubt(
        self, each: AmbiguousPieces, place: dict[int, int], made: list[FoundChromosome]
    ) -> AmbiguousCut | None:
        members = [k for k in each.members if k in place]
        if not members:
            return None
        at = made[place[members[0]]]
        alternatives, weights = [], [0.0]
        for parts, weight in each.alternatives:
            pieces = self.outlines.divided([self.pieces[k] for k in members], parts)
            kept = [p for p in pieces if p is not None]
            if kept:
                kept.sort(key=lambda p: p.x + p.w / 2)
                alternatives.append(tuple(self._found(p, at.row, at.group) for p in kept))
                weights.append(weight)
        if not alternatives:
            return None
        share = np.exp(np.array(weights))
        return AmbiguousCut(
            tuple(sorted(place[k] for k in members)),
            tuple(alternatives),
            tuple((share / share.sum()).tolist()),
        )

    def _found(self, piece: Piece, row: int, group: int) -> FoundChromosome:
        return FoundChromosome.of(piece.mask, piece.x, piece.y, self.unit, row, group)
