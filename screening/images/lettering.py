"""What is written on a picture: its lines of text, read by RapidOCR (the extra `ocr`).

Networks of PP-OCR find and read the lines, on the processor and without a network connection. What
is read is told to people; it is no evidence, and no network or rule of this program sees it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np

from screening.errors import ScreeningError, not_installed


class CannotReadPrint(ScreeningError):
    """Says that nothing here reads writing, and how to change that."""

    exit_status = 2


def check_installed() -> None:
    """Raise CannotReadPrint unless what reads writing is there."""
    if find_spec("rapidocr") is None:
        raise CannotReadPrint(not_installed("--printed", "rapidocr", "ocr"))


def lettering(grey: np.ndarray) -> tuple[str, ...]:
    """Return the lines of writing on `grey`, uint8 (h, w), as they are read; CannotReadPrint where
    RapidOCR is missing."""
    found = _reader()(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    return tuple(found.txts or ())


@cache
def _reader() -> Any:
    """The reader of this process. Lines upside down are none of a karyogram's, and one thread is
    all that a process which looks at pictures has."""
    check_installed()
    from rapidocr import RapidOCR

    return RapidOCR(params={
        "Global.use_cls": False,
        "Global.log_level": "error",
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    })  # fmt: skip
