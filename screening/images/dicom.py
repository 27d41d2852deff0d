"""DICOM files to grey arrays, through pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import pixel_array

from screening.errors import ImageError
from screening.images.read import check_size, to_uint8


def read_dicom(path: Path, file: BinaryIO, max_pixels: int) -> np.ndarray:
    """Return the first frame as uint8 (h, w), larger is lighter (MONOCHROME1 is inverted).

    Raises ImageError when there is no picture in the file, its size is wrong, or it is compressed
    in a way that needs a decoder that is not installed.
    """
    dataset = pydicom.dcmread(file)
    if "PixelData" not in dataset:
        raise ImageError(path, "a DICOM file without a picture")
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    check_size(path, columns, rows, max_pixels)
    try:
        frame = pixel_array(dataset, index=0)
    except (RuntimeError, NotImplementedError) as error:  # pydicom's words for a missing decoder
        kind = dataset.file_meta.TransferSyntaxUID.name
        raise ImageError(path, f"a DICOM file whose pixels cannot be decoded ({kind})") from error
    grey = to_uint8(np.asarray(frame))
    if grey.ndim == 3:
        grey = np.asarray(Image.fromarray(grey[..., :3]).convert("L"))
    if grey.shape != (rows, columns):
        raise ImageError(path, "a DICOM file that is not a single picture")
    return 255 - grey if dataset.get("PhotometricInterpretation") == "MONOCHROME1" else grey
