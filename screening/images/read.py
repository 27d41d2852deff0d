"""Picture files to grey arrays: PNG, JPEG, TIFF, BMP, GIF, WebP and DICOM, decided by content.

Every file that cannot become a picture raises ImageError with a reason in plain words, whatever
its bytes. The size is read from the header and judged before anything is decoded. Thread-safe.
"""

from __future__ import annotations

import io
import math
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin
from PIL import TiffImagePlugin as TiffPlugin
from PIL import WebPImagePlugin as WebPPlugin

from screening.errors import ImageError
from screening.images.inflate import inflates_beyond, unpacks_beyond
from screening.images.kinds import (
    BMP,
    DICOM,
    GIF,
    HEAD_BYTES,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    kind_of,
    not_a_picture,
)  # fmt: skip
from screening.images.quiet import quiet
from screening.images.tiff_pages import tiff_pages

if TYPE_CHECKING:
    import tifffile

MIN_SIDE = 64
"""Pixels: below this no chromosome of a karyogram could be told from another."""

_MAX_BYTES = 2 << 30
_MOST_KEPT_BYTES = 256 << 20
_ANIMATED = (GIF, WEBP, PNG)
_animation = threading.local()
_BEYOND = {8: inflates_beyond, 32946: inflates_beyond, 34925: unpacks_beyond}  # TIFF compressions


# The plugins are called directly: Image.open would judge the size by a process-wide limit and
# warn or raise before the size can be named.
_OPENERS: dict[str, Callable[..., Image.Image]] = {
    PNG: PngImagePlugin.PngImageFile,
    JPEG: JpegImagePlugin.jpeg_factory,
    TIFF: TiffPlugin.TiffImageFile,
    BMP: BmpImagePlugin.BmpImageFile,
    GIF: GifImagePlugin.GifImageFile,
    WEBP: WebPPlugin.WebPImageFile,
}


def read_image(
    path: Path, max_pixels: int = 100_000_000, min_side: int = MIN_SIDE, frame: int = 1
) -> np.ndarray:
    """Return one picture of a file as grey uint8 (h, w), 0–255, polarity as displayed.

    `frame` counts from 1, as `frames.count_frames` does. Colour becomes luma, transparency lies on
    white paper, EXIF orientation is applied. More than 8 bits are scaled by the range that the
    picture uses, because 16-bit files often hold 10 or 12 bits. Raises ImageError for anything that
    is not a readable picture of at least `min_side` pixels on each side and at most `max_pixels` in
    all.
    """
    path = Path(path)
    with open_picture(path) as file, quiet():
        try:
            grey = _decode(path, file, max_pixels, frame)
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError(path, "not enough memory to decode this picture") from error
        except Image.DecompressionBombError as error:
            raise ImageError(path, "far too many pixels; export it smaller") from error
        except Exception as error:
            # Decoders fail on damaged bytes with nearly every type of exception there is.
            raise ImageError(path, _damage(error)) from error
    return _large_enough(path, grey, min_side)


def read_array(values: np.ndarray, name: str, max_pixels: int = 100_000_000) -> np.ndarray:
    """Return a picture in memory as `read_image` returns that of a file: grey uint8 (h, w).

    `values`: (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA, uint8 0–255; other numbers are scaled by
    the range that they use. Raises ImageError, which calls the picture `name`, as `read_image`.
    """
    colours = values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or colours not in (1, 3, 4) or values.dtype.kind not in "buif":
        raise ImageError(
            name,
            f"expected grey (h, w), RGB (h, w, 3) or RGBA (h, w, 4), best of uint8, received "
            f"{values.dtype} {values.shape}",
        )
    height, width = values.shape[:2]
    check_size(Path(name), width, height, max_pixels)
    if not values.size:
        raise ImageError(name, f"{width:,}×{height:,} pixels: an empty picture")
    if colours == 1:
        grey = to_uint8(values.reshape(height, width))
    else:
        seen = values if values.dtype == np.uint8 else to_uint8(values[..., :3])
        grey = _grey(Image.fromarray(np.ascontiguousarray(seen)))
    return _large_enough(Path(name), grey, MIN_SIDE)


