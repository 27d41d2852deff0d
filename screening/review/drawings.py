"""A cell drawn from its original and what its record keeps: re-laid, and homologs straightened.

No network is asked: chromosomes are cut out along the outlines of the record. Where a record of an
older version keeps none, along their boxes, and nothing is straightened. What draws is imported
when something is to be drawn: it is slow, and not for the first page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from screening.classes import CHROMOSOMES, MARKER, NOT_A_CHROMOSOME
from screening.record import Chromosome
from screening.review.originals import Original, png

if TYPE_CHECKING:
    from screening.report.relay import Relaid

ENLARGED = 3
"""Pixels of a straightened chromosome to one of the original."""
TALLEST = 900
"""Most rows of a straightened chromosome: larger originals are enlarged less."""
_SPARE = 1.15  # of the width beside a chromosome, as its strip shows it


@dataclass(frozen=True, eq=False)
class Straightened:
    """One chromosome straightened: its place in the reading and uint8 (rows, columns)."""

    place: int
    strip: np.ndarray


def relaid_cell(original: Original, chromosomes: Sequence[Chromosome]) -> Relaid:
    """Return the chromosomes of a cell cut out and arranged by their classes."""
    from screening.report.relay import NamedCrop, relaid

    return relaid([
        NamedCrop(one.name, one.probability, cut_out(original, one), one.doubtful)
        for one in chromosomes
    ])  # fmt: skip


def straightened(
    original: Original, chromosomes: Sequence[Chromosome], name: str, turned: bool = False
) -> tuple[list[Straightened], float]:
    """Return the chromosomes of class `name` straightened at one scale, and how many pixels of a
    strip there are to one of the original; `turned`: the page stands upside down. Those without an
    outline are left out."""
    from screening.karyogram.axis import medial_axis
    from screening.karyogram.strip import strip

    paper = original.page.paper
    cut = []
    for place, one in enumerate(chromosomes):
        if one.name == name and len(one.outline) >= 3:
            window, mask = _window(paper, original, one)
            cut.append((place, window, mask, medial_axis(mask, window)))
    if not cut:
        return [], float(ENLARGED)
    scale = min(float(ENLARGED), TALLEST / max(axis.length for *_, axis in cut))
    widest = max(float(np.percentile(axis.width, 95)) for *_, axis in cut)
    columns = max(round(_SPARE * widest * scale) + 6, 8)
    made = []
    for place, window, mask, axis in cut:
        rows = max(round(axis.length * scale), 8)
        picture = strip(window, mask, axis, rows, columns, 1 / scale)
        made.append(Straightened(place, picture[::-1] if turned else picture))
    return made, scale


def bands_png(name: str, rows: int) -> bytes:
    """Return the ideogram of a class of a height as PNG, empty for what has none."""
    from screening.report.pair_figure import ideogram_of

    if name not in CHROMOSOMES:
        return b""
    return png(ideogram_of(name, min(max(rows, 8), TALLEST)))


def is_class(place: str, name: str) -> bool:
    """Return whether these may be the place of a chromosome and a class that a person gave it."""
    return place.isdecimal() and name in (*CHROMOSOMES, MARKER, NOT_A_CHROMOSOME)


def named(chromosomes: Sequence[Chromosome], classes: Mapping[str, str]) -> list[Chromosome]:
    """Return chromosomes with the classes that a person gave to some, by their places."""
    return [
        replace(one, name=classes[str(place)], probability=1.0, doubtful=False, misplaced=False)
        if str(place) in classes
        else one
        for place, one in enumerate(chromosomes)
    ]


def cut_out(original: Original, one: Chromosome) -> np.ndarray:
    """Return uint8 (h, w): a chromosome as it stands on the page, white outside its outline."""
    paper = original.page.paper
    if len(one.outline) < 3:
        left, top, w, h = original.page.margins
        x0, y0 = max(round(left + one.x * w), 0), max(round(top + one.y * h), 0)
        x1, y1 = round(left + (one.x + one.w) * w), round(top + (one.y + one.h) * h)
        window = paper[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        return window if window.size else np.full((1, 1), 255, np.uint8)
    window, mask = _window(paper, original, one)
    return np.where(mask, window, np.uint8(255))


def _window(
    paper: np.ndarray, original: Original, one: Chromosome
) -> tuple[np.ndarray, np.ndarray]:
    """What stands within a chromosome's outline, and the mask, both (h, w)."""
    from screening.worklist.outlines import mask_of

    left, top, mask = mask_of(one.outline, original.page.margins)
    height, width = paper.shape
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if x1 <= x0 or y1 <= y0:
        return np.full((1, 1), 255, np.uint8), np.ones((1, 1), bool)
    inside = mask[y0 - top : y1 - top, x0 - left : x1 - left]
    if not inside.any():
        inside = np.ones_like(inside)
    return np.ascontiguousarray(paper[y0:y1, x0:x1]), inside
