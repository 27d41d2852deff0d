"""A chromosome straightened along its medial axis.

`class_strip` is what a network of structure reads: all chromosomes of a cell at one scale across
and, along, at the scale of their class, so that what is too short or too long shows as that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from screening.classes import RELATIVE_LENGTH
from screening.errors import ScreeningError
from screening.karyogram.axis import MedialAxis, arc_of, medial_axis, normals
from screening.karyogram.axis_quality import median

ROWS, COLUMNS = 128, 24
"""Size of a class strip."""

_ROWS_OF_1 = 108.0
"""Rows of a chromosome 1 of usual length: what is a fifth longer still fits."""

_SHRINKS = 0.6
"""A class half as long has this power of a half of the rows: at one scale the bands of the small
chromosomes would melt in the network's first averaging."""

_COLUMNS_OF_WIDTH = 15.0
"""Columns across the usual chromosome of a cell: those of one laboratory are twice as stout for
their length as those of another."""

QUALITY = 8
"""Numbers beside each strip; the first is the log of its length over its class's."""

_DARK = 230
"""Ink of the dark bands (97th percentile) of every class strip."""


@dataclass(frozen=True, eq=False)
class CellStrips:
    """The class strips of one cell: `strips` uint8 (n, ROWS, COLUMNS), `quality` float32
    (n, QUALITY): the log of each length over its class's, then of its axis: explained, branch, turn
    in right angles, cut, filled, ring, and the median width over the cell's usual one."""

    strips: np.ndarray
    quality: np.ndarray


def cell_strips(
    names: Sequence[str], greys: Sequence[np.ndarray], masks: Sequence[np.ndarray]
) -> CellStrips:
    """Return the strips of the n chromosomes of one cell: class, picture uint8 (h, w) and mask bool
    (h, w), not empty, of each. The scale along and across is the cell's own."""
    count = len(names)
    if not count:
        return CellStrips(
            np.zeros((0, ROWS, COLUMNS), np.uint8), np.zeros((0, QUALITY), np.float32)
        )
    axes = [medial_axis(mask, grey) for mask, grey in zip(masks, greys, strict=True)]
    unit, width = scale_of(names, axes)
    return strips_at(names, greys, masks, axes, [unit] * count, [width] * count)


def scale_of(names: Sequence[str], axes: Sequence[MedialAxis]) -> tuple[float, float]:
    """Return the scale of n > 0 chromosomes of one cell, in pixels: a percent of relative length
    and the usual width. A few wrong names among them hardly matter."""
    lengths = [a.length / RELATIVE_LENGTH[n] for a, n in zip(axes, names, strict=True)]
    widths = [np.median(axis.width) for axis in axes]
    return max(0.5, float(np.median(lengths))), max(2.0, float(np.median(widths)))


def strips_at(
    names: Sequence[str],
    greys: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    axes: Sequence[MedialAxis],
    units: Sequence[float],
    widths: Sequence[float],
) -> CellStrips:
    """Return the strips of n > 0 chromosomes, each at a scale of its own as of `scale_of`."""
    every = list(zip(names, greys, masks, axes, units, widths, strict=True))
    return CellStrips(
        np.stack([class_strip(grey, mask, a, n, u, w) for n, grey, mask, a, u, w in every]),
        np.array([_quality(a, n, u, w) for n, _, _, a, u, w in every], np.float32),
    )


def _quality(axis: MedialAxis, name: str, unit: float, width: float) -> tuple[float, ...]:
    q = axis.quality
    relative = max(axis.length / unit, 0.1)
    return (
        float(np.log(relative / RELATIVE_LENGTH[name])), q.explained, 5 * q.branch, q.turn / 90,
        q.cut, q.filled, float(q.ring), median(axis.width) / width,
    )  # fmt: skip


def rows_per_percent(name: str) -> float:
    """Return the rows of a class strip to a percent of relative length, for the class `name`."""
    most = RELATIVE_LENGTH["1"]
    return _ROWS_OF_1 * (RELATIVE_LENGTH[name] / most) ** _SHRINKS / RELATIVE_LENGTH[name]


def class_strip(
    grey: np.ndarray, mask: np.ndarray, axis: MedialAxis, name: str, unit: float, width: float
) -> np.ndarray:
    """Return uint8 (ROWS, COLUMNS): ink, 0 on paper, of the chromosome straightened, in the middle.

    As many rows as a chromosome of class `name` and this length has. Of this cell, in pixels:
    `unit`, a percent of relative length, and `width`, the usual width. Dark bands are equally dark
    in every strip. ScreeningError as `strip`.
    """
    rows = round(axis.length / unit * rows_per_percent(name))
    rows = min(max(rows, 4), ROWS)
    straight = 255 - strip(grey, mask, axis, rows, COLUMNS, width / _COLUMNS_OF_WIDTH)
    inside = straight[straight > 8]
    dark = float(np.percentile(inside, 97)) if inside.size else 1.0
    made = np.zeros((ROWS, COLUMNS), np.uint8)
    first = (ROWS - rows) // 2
    made[first : first + rows] = np.minimum(straight * (_DARK / dark), 255).astype(np.uint8)
    return made


def strip(
    grey: np.ndarray,
    mask: np.ndarray,
    axis: MedialAxis,
    rows: int,
    columns: int,
    across: float | None = None,
) -> np.ndarray:
    """Return uint8 (rows, columns): the chromosome straightened, the axis in the middle column.

    `grey` uint8 and `mask` bool (h, w) of one chromosome, `axis` its axis. The length fills the
    rows; a column is `across` pixels, as many as a row where None, so that the width is kept. Paper
    is 255, and so is what is not the chromosome's or belongs to another stretch of it.
    ScreeningError unless rows and columns are at least 1 and the picture is as large as the mask.
    """
    if rows < 1 or columns < 1 or grey.shape != mask.shape:
        raise ScreeningError(
            f"expected a strip of at least 1 x 1 from a picture as large as its mask, received "
            f"{rows} x {columns}, picture {grey.shape}, mask {mask.shape}: give both of one crop"
        )
    scale = axis.length / rows
    across = scale if across is None else across
    ink = np.where(mask, 255 - grey, np.uint8(0))
    if scale > 1.5:  # shrinking needs an area average first, or bands alias
        ink = cv2.GaussianBlur(ink, (0, 0), 0.4 * scale)
    line = axis.points[:, 0] + 1j * axis.points[:, 1]
    arc = arc_of(line)
    where = (np.arange(rows) + 0.5) / rows * arc[-1]
    # Directions over a stretch, so that rows do not cross on the inner side of a bend.
    reach = max(1, round(0.3 * median(axis.width)))
    side = np.interp(where, arc, normals(line, reach))
    side /= np.maximum(abs(side), 1e-6)
    offset = (np.arange(columns) - (columns - 1) / 2) * across
    at = np.interp(where, arc, line)[:, None] + offset * side[:, None]
    straight = cv2.remap(
        ink, at.real.astype(np.float32), at.imag.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=0,
    )  # fmt: skip
    half = 0.5 * np.interp(where, arc, axis.width)
    straight[np.abs(offset) > 1.15 * half[:, None] + 1 + 0.5 * across] = 0
    return 255 - straight
