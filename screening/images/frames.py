"""How many pictures a file holds, from its headers alone.

A frame is a page of a TIFF, a frame of a DICOM, or a picture of an animated GIF, WebP or PNG. A
JPEG is one picture: what cameras put behind it are previews of the same.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import PngImagePlugin, WebPImagePlugin

from screening.errors import ImageError
from screening.images.kinds import DICOM, GIF, HEAD_BYTES, PNG, TIFF, WEBP, kind_of
from screening.images.quiet import quiet
from screening.images.read import open_picture, read_image
from screening.images.tiff_pages import tiff_pages

MAX_FRAMES = 500
"""More than any case has cells (a laboratory analyses 20 to 200): a longer file is a film, a slide
scan or damaged."""

_MOST_STRAY = 1 << 16  # bytes between the blocks of a GIF that say nothing


@dataclass(frozen=True)
class Frames:
    """`count`: at least 1, at most MAX_FRAMES + 1 (more are not counted); `problem`: why pictures
    behind these may be missing, "" when none is."""

    count: int = 1
    problem: str = ""

    @property
    def too_many(self) -> bool:
        """Return whether the file holds more than MAX_FRAMES."""
        return self.count > MAX_FRAMES


def count_frames(path: Path) -> Frames:
    """Return how many frames a file holds, without decoding them; 1 for what cannot be read at all,
    for which `read_image` has the reason. Never raises."""
    try:
        with open_picture(path) as file:
            frames = frames_in(file)
        if frames.problem and frames.count == 1:
            return _checked(path, frames.problem)
        return frames
    except ImageError:
        return Frames()
    except Exception as error:  # damaged headers fail with nearly every type of exception there is
        return _checked(path, f"they cannot be counted ({type(error).__name__})")


def frames_in(file: BinaryIO) -> Frames:
    """Return how many frames an open file holds; raises whatever damaged headers make fail."""
    with quiet():
        head = file.read(HEAD_BYTES)
        file.seek(0)
        counter = _COUNTERS.get(kind_of(head))
        return counter(file, head) if counter is not None else Frames()


def frame_hash(sha256: str, frame: int) -> str:
    """Return the identity of a frame as 64 hexadecimal digits: for frame 1 the `sha256` of its
    file, from the second on the sha256 of the text "<that>#<frame>"."""
    return sha256 if frame == 1 else hashlib.sha256(f"{sha256}#{frame}".encode()).hexdigest()


def _checked(path: Path, problem: str) -> Frames:
    """One frame and the problem, but nothing more to tell of a file that cannot be read at all."""
    try:
        read_image(path)
    except ImageError:
        return Frames()
    return Frames(1, problem)


def _tiff(file: BinaryIO, head: bytes) -> Frames:
    pages = tiff_pages(file, MAX_FRAMES)
    return Frames(len(pages.indices), pages.problem) if pages.indices else Frames()


def _dicom(file: BinaryIO, head: bytes) -> Frames:
    from screening.images.dicom import count_dicom  # pydicom is slow to import and rarely needed

    count, problem = count_dicom(file)
    return Frames(min(count, MAX_FRAMES + 1), problem)


def _png(file: BinaryIO, head: bytes) -> Frames:
    file.seek(8)
    while (chunk := file.read(8))[4:] not in (b"", b"IDAT", b"IEND"):
        if chunk[4:] == b"acTL":
            file.seek(0)
            return Frames(min(PngImagePlugin.PngImageFile(file).n_frames, MAX_FRAMES + 1))
        file.seek(int.from_bytes(chunk[:4]) + 4, io.SEEK_CUR)
    return Frames()


def _webp(file: BinaryIO, head: bytes) -> Frames:
    if head[12:16] != b"VP8X" or not head[20] & 2:
        return Frames()
    return Frames(min(WebPImagePlugin.WebPImageFile(file).n_frames, MAX_FRAMES + 1))


def _gif(file: BinaryIO, head: bytes) -> Frames:
    """Go from block to block (GIF89a), as Pillow does, over bytes that say nothing as well."""
    file.seek(13 + _table(head[10]))
    count = stray = 0
    while count <= MAX_FRAMES and (block := file.read(1)) not in (b"", b";"):
        if block == b"!":
            file.seek(1, io.SEEK_CUR)
            _skip(file)
        elif block == b",":
            descriptor = file.read(9)
            if len(descriptor) < 9:
                break
            count += 1
            file.seek(_table(descriptor[8]) + 1, io.SEEK_CUR)
            _skip(file)
        else:
            stray += 1
            if stray > _MOST_STRAY:
                return Frames(max(count, 1), "what follows is no GIF")
    return Frames(max(count, 1))


def _table(flags: int) -> int:
    """The bytes of the colour table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip(file: BinaryIO) -> None:
    while size := file.read(1):
        if size == b"\0":
            return
        file.seek(size[0], io.SEEK_CUR)


_COUNTERS: dict[str, Callable[[BinaryIO, bytes], Frames]] = {
    TIFF: _tiff, DICOM: _dicom, PNG: _png, WEBP: _webp, GIF: _gif,
}  # fmt: skip
