"""Where the network looked, laid over the page: a small picture for the work list.

The network's map lies on the picture that it saw. In the plain view that is the page; in the
compact view each chromosome stands elsewhere, and its part of the map goes back to where it stands
on the page.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

Place = tuple[tuple[float, float, float, float], tuple[float, float, float, float]]
"""A box x, y, w, h in pixels of what the network saw, and the same on the page, in fractions."""

_SIDE = 56  # px, longest side: a cell of the last map covers several chromosomes
_LEVELS = 16
_RED = (208, 32, 32)
_MOST = 170  # of 255: bands are still seen under the reddest place


def plain_place(shape: tuple[int, int], size: int) -> Place:
    """Return where a page of `shape` (h, w) lies in a letterbox of `size` px."""
    scale = size / max(shape)
    h, w = shape[0] * scale, shape[1] * scale
    return ((size - w) / 2, (size - h) / 2, w, h), (0.0, 0.0, 1.0, 1.0)


def heat(seen: np.ndarray, size: int, places: Sequence[Place], shape: tuple[int, int]) -> bytes:
    """Return a PNG to lay over the page of `shape` (h, w): red where the map `seen`, uint8 (m, m)
    over the network's picture of `size` px, is high, clear where it is 0; b"" when it is 0
    everywhere."""
    if not seen.any():
        return b""
    whole = cv2.resize(seen, (size, size), interpolation=cv2.INTER_LINEAR)
    scale = _SIDE / max(shape)
    h, w = (max(1, round(side * scale)) for side in shape)
    made = np.zeros((h, w), np.uint8)
    for (x, y, across, along), (left, top, broad, high) in places:
        part = whole[round(y) : round(y + along), round(x) : round(x + across)]
        x0, y0 = max(0, round(left * w)), max(0, round(top * h))
        x1, y1 = min(w, round((left + broad) * w)), min(h, round((top + high) * h))
        if part.size and x1 > x0 and y1 > y0:
            new = cv2.resize(part, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
            made[y0:y1, x0:x1] = np.maximum(made[y0:y1, x0:x1], new)
    picture = Image.fromarray((made.astype(np.uint16) * (_LEVELS - 1) // 255).astype(np.uint8), "P")
    picture.putpalette(_RED * _LEVELS)
    clear = bytes(_MOST * level // (_LEVELS - 1) for level in range(_LEVELS))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, bits=4, transparency=clear)
    return buffer.getvalue()