def _large_enough(path: Path, grey: np.ndarray, min_side: int) -> np.ndarray:
    height, width = grey.shape
    if min(width, height) < min_side:
        what = "too small for a karyogram" if min_side == MIN_SIDE else "too small"
        raise ImageError(path, f"{width:,}×{height:,} pixels: {what} (at least {min_side} a side)")
    return np.ascontiguousarray(grey)


def check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError when a picture of width × height is too large to decode."""
    size = f"{width:,}×{height:,} pixels"
    if width * height > max_pixels:
        limit = f"{max_pixels / 1e6:g} million"
        raise ImageError(path, f"{size}: more than the limit of {limit}; export it smaller")


def too_many_bytes(size: int) -> str:
    """Return in words that a file of so many bytes is not read, "" for one that is."""
    return f"{size / 2**30:.1f} GiB: larger than 2 GiB" if size > _MAX_BYTES else ""


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Return uint8 of the same shape: `values` of any number type scaled by the range they use.

    Zero stays zero unless there are negative values. The 99.9th percentile becomes 255, so that one
    hot pixel does not darken the picture.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    scaled = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low = min(0.0, float(scaled.min()))
    high = float(np.percentile(scaled, 99.9))
    if high <= low:
        high = float(scaled.max())
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled -= low
    scaled *= 255.0 / (high - low)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def open_picture(path: Path) -> BinaryIO:
    """Return the open file; ImageError says why there is none."""
    try:
        if path.is_symlink() and not path.exists():
            raise ImageError(path, "a symbolic link to a file that does not exist")
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(path, "a folder, not a picture, although its name looks like one")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(path, "not a regular file")
        if status.st_size == 0:
            raise ImageError(path, "an empty file (0 bytes)")
        if problem := too_many_bytes(status.st_size):
            raise ImageError(path, problem)
        return path.open("rb")
    except PermissionError as error:
        raise ImageError(path, "no permission to read it") from error
    except FileNotFoundError as error:
        raise ImageError(path, "does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ImageError(path, f"cannot be opened ({_words(error)})") from error


def _decode(path: Path, file: BinaryIO, max_pixels: int, frame: int) -> np.ndarray:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    kind = kind_of(head)
    if kind == DICOM:
        from screening.images.dicom import read_dicom  # pydicom is slow to import and rarely needed

        return read_dicom(path, file, max_pixels, frame)
    if kind == TIFF:
        return _decode_tiff(path, file, max_pixels, frame)
    if kind == WEBP and head[12:16] == b"VP8X":  # Pillow takes memory for it on opening
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
        check_size(path, width, height, max_pixels)
    if kind in _ANIMATED and frame > 1:
        return _decode_later_frame(path, file, kind, max_pixels, frame - 1)
    if kind in _OPENERS:
        return _decode_with_pillow(path, _OPENERS[kind](file), max_pixels, frame - 1)
    raise ImageError(path, not_a_picture(head))


def _decode_tiff(path: Path, file: BinaryIO, max_pixels: int, frame: int) -> np.ndarray:
    pages = tiff_pages(file, frame)
    if len(pages.indices) < frame:
        words = pages.problem or f"there is no page {frame}"
        raise ImageError(path, f"the picture is damaged and cannot be decoded ({words})")
    page = pages.indices[frame - 1]
    file.seek(0)
    try:
        return _decode_with_pillow(path, TiffPlugin.TiffImageFile(file), max_pixels, page)
    except ImageError:
        raise
    except Exception:  # of a layout that Pillow does not know, or damaged
        return _decode_with_tifffile(path, file, max_pixels, page)


def _decode_with_pillow(path: Path, image: Image.Image, max_pixels: int, index: int) -> np.ndarray:
    with image:
        return _frame(path, image, max_pixels, index)


def _frame(path: Path, image: Image.Image, max_pixels: int, index: int) -> np.ndarray:
    check_size(path, *image.size, max_pixels)
    if index:
        image.seek(index)
        check_size(path, *image.size, max_pixels)
    image.load()
    try:
        upright = ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing about orientation; the pixels are fine
        upright = image
    return _grey(upright)


def _decode_later_frame(
    path: Path, file: BinaryIO, kind: str, max_pixels: int, index: int
) -> np.ndarray:
    """Decode a frame behind the first of an animation, which builds on all those before it: a
    thread that reads one after the other goes on from its last one."""
    status = os.fstat(file.fileno())
    same = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    before = getattr(_animation, "kept", None)
    _animation.kept = None
    if before is not None and before[0] == same and before[1].tell() < index:
        image = before[1]
    else:
        del before
        image = _OPENERS[kind](io.BytesIO(file.read()))
    last = getattr(image, "n_frames", 1) - 1
    grey = _frame(path, image, max_pixels, index)
    if status.st_size <= _MOST_KEPT_BYTES and index < last:
        _animation.kept = same, image
    return grey


def _grey(image: Image.Image) -> np.ndarray:
    """Return uint8 (h, w) of a decoded picture of any Pillow mode."""
    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        return to_uint8(np.asarray(image))
    if image.mode == "LAB":  # its first band is lightness; Pillow has no direct conversion
        return np.asarray(image.getchannel(0))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        straight = image if image.mode == "RGBA" else _straight_alpha(image)
        paper = Image.new("RGBA", straight.size, (255, 255, 255, 255))
        return np.asarray(Image.alpha_composite(paper, straight).convert("L"))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGB").convert("L"))


def _straight_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA")


def _decode_with_tifffile(path: Path, file: BinaryIO, max_pixels: int, index: int) -> np.ndarray:
    """Return uint8 (h, w) of a TIFF whose layout Pillow does not know (16-bit RGB and the like)."""
    import tifffile  # rarely needed

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages[index]
        if not isinstance(page, tifffile.TiffPage):  # only what was read without its own tags
            raise ImageError(path, "a TIFF whose pages cannot be read one by one")
        check_size(path, page.imagewidth, page.imagelength, max_pixels)
        samples = page.samplesperpixel
        if samples > 5 or page.size > 5 * max_pixels:
            raise ImageError(path, "a TIFF that is not a single picture (too many channels)")
        _check_segments(path, file, page)
        values = np.squeeze(page.asarray())
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
            raise ImageError(path, "a TIFF with a palette of an unknown kind")
    if values.ndim == 3 and values.shape[0] == samples and values.shape[-1] != samples:
        values = np.moveaxis(values, 0, -1)
    if values.ndim not in (2, 3):
        raise ImageError(path, "a TIFF that is not a single picture")
    grey = to_uint8(values if values.ndim == 2 else values[..., :3])
    if grey.ndim == 3:
        grey = np.asarray(Image.fromarray(grey).convert("L")) if samples > 2 else grey[..., 0]
    return 255 - grey if inverted else grey


def _check_segments(path: Path, file: BinaryIO, page: tifffile.TiffPage) -> None:
    """Raise ImageError when a strip or tile makes more than its size: tifffile takes all of it."""
    beyond = _BEYOND.get(int(page.compression))
    most = math.prod(page.chunks) * page.dtype.itemsize if page.dtype is not None else 0
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if beyond is None:
            return
        file.seek(offset)
        if beyond(file.read(count), most):
            raise ImageError(path, "its compressed pixels are more than its size tells")


def _damage(error: Exception) -> str:
    words = _words(error)
    state = "truncated" if "truncat" in words.lower() or "end of" in words.lower() else "damaged"
    return f"the picture is {state} and cannot be decoded ({words})"


def _words(error: Exception) -> str:
    """Return the error's own words on one short line, without any path."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split())[:120]
    return line or type(error).__name__
