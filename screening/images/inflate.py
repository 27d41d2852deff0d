"""Compressed bytes that would fill the memory, told before they do.

Libraries that decompress a whole stream at once do so whatever size the picture states: a megabyte
becomes a gigabyte.
"""

from __future__ import annotations

import lzma
import zlib

_IN, _OUT = 1 << 16, 1 << 20  # bytes taken, and made, at a time


def inflates_beyond(data: bytes, most: int, raw: bool = False) -> bool:
    """Return whether a zlib stream (`raw`: without its header) makes more than `most` bytes; a
    damaged one makes what comes before the damage."""
    stream, made = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS), 0
    try:
        for start in range(0, len(data), _IN):
            piece = data[start : start + _IN]
            while piece and not stream.eof and made <= most:
                made += len(stream.decompress(piece, _OUT))
                piece = stream.unconsumed_tail
    except zlib.error:
        pass
    return made > most


def unpacks_beyond(data: bytes, most: int) -> bool:
    """Return the same of an LZMA stream."""
    stream = lzma.LZMADecompressor()
    try:
        made = len(stream.decompress(data, _OUT))
        while not stream.eof and not stream.needs_input and made <= most:
            made += len(stream.decompress(b"", _OUT))
    except lzma.LZMAError:
        return False
    return made > most
