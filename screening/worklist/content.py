"""What a picture is known by, whatever its name: the hash of its content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from screening.images.frames import frame_hash
from screening.worklist.discover import PictureFile

Digests = dict[tuple[int, ...], str]
"""The sha256 of files that stayed the same, by device, inode, size and time of change."""


def key_of(sha256: str) -> int:
    """Return the number that seeds a picture's dropout masks, 0 to 2**63 - 1.

    It comes from the content, so neither name, place in the folder nor batch changes the votes.
    """
    return int(sha256[:16], 16) >> 1


def content_hash(found: PictureFile, digests: Digests | None = None) -> str:
    """Return the identity of a picture's content: of its file, and of its frame from the second
    on; what is in `digests` is taken from there, what is not is put there."""
    if digests is None and found.frames == 1 and found.frame == 1:
        return _digest(found.path)
    status = found.path.stat()
    same = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if digests is None:
        return frame_hash(_digest_of_all(found.path, same), found.frame)
    if same not in digests:
        digests[same] = _digest(found.path)
    return frame_hash(digests[same], found.frame)


@lru_cache(maxsize=16)
def _digest_of_all(path: Path, same: tuple[int, ...]) -> str:
    """The sha256 of a file of many frames, read once for all of them while it stays the `same`."""
    return _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
