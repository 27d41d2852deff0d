"""A front that spreads through a mask from pixel to pixel, squares and crosses by turns, so that it
is an octagon, nearly round.

A mask is one whole number, a bit for each pixel: a step is a few shifts of it, a tenth of the time
that a morphological operation takes to be called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np


class Fronts:
    """The ways of a front through a `mask`, (h, w) of 0 and 1."""

    def __init__(self, mask: np.ndarray) -> None:
        # A column of paper, so that nothing goes on in the next row.
        rows = np.pad(mask, ((0, 0), (0, 1)))
        self._shape = rows.shape
        self._row = rows.shape[1]
        self._mask = int.from_bytes(np.packbits(rows).tobytes(), "big")
        self._bytes = -(-rows.size // 8)

    def spread(self, seeds: Iterable[tuple[int, int]], square: bool) -> Iterator[int]:
        """Yield the `seeds`, y and x inside the mask, and what is reached after each step from
        them; the first step is a `square` or else a cross."""
        last = 8 * self._bytes - 1
        reached = 0
        for y, x in seeds:
            reached |= 1 << last - int(y) * self._row - int(x)
        mask, row = self._mask, self._row
        while True:
            yield reached
            if square:
                wide = reached | reached << 1 | reached >> 1
                reached = (wide | wide << row | wide >> row) & mask
            else:
                across = reached << 1 | reached >> 1 | reached << row | reached >> row
                reached = (reached | across) & mask
            square = not square

    def steps(self, reached: Sequence[int]) -> np.ndarray:
        """Return int64 (h, w): after how many steps each pixel is reached, 0 for seeds; one more
        than there are where none does."""
        joined = b"".join(one.to_bytes(self._bytes, "big") for one in reached)
        packed = np.frombuffer(joined, np.uint8).reshape(len(reached), self._bytes)
        h, w = self._shape
        held = np.zeros(8 * self._bytes, np.int64)
        for first in range(0, len(packed), 255):  # sums of so many fit into a byte
            held += np.unpackbits(packed[first : first + 255], axis=1).sum(0, dtype=np.uint8)
        return len(reached) - held[: h * w].reshape(h, w)[:, :-1]
