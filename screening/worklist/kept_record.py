"""A picture's record as the ledger keeps it: one line of JSON, and its checksum in a second.

SQLite has no checksum of its own: a disk that forgets a bit would change a number unseen. Ledgers
of earlier versions have none either.
"""

from __future__ import annotations

import json
import zlib

from screening.json_text import parsed
from screening.record import Picture


def text_of(picture: Picture) -> str:
    """Return the text under which a picture is kept."""
    record = json.dumps(picture.to_dict(), ensure_ascii=False, separators=(",", ":"))
    return f"{record}\n{_checksum(record)}"


def is_intact(text: object) -> bool:
    """Return whether what is kept is a text, and as it was written."""
    if not isinstance(text, str):
        return False
    record, _, checksum = text.partition("\n")
    if not checksum:  # of an earlier version, or its end is gone, which SQLite fills with zeros
        return record.endswith("}")
    return checksum == _checksum(record)


def picture_in(text: str) -> Picture:
    """Return the picture of a kept text; ValueError, KeyError or TypeError when it is damaged."""
    if not is_intact(text):
        raise ValueError("its checksum is another")
    return Picture.from_dict(parsed(text.partition("\n")[0]))


def _checksum(record: str) -> str:
    return f"{zlib.crc32(record.encode('utf-8', 'surrogatepass')):08x}"
