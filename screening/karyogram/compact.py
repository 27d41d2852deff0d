"""The canonical karyogram: what was found on a page, upright, in one ink, with the gaps closed.

A network that sees the page itself sees captions, gaps and margins, and a chromosome 21 of a dozen
pixels. Here every chromosome that was found is straightened, its ink stretched as in the
classifier's crops, and packed as large as a square input allows, at one scale for the page. Nothing
is used but what `karyogram.locate` saw: masks, axes, rows, groups and order, never a class that was
read.

Where a chromosome stands still means what it meant. The order is the page's reading order. A row
begins a new line, and one that is too wide goes on in further lines below it, cut between groups
only, so that what fills a position stays together and no row mixes with another: the row tells a
chromosome's size, and its neighbours are those of the page. Into how many lines rows are cut is
what gives the largest scale. Gaps are closed to two widths, narrow within a group and wider between
groups, because one chromosome alone, or three together, is what a loss or a gain looks like.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import cv2
import numpy as np

from screening.errors import ScreeningError
from screening.images.normalise import PAPER
from screening.images.page import Page
from screening.karyogram.crops import BODY_SHARE, LENGTH_SHARE, Outline, sample, tone_curve
from screening.karyogram.gate import inspect
from screening.karyogram.locate import FoundChromosome, Located, Locator

Box = tuple[int, int, int, int]

_WITHIN, _BETWEEN, _LINES = 0.15, 0.5, 0.5
"""Gaps within a group, between groups and between lines, in median widths of the page; the picture
has an edge like a line's."""

_POSITION = 6
"""More than this in a group are no position: the page's gaps tell none, and it may be cut."""

_BROAD = 3.0
"""Widths of a chromosome that are sampled across its axis."""

_KEPT = 0.9
"""Share of the ink's area that straightening keeps at least; else the chromosome stays as it
stands: crossed ones have no single axis."""

_MOST_ENLARGED = 4.0
"""A page of a few small objects has no more to show than this makes of it."""

_HALVINGS = 24
"""Of the range of scales: to far below a pixel."""


@dataclass(frozen=True, eq=False)
class CompactView:
    """A page laid out for a network: `picture` uint8 (size, size), dark on 255; `boxes` x, y, w, h
    in its pixels, one for each of `Located.chromosomes` (None: left out); `scale`: its pixels to
    one of the page."""

    picture: np.ndarray
    boxes: tuple[Box | None, ...]
    scale: float

    @property
    def left_out(self) -> tuple[int, ...]:
        """Return the places in `Located.chromosomes` of those that show no ink."""
        return tuple(i for i, box in enumerate(self.boxes) if box is None)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Return what a person must be told of the picture, in sentences."""
        count = len(self.left_out)
        if not count:
            return ()
        what = "object shows no ink and is" if count == 1 else "objects show no ink and are"
        return (f"{count} {what} not in the picture that the network sees",)


@dataclass(frozen=True, eq=False)
class _Piece:
    """A chromosome, straightened at the page's scale: ink uint8 (h, w) on 0, without a margin."""

    place: int
    ink: np.ndarray

    def size(self, scale: float) -> tuple[int, int]:
        h, w = self.ink.shape
        return max(1, round(h * scale)), max(1, round(w * scale))


_Group = Sequence[_Piece]
_Line = Sequence[_Group]


def compact(paper: np.ndarray, located: Located, size: int) -> CompactView:
    """Return what was `located` on `paper`, uint8 (h, w), normalised, as a network of `size` px
    sees it.

    Every chromosome with any ink is in the picture once, and nothing else is. ScreeningError when
    there is none, or more than `size` px have room for.
    """
    pieces = [
        _Piece(place, ink)
        for place, each in enumerate(located.chromosomes)
        if (ink := upright(each.crop(paper), each.outline(paper))).size
    ]
    if not pieces:
        raise ScreeningError("no chromosomes were found on the page: nothing can be laid out")
    rows = list(_rows(pieces, located.chromosomes))
    packing = _packed(rows, float(np.median([piece.ink.shape[1] for piece in pieces])), size)
    scale = packing.scale
    boxes: list[Box | None] = [None] * len(located.chromosomes)
    picture = np.full((size, size), PAPER, np.uint8)
    for piece, (x, y, w, h) in packing.placed(rows):
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture[y : y + h, x : x + w] = PAPER - cv2.resize(piece.ink, (w, h), interpolation=method)
        boxes[piece.place] = (x, y, w, h)
    return CompactView(picture, tuple(boxes), scale)


def compact_of(page: Page, locator: Locator, size: int) -> CompactView:
    """Return a page as screening lays it out, whether or not the gate lets it through; see
    `compact`."""
    inspection = inspect(page, locator)
    located = inspection.located or locator.locate(page)
    return compact((inspection.page or page).paper, located, size)


