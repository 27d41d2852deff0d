"""What `locate` returns: chromosomes on a page, and other plausible cuttings of the same ink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np


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

    def replaced(self, choices: Mapping[int, int]) -> Located:
        """Return the page with alternatives taken: doubt index -> alternative index.

        Chromosomes stay in reading order; doubts that are decided are gone, the others keep their
        order and point to their members' new places. IndexError for a doubt or an alternative that
        does not exist.
        """
        taken = {i: self.doubts[i].alternatives[choice] for i, choice in choices.items()}
        gone = {member for i in taken for member in self.doubts[i].members}
        old = [(each, i) for i, each in enumerate(self.chromosomes) if i not in gone]
        new = [(each, -1) for pieces in taken.values() for each in pieces]
        both = sorted(old + new, key=lambda pair: (pair[0].row, pair[0].x + pair[0].w / 2))
        place = {i: at for at, (_, i) in enumerate(both) if i >= 0}
        left = [doubt for i, doubt in enumerate(self.doubts) if i not in taken]
        moved = tuple(replace(d, members=tuple(place[m] for m in d.members)) for d in left)
        return replace(self, chromosomes=tuple(each for each, _ in both), doubts=moved)
