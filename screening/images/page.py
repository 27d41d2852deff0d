"""A normalised page that keeps what was computed of it, each once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from screening.images.foreground import Components, components, content_box_of, ink_of, shrunk
from screening.images.normalise import cut, normalise, padded
from screening.images.surround import surround


class Page:
    """A normalised page: `paper` uint8 (h, w), dark chromosomes on 255.

    What is asked of it is computed at the first question. One thread at a time.
    """

    def __init__(self, paper: np.ndarray, grey: np.ndarray | None = None) -> None:
        self.paper, self.grey = paper, grey

    @staticmethod
    def of(grey: np.ndarray) -> Page:
        """Return the page of a grey picture uint8 (h, w) as it was read.

        Without what surrounds it: a window's dark bar may not tell how light the paper is.
        """
        page = Page(normalise(grey), grey)
        gone = surround(page.paper)
        return page if gone is None else page.without(gone)

    def without(self, gone: np.ndarray) -> Page:
        """Return the page developed anew from the picture without what is `gone`, bool (h, w) or
        (h, 1)."""
        grey = self.paper if self.grey is None else self.grey
        gone = np.broadcast_to(gone, grey.shape)
        bare = np.where(gone, np.median(grey[~gone]).astype(np.uint8), grey)
        return Page(np.where(gone, np.uint8(255), normalise(bare)), bare)

    @cached_property
    def shrunk(self) -> tuple[np.ndarray, float]:
        """Return the page at most 1,400 px long, and its scale (1 when untouched)."""
        return shrunk(self.paper)

    @cached_property
    def components(self) -> Components:
        """Return the connected objects of the shrunk page."""
        return components(self.shrunk[0])

    @cached_property
    def ink(self) -> np.ndarray:
        """Return the ink as uint8 0/1 (h, w)."""
        return ink_of(self.paper)

    @cached_property
    def margins(self) -> tuple[int, int, int, int]:
        """Return the box (x, y, w, h) of the content with its pad; it may reach beyond the page."""
        return padded(content_box_of(self.components, self.paper.shape, self.shrunk[1]))

    @cached_property
    def cropped(self) -> np.ndarray:
        """Return uint8 (h, w) without margins, frames and distant captions."""
        return cut(self.paper, self.margins)

    def drop_objects(self) -> None:
        """Forget the objects and the ink, which take most memory and only the first looks need."""
        self.margins  # noqa: B018 (kept: it is made from the objects)
        for name in ("shrunk", "components", "ink"):
            self.__dict__.pop(name, None)

    def fractions(self, boxes: np.ndarray) -> np.ndarray:
        """Return boxes (n, 4) x, y, w, h in pixels of the page as fractions of `cropped`."""
        left, top, width, height = self.margins
        inside = np.asarray(boxes, np.float64).reshape(-1, 4) - (left, top, 0, 0)
        return inside / (width, height, width, height)
