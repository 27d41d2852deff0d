"""The pages of a TIFF that are pictures of their own, from its directories alone.

Reduced copies, masks, labels and the levels of a slide scan are not (TIFF 6.0, NewSubfileType).
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _DESCRIPTION = 254, 255, 270
_REDUCED_OR_MASK = 0b101  # bits of NewSubfileType
_OLD_REDUCED = 2  # of SubfileType
_MOST_ENTRIES = 4096  # a directory of a picture has some twenty
_DIRECTORIES_PER_PAGE = 8  # a pyramid has about as many levels
_LONGEST_DESCRIPTION = 1 << 16
_IMAGEJ_COUNT = re.compile(rb"^images=(\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class TiffPages:
    """`indices`: places in the chain of directories of the pages that are pictures of their own;
    `problem`: why there may be more that cannot be found, "" when there are none."""

    indices: tuple[int, ...]
    problem: str = ""


def tiff_pages(file: BinaryIO, most: int) -> TiffPages:
    """Return the pages of a TIFF or BigTIFF, at most `most` + 1 of them; reads no pixels.

    Ends at a chain that leads back to itself, out of the file or on and on. When every page says
    that it is reduced, the first one counts.
    """
    try:
        chain = _Chain(file)
    except struct.error:
        return TiffPages((), "its header is truncated")
    pages: list[int] = []
    visited: set[int] = set()
    problem, place = "", 0
    while chain.next and len(pages) <= most:
        if chain.next in visited:
            problem = "the list of its pages leads back to an earlier one"
            break
        if place >= most * _DIRECTORIES_PER_PAGE:
            problem = f"it lists more than {place:,} pages"
            break
        visited.add(chain.next)
        try:
            own = chain.read()
        except (struct.error, OverflowError, OSError):
            problem = "the list of its pages is damaged or truncated"
            break
        if own:
            pages.append(place)
        place += 1
        if place == 1 and chain.is_slide:
            break
    if not pages and place:
        pages.append(0)
    if not problem and pages and place < chain.promised:
        problem = f"ImageJ wrote {chain.promised} pictures, of which {place} are listed"
    return TiffPages(tuple(pages), problem)


class _Chain:
    """Reads directory after directory; `next` is the offset of the following one, 0 at the end."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(16)
        self.order = "<" if head[:2] == b"II" else ">"
        self.big = 43 in head[2:4]
        (self.next,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), head,
                                          8 if self.big else 4)  # fmt: skip
        self.is_slide = False
        self.promised = 0
        self._described = False

    def read(self) -> bool:
        """Return whether the next page is a picture of its own, and go on to the one behind."""
        number, entry, offset = ("Q", 20, "Q") if self.big else ("H", 12, "I")
        self.file.seek(self.next)
        (count,) = self._unpack(number)
        if not 0 < count <= _MOST_ENTRIES:
            raise struct.error
        entries = self.file.read(count * entry)
        if len(entries) < count * entry:
            raise struct.error
        (self.next,) = self._unpack(offset)
        own = True
        for at in range(0, len(entries), entry):
            (tag, kind) = struct.unpack_from(self.order + "HH", entries, at)
            if tag == _NEW_SUBFILE_TYPE:
                own = own and not self._number(entries, at, kind) & _REDUCED_OR_MASK
            elif tag == _SUBFILE_TYPE:
                own = own and self._number(entries, at, kind) != _OLD_REDUCED
            elif tag == _DESCRIPTION and not self._described:
                self._describe(entries, at)
        self._described = True
        return own

    def _number(self, entries: bytes, at: int, kind: int) -> int:
        where = at + (12 if self.big else 8)
        (value,) = struct.unpack_from(self.order + ("H" if kind == 3 else "I"), entries, where)
        return int(value)

    def _describe(self, entries: bytes, at: int) -> None:
        """Look for the makers whose files are known to mean something else by their pages."""
        number = "Q" if self.big else "I"
        width = struct.calcsize(number)
        (length,) = struct.unpack_from(self.order + number, entries, at + 4)
        where = at + 4 + width
        if length <= width:
            return
        (offset,) = struct.unpack_from(self.order + number, entries, where)
        self.file.seek(min(offset, self.size))
        text = self.file.read(min(length, _LONGEST_DESCRIPTION))
        self.is_slide = text.startswith(b"Aperio")
        found = _IMAGEJ_COUNT.search(text) if text.startswith(b"ImageJ=") else None
        self.promised = int(found[1][:9]) if found is not None else 0

    def _unpack(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize(self.order + form)
        return struct.unpack(self.order + form, self.file.read(size))