def upright(crop: np.ndarray, outline: Outline | None) -> np.ndarray:
    """Return the chromosome of `crop`, uint8 (h, w) dark on white, along its axis, the upper end on
    top, at the crop's scale: ink uint8 (h, w) on 0, stretched as in `crops.sample`, no margin;
    (0, 0) without an `outline`, which is None where there is no ink."""
    if outline is None:
        return np.zeros((0, 0), np.uint8)
    # As high and as wide on the canvas as on the page, the canvas broader than the classifier's.
    size = round(outline.length / LENGTH_SHARE), round(_BROAD * outline.width)
    broad = replace(outline, width=_BROAD * BODY_SHARE * outline.width)
    straight = _trimmed(sample(crop, broad, (max(2, size[0]), max(2, size[1]))))
    stands = _trimmed(cv2.LUT(255 - crop, tone_curve(outline)))
    whole = np.count_nonzero(straight) >= _KEPT * np.count_nonzero(stands)
    return straight if whole else stands


def _trimmed(ink: np.ndarray) -> np.ndarray:
    x, y, w, h = cv2.boundingRect(ink)
    return ink[y : y + h, x : x + w]


def _rows(pieces: Sequence[_Piece], found: Sequence[FoundChromosome]) -> Iterator[list[_Group]]:
    """Yield the groups of each row, in reading order."""
    for _, row in groupby(pieces, lambda piece: found[piece.place].row):
        groups: list[_Group] = []
        for _, members in groupby(row, lambda piece: found[piece.place].group):
            group = list(members)
            groups += [group] if len(group) <= _POSITION else [[piece] for piece in group]
        yield groups


@dataclass(frozen=True)
class _Packing:
    """How groups fill a square of `size` px at a scale; `unit`: median width in px of the page."""

    unit: float
    size: int
    scale: float

    def lines(self, rows: Sequence[_Line]) -> list[_Line]:
        """Return the lines: each row in as few as it needs, these about equally wide."""
        made: list[_Line] = []
        for row in rows:
            wide, narrow = self._inner, 0
            lines = self._cut(row, wide)
            while len(lines) > 1 and wide - narrow > 1:
                middle = (wide + narrow) // 2
                tried = self._cut(row, middle)
                wide, narrow = (middle, narrow) if len(tried) == len(lines) else (wide, middle)
            made += self._cut(row, wide)
        return made

    def fits(self, rows: Sequence[_Line]) -> bool:
        """Return whether the rows have room."""
        lines = self.lines(rows)
        return self._height(lines) <= self._inner >= max(map(self._width, lines))

    def placed(self, rows: Sequence[_Line]) -> Iterator[tuple[_Piece, Box]]:
        """Yield each piece with its box x, y, w, h; those of a line stand on one level, the lines
        in the middle of the square."""
        lines = self.lines(rows)
        left = (self.size - max(map(self._width, lines))) // 2
        y = (self.size - self._height(lines)) // 2
        for line in lines:
            x, y = left, y + self._tallest(line)
            for group in line:
                for piece in group:
                    h, w = piece.size(self.scale)
                    yield piece, (x, y - h, w, h)
                    x += w + self._gap(_WITHIN)
                x += self._gap(_BETWEEN) - self._gap(_WITHIN)
            y += self._gap(_LINES)

    @property
    def _inner(self) -> int:
        return self.size - 2 * self._gap(_LINES)

    def _gap(self, widths: float) -> int:
        return max(1, round(widths * self.unit * self.scale))

    def _cut(self, row: _Line, most: int) -> Sequence[_Line]:
        """Return the row in lines of at most `most` px; a wider group has one of its own."""
        lines: list[list[_Group]] = []
        room = 0
        for group in row:
            taken = self._width([group]) + self._gap(_BETWEEN)
            if not lines or taken - self._gap(_BETWEEN) > room:
                lines.append([])
                room = most
            lines[-1].append(group)
            room -= taken
        return lines

    def _width(self, line: _Line) -> int:
        within, between = self._gap(_WITHIN), self._gap(_BETWEEN)
        groups = (
            sum(piece.size(self.scale)[1] + within for piece in group) - within for group in line
        )
        return sum(width + between for width in groups) - between

    def _height(self, lines: Sequence[_Line]) -> int:
        return sum(self._tallest(line) + self._gap(_LINES) for line in lines) - self._gap(_LINES)

    def _tallest(self, line: _Line) -> int:
        return max(piece.size(self.scale)[0] for group in line for piece in group)


def _packed(rows: Sequence[_Line], unit: float, size: int) -> _Packing:
    """Return the packing of the largest scale at which the rows have room."""
    packing = _Packing(unit, size, _MOST_ENLARGED)
    if packing.fits(rows):
        return packing
    low, high = replace(packing, scale=0.0), packing
    if not low.fits(rows):
        count = sum(len(group) for row in rows for group in row)
        raise ScreeningError(
            f"{count} objects are too many for a picture of {size} pixels: they would be dots"
        )
    for _ in range(_HALVINGS):
        middle = replace(packing, scale=(low.scale + high.scale) / 2)
        low, high = (middle, high) if middle.fits(rows) else (low, middle)
    return low
