"""DICOM files to grey arrays, frame by frame, through pydicom."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import BinaryIO, SupportsFloat

import numpy as np
import pydicom
from PIL import Image
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from screening.errors import ImageError
from screening.images.inflate import inflates_beyond
from screening.images.kinds import DICOM, HEAD_BYTES, kind_of
from screening.images.quiet import quiet
from screening.images.read import check_size, open_picture, to_uint8

_LONG = (b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN")  # kinds whose length has four bytes
_MOST_INFLATED = 512 << 20


def count_dicom(file: BinaryIO) -> tuple[int, str]:
    """Return how many frames the header tells of (1 when it does not), and why there may be more,
    "" when there are none. Raises what pydicom raises for a damaged header."""
    _check_deflated(file)
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    count = max(1, int(dataset.get("NumberOfFrames") or 1))
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed or syntax.is_deflated:  # there a length tells nothing
        return count, ""
    start = file.tell()
    behind = file.seek(0, io.SEEK_END) - start
    sides = [int(dataset.get(name) or 0) for name in ("Rows", "Columns", "SamplesPerPixel")]
    one = math.prod(sides) * int(dataset.get("BitsAllocated") or 0) // 8
    if one and behind >= (count + 1) * one:
        return count, f"its header tells of {count} frames, but pixels of more follow"
    return count, ""


def read_dicom(path: Path, file: BinaryIO, max_pixels: int, frame: int = 1) -> np.ndarray:
    """Return one frame, counted from 1, as uint8 (h, w), as a viewer shows it: larger is lighter.

    The file's rescaling and its first linear window are applied (PS3.3 C.11.1 and C.11.2), a
    palette and colours become luma, MONOCHROME1 is inverted. Without a window more than 8 bits are
    scaled as `read.to_uint8` does. Of several frames only the one asked for is read.

    Raises ImageError when there is no picture in the file, its size is wrong, or it is compressed
    in a way that needs a decoder that is not installed.
    """
    dataset, source = _opened(file)
    if source is None:
        raise ImageError(path, "a DICOM file without a picture")
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    check_size(path, columns, rows, max_pixels)
    try:
        pixels = np.asarray(pixel_array(source, index=frame - 1))
    except (RuntimeError, NotImplementedError) as error:  # pydicom's words for a missing decoder
        kind = dataset.file_meta.TransferSyntaxUID.name
        raise ImageError(
            path, f"a DICOM file whose pixels cannot be decoded ({kind}): export it uncompressed"
        ) from error
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    grey = _luma(pixels) if pixels.ndim == 3 else _shown(pixels, dataset)
    if grey.shape != (rows, columns):
        raise ImageError(path, "a DICOM file that is not a single picture")
    return 255 - grey if dataset.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def read_header(path: Path) -> pydicom.Dataset | None:
    """Return what a DICOM file tells besides its pixels, of whom it is too; None for a file of
    another kind or one that is damaged."""
    try:
        with open_picture(path) as file, quiet():
            if kind_of(file.read(HEAD_BYTES)) != DICOM:
                return None
            file.seek(0)
            _check_deflated(file)
            return pydicom.dcmread(file, stop_before_pixels=True)
    except Exception:  # damaged headers fail with nearly every type of exception there is
        return None


def _opened(file: BinaryIO) -> tuple[pydicom.Dataset, pydicom.Dataset | BinaryIO | None]:
    """Return the header, and from where pydicom takes a frame, None where there is none: the file
    itself, so that the other frames stay on disk, or all of a deflated one."""
    _check_deflated(file)
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    if dataset.file_meta.TransferSyntaxUID.is_deflated:
        file.seek(0)
        dataset = pydicom.dcmread(file)
        return dataset, dataset if "PixelData" in dataset else None
    tag = file.read(4)
    return dataset, file if tag in (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10") else None


def _check_deflated(file: BinaryIO) -> None:
    """Raise ValueError for a deflated file that would fill the memory: pydicom takes all of it."""
    file.seek(132)
    while (head := file.read(8))[:2] == b"\x02\0":  # the elements of the file's own header
        long = head[4:6] in _LONG
        size = int.from_bytes(file.read(4) if long else head[6:8], "little")
        if head[2:4] != b"\x10\0":  # not the transfer syntax
            file.seek(size, io.SEEK_CUR)
        elif file.read(size).rstrip(b"\0 ") != DeflatedExplicitVRLittleEndian.encode():
            break
    else:
        file.seek(-len(head), io.SEEK_CUR)
        if inflates_beyond(file.read(), _MOST_INFLATED, raw=True):
            raise ValueError("far more is compressed in it than a picture needs")
    file.seek(0)


def _luma(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(to_uint8(frame)[..., :3]).convert("L"))


def _shown(frame: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    values = frame
    slope, intercept = (dataset.get(f"Rescale{name}") for name in ("Slope", "Intercept"))
    if (slope, intercept) not in ((None, None), (1, 0)) or "ModalityLUTSequence" in dataset:
        values = apply_modality_lut(frame, dataset)
    window = _window(dataset)
    if window is not None:
        low, high = window
        return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    stored = int(dataset.get("BitsStored") or 8)
    if values.dtype == np.uint8 and stored < 8:
        values = values * (255 / (2**stored - 1))
        return np.rint(values).astype(np.uint8)
    return to_uint8(values)


def _window(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """The values shown black and white by the first window; None without a usable linear one."""
    shape = dataset.get("VOILUTFunction") or "LINEAR"
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if shape == "LINEAR":
        center, width = center - 0.5, width - 1
    if shape not in ("LINEAR", "LINEAR_EXACT") or not math.isfinite(center) or not width > 0:
        return None
    return center - width / 2, center + width / 2


def _first(value: MultiValue[SupportsFloat] | SupportsFloat | str | None) -> float:
    """The first of one or several numbers, NaN for none."""
    first = next(iter(value), None) if isinstance(value, MultiValue) else value
    try:
        return math.nan if first is None else float(first)
    except (TypeError, ValueError):
        return math.nan
