"""A chromosome straightened along its medial axis."""

from __future__ import annotations

import cv2
import numpy as np

from screening.errors import ScreeningError
from screening.karyogram.axis import MedialAxis, arc_of, normals


def strip(
    grey: np.ndarray, mask: np.ndarray, axis: MedialAxis, rows: int, columns: int
) -> np.ndarray:
    """Return uint8 (rows, columns): the chromosome straightened, the axis in the middle column.

    `grey` uint8 and `mask` bool (h, w) of one chromosome, `axis` its axis. The length fills the
    rows and the same scale holds across, so that the width is kept; paper is 255, and so is what
    is not the chromosome's or belongs to another stretch of it. ScreeningError unless rows and
    columns are at least 1 and the picture is as large as the mask.
    """
    if rows < 1 or columns < 1 or grey.shape != mask.shape:
        raise ScreeningError(
            f"expected a strip of at least 1 x 1 from a picture as large as its mask, received "
            f"{rows} x {columns}, picture {grey.shape}, mask {mask.shape}: give both of one crop"
        )
    scale = axis.length / rows
    ink = np.where(mask, 255 - grey, np.uint8(0))
    if scale > 1.5:  # shrinking needs an area average first, or bands alias
        ink = cv2.GaussianBlur(ink, (0, 0), 0.4 * scale)
    line = axis.points[:, 0] + 1j * axis.points[:, 1]
    arc = arc_of(line)
    where = (np.arange(rows) + 0.5) / rows * arc[-1]
    # Directions over a stretch, so that rows do not cross on the inner side of a bend.
    reach = max(1, round(0.3 * float(np.median(axis.width))))
    across = np.interp(where, arc, normals(line, reach))
    across /= np.maximum(abs(across), 1e-6)
    offset = (np.arange(columns) - (columns - 1) / 2) * scale
    at = np.interp(where, arc, line)[:, None] + offset * across[:, None]
    straight = cv2.remap(
        ink, at.real.astype(np.float32), at.imag.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=0,
    )  # fmt: skip
    half = 0.5 * np.interp(where, arc, axis.width)
    straight[np.abs(offset) > 1.15 * half[:, None] + 1 + 0.5 * scale] = 0
    return 255 - straight
