"""What `locate` returns: chromosomes on a page, and other plausible cuttings of the same ink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from screening.karyogram.crops import Outline, outline_of
from screening.karyogram.locate.axis import medial_axis
from screening.karyogram.locate.rows import groups_of


@dataclass(frozen=True, eq=False)
class FoundChromosome:
    """One chromosome on a page; all lengths and places in pixels of the page given to `locate`.

    `x`, `y`, `w`, `h`: tight box; `mask` bool (h, w): its ink; `axis` float32 (k, 2): medial line
    as (x, y) from the top end to the bottom end, smooth, k >= 2; `length` along the axis; `width`:
    median extent across it; `row` from the top; `group`: neighbours that stand together as the
    content of one slot, numbered through the page in reading order.
    """

    x: int
    y: int
    w: int
    h: int
    mask: np.ndarray
    axis: np.ndarray
    length: float
    width: float
    row: int = 0
    group: int = 0

    @staticmethod
    def of(
        mask: np.ndarray, x: int, y: int, unit: float, row: int = 0, group: int = 0
    ) -> FoundChromosome:
        """Return the chromosome whose ink is `mask` (without margins), its corner at x, y; `unit`:
        the typical width of one on the page."""
        axis, length, width = medial_axis(mask, unit)
        axis += np.array([x, y], np.float32)
        h, w = mask.shape
        return FoundChromosome(x, y, w, h, mask, axis, length, width, row, group)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Return the tight box x, y, w, h."""
        return self.x, self.y, self.w, self.h

    @cached_property
    def area(self) -> int:
        """Return the number of pixels of ink."""
        return int(np.count_nonzero(self.mask))

    def crop(self, paper: np.ndarray) -> np.ndarray:
        """Return uint8 (h, w) as it stands on the page, white outside the mask."""
        window = paper[self.y : self.y + self.h, self.x : self.x + self.w]
        return np.where(self.mask, window, np.uint8(255))

    def outline(self, paper: np.ndarray) -> Outline | None:
        """Return the outline of its crop (None: no ink), made once: a chromosome has one page, and
        both networks see it straightened."""
        if "_outline" not in self.__dict__:
            self.__dict__["_outline"] = outline_of(self.crop(paper))
        kept: Outline | None = self.__dict__["_outline"]
        return kept


@dataclass(frozen=True, eq=False)
class AmbiguousCut:
    """Chromosomes whose cutting is uncertain.

    `members`: indices into `Located.chromosomes`; `alternatives`: one to three other cuttings of
    the members' ink, the most plausible first, with fewer, more or other pieces; `plausible`: the
    probability by shape alone of the cutting chosen and of each alternative, sum 1.
    """

    members: tuple[int, ...]
    alternatives: tuple[tuple[FoundChromosome, ...], ...]
    plausible: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Located:
    """All chromosomes of a page in reading order, cut as their shapes suggest.

    `doubts` share no member, so that any choice of alternatives fits together; `rows`: number of
    rows; `print_boxes`: boxes (x, y, w, h) of letters, rules, arrows and captions;
    `chromosome_width`: the typical one in pixels, 0 on a page without any.
    """

    chromosomes: tuple[FoundChromosome, ...]
    doubts: tuple[AmbiguousCut, ...] = ()
    rows: int = 0
    print_boxes: tuple[tuple[int, int, int, int], ...] = ()
    chromosome_width: float = 0.0

    def in_rows(self, row: np.ndarray) -> Located:
        """Return the page in reading order of other rows, int (n,) from the top, with the groups of
        these; alternatives stand where the first of their members does."""
        boxes = np.array([each.box for each in self.chromosomes], np.int64)
        order = np.lexsort((boxes[:, 0] + boxes[:, 2] / 2, row))
        group = groups_of(boxes[order], row[order], self.chromosome_width)
        place = np.argsort(order)
        made = [
            replace(self.chromosomes[i], row=int(row[i]), group=int(g))
            for i, g in zip(order, group, strict=True)
        ]
        doubts = []
        for doubt in self.doubts:
            members = tuple(sorted(int(place[m]) for m in doubt.members))
            at = made[members[0]]
            others = tuple(
                tuple(replace(piece, row=at.row, group=at.group) for piece in pieces)
                for pieces in doubt.alternatives
            )
            doubts.append(replace(doubt, members=members, alternatives=others))
        doubts.sort(key=lambda doubt: doubt.members)
        rows = int(row.max()) + 1
        return replace(self, chromosomes=tuple(made), doubts=tuple(doubts), rows=rows)

    def replaced(self, choices: Mapping[int, int]) -> Located:
        """Return the page with alternatives taken: doubt index -> alternative index.

        Chromosomes stay in reading order; doubts that are decided are gone, the others keep their
        order and point to their members' new places. IndexError for a doubt or an alternative that
        does not exist.
        """
        taken = {i: self.doubts[i].alternatives[choice] for i, choice in choices.items()}
        gone = {member for i in taken for member in self.doubts[i].members}
        left = [doubt for i, doubt in enumerate(self.doubts) if i not in taken]
        return self._exchanged(gone, [each for pieces in taken.values() for each in pieces], left)

    def parted(self, parts: Mapping[int, Sequence[FoundChromosome]]) -> Located:
        """Return the page with chromosomes parted: index of a chromosome -> its parts.

        Doubts about one that is parted are gone.
        """
        gone = {*parts}
        left = [doubt for doubt in self.doubts if not gone & {*doubt.members}]
        return self._exchanged(gone, [each for pieces in parts.values() for each in pieces], left)

    def _exchanged(
        self, gone: Set[int], new: Sequence[FoundChromosome], doubts: Sequence[AmbiguousCut]
    ) -> Located:
        """The page with `new` chromosomes for those `gone`; of the others are the `doubts`."""
        old = [(each, i) for i, each in enumerate(self.chromosomes) if i not in gone]
        both = [*old, *((each, -1) for each in new)]
        both.sort(key=lambda pair: (pair[0].row, pair[0].x + pair[0].w / 2))
        place = {i: at for at, (_, i) in enumerate(both) if i >= 0}
        moved = tuple(replace(d, members=tuple(place[m] for m in d.members)) for d in doubts)
        return replace(self, chromosomes=tuple(each for each, _ in both), doubts=moved)
