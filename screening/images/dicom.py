"""DICOM files to grey arrays, through pydicom."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO, SupportsFloat

import numpy as np
import pydicom
from PIL import Image
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from screening.errors import ImageError
from screening.images.read import check_size, to_uint8


def read_dicom(path: Path, file: BinaryIO, max_pixels: int) -> np.ndarray:
    """Return the first frame as uint8 (h, w), as a viewer shows it: larger is lighter.

    The file's rescaling and its first linear window are applied (PS3.3 C.11.1 and C.11.2), a
    palette and colours become luma, MONOCHROME1 is inverted. Without a window more than 8 bits are
    scaled as `read.to_uint8` does.

    Raises ImageError when there is no picture in the file, its size is wrong, or it is compressed
    in a way that needs a decoder that is not installed.
    """
    dataset = pydicom.dcmread(file)
    if "PixelData" not in dataset:
        raise ImageError(path, "a DICOM file without a picture")
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    check_size(path, columns, rows, max_pixels)
    try:
        frame = np.asarray(pixel_array(dataset, index=0))
    except (RuntimeError, NotImplementedError) as error:  # pydicom's words for a missing decoder
        kind = dataset.file_meta.TransferSyntaxUID.name
        raise ImageError(
            path, f"a DICOM file whose pixels cannot be decoded ({kind}): export it uncompressed"
        ) from error
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        frame = apply_color_lut(frame, dataset)
    grey = _luma(frame) if frame.ndim == 3 else _shown(frame, dataset)
    if grey.shape != (rows, columns):
        raise ImageError(path, "a DICOM file that is not a single picture")
    return 255 - grey if dataset.get("PhotometricInterpretation") == "MONOCHROME1" else grey


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
