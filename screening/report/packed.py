"""The rows of a long page packed: its script unpacks those it shows, so that thousands travel in
one small file and a browser lays out a few.

The first `INLINE` rows stand in the page as they are; the others, and what is searched of them,
are JSON, deflated, in base64, some `PACKED` to a piece.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice

from screening.classes import LOW_PRIORITY
from screening.record import Picture

INLINE = 20
PACKED = 10
PICTURE_BYTES = 9_500
"""JPEG of a row that a page has room for on average: 1,000 rows stay under 15 MB."""
LEAST_ROWS, MOST_ROWS = 100, 2000
"""For how many rows there is room at least, and at most: larger pages show the most urgent ones."""


def packed(values: Sequence[object]) -> str:
    """Return values as the page's script unpacks them."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"))).decode("ascii")


def pieces(rows: Iterator[str]) -> Iterator[str]:
    """Yield rows packed, piece by piece: no more than a piece of them is in memory."""
    while piece := list(islice(rows, PACKED)):
        yield packed(piece)


def with_room(pictures: Sequence[Picture]) -> tuple[set[str], set[str]]:
    """Return the names of the pictures that show themselves, and of those that show single
    chromosomes too: the most urgent ones, which come first, until the page has no more room."""
    room = PICTURE_BYTES * min(max(len(pictures), LEAST_ROWS), MOST_ROWS)
    whole: set[str] = set()
    close: set[str] = set()
    for picture in pictures:
        room -= len(picture.thumbnail)
        if picture.judged.route != LOW_PRIORITY:
            room -= len(picture.heat) + len(picture.changed)
        if room < 0:
            return whole, close
        whole.add(picture.image)
    for picture in pictures:
        room -= sum(len(jpeg) for _, jpeg in (*picture.crops, *picture.pairs))
        if room < 0:
            return whole, close
        close.add(picture.image)
    return whole, close
