"""The pairs of homologs of one cell compared, and drawn where they look rearranged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from screening import words
from screening.classes import CHROMOSOMES, class_index
from screening.evidence.structure import pairs_of, structure_of
from screening.karyogram.axis import medial_axis
from screening.karyogram.locate import FoundChromosome
from screening.karyogram.strip import cell_strips, strip
from screening.page_settings import StructureReading
from screening.predict.pairs import PairsSaid
from screening.record import PairChange, Reading, Structure
from screening.report.pair_figure import TALLEST, WIDEST, encoded, pair_figure

if TYPE_CHECKING:
    from screening.predict.structure import StructureReader

_ENLARGED = 6.0
"""Most rows of a figure to a pixel of the page: more would only show the interpolation."""
_DARK, _MOST_STRETCHED = 215, 2.5
"""Ink of the dark bands (97th percentile) of a figure, and how far faint ink is strengthened."""


@dataclass(frozen=True, eq=False)
class ComparedCell:
    """What the homologs of a cell say of its structure, None without any pair; `figures`: (caption,
    JPEG) of each of its `pairs` when the cell is doubted, else none."""

    structure: Structure | None = None
    figures: tuple[tuple[str, bytes], ...] = ()


def compare_homologs(
    reader: StructureReader,
    reading: Reading,
    found: Sequence[FoundChromosome],
    paper: np.ndarray,
    how: StructureReading,
) -> ComparedCell:
    """Return what `reader` says of the homologs of a whole cell, `found` those of its reading on
    the page `paper`."""
    known = [i for i, one in enumerate(reading.chromosomes) if one.name in CHROMOSOMES]
    names = [reading.chromosomes[i].name for i in known]
    if not names:
        return ComparedCell()
    ones = [found[i] for i in known]
    strips = cell_strips(names, [_window(one, paper) for one in ones], [one.mask for one in ones])
    pairs = pairs_of(names)
    classes = np.array([class_index(name) for name in names])
    said = reader.read(strips, pairs, classes)
    structure = structure_of(said, pairs, names, how, known)
    if structure is None or structure.log_odds < how.doubt:
        return ComparedCell(structure)
    places = {names[first]: k for k, (first, _) in enumerate(pairs)}
    return ComparedCell(
        structure,
        tuple(
            (words.pair_caption(pair), _figure(pair, said, places[pair.name], found, paper))
            for pair in structure.pairs
        ),
    )


def straight_pair(
    pieces: Sequence[FoundChromosome], paper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return two chromosomes of a page straightened at one scale, uint8 (rows, columns) as
    `karyogram.strip.strip`, as large as a figure takes them; equally strong ink for both."""
    first, second = pieces
    axes = [medial_axis(one.mask, _window(one, paper)) for one in pieces]
    width = max(float(np.percentile(axis.width, 95)) for axis in axes)
    longest = max(axis.length for axis in axes)
    scale = max(longest / TALLEST, 1.15 * width / (WIDEST - 2), 1 / _ENLARGED)
    columns = min(max(round(1.15 * width / scale) + 2, 4), WIDEST)
    made = []
    for one, axis in zip((first, second), axes, strict=True):
        rows = min(max(round(axis.length / scale), 4), TALLEST)
        made.append(255 - strip(_window(one, paper), one.mask, axis, rows, columns, scale))
    ink = np.concatenate([one[one > 8] for one in made])
    dark = float(np.percentile(ink, 97)) if ink.size else float(_DARK)
    factor = min(_DARK / dark, _MOST_STRETCHED)
    a, b = (255 - np.minimum(one * factor, 255).astype(np.uint8) for one in made)
    return a, b


def _figure(
    pair: PairChange, said: PairsSaid, k: int, found: Sequence[FoundChromosome], paper: np.ndarray
) -> bytes:
    strips = straight_pair((found[pair.first], found[pair.second]), paper)
    doubts = [expit(said.rows[k, side][said.inked[k, side]]) for side in (0, 1)]
    if all(_head_down(said, k, side, pair.name) for side in (0, 1)):
        strips, doubts = (strips[0][::-1], strips[1][::-1]), [one[::-1] for one in doubts]
    return encoded(pair_figure(pair, strips, doubts))


def _head_down(said: PairsSaid, k: int, side: int, name: str) -> bool:
    """Whether a strip's rows show the class from the long arm's end, as on a page turned round."""
    own = np.exp(said.places[k, side][said.inked[k, side]][:, class_index(name)])
    if len(own) < 2:
        return False
    weight = own.sum(1) + 1e-6
    place = (own * np.arange(own.shape[1])).sum(1) / weight
    row = np.arange(len(own))
    mean, middle = np.average(place, weights=weight), np.average(row, weights=weight)
    return float((weight * (place - mean) * (row - middle)).sum()) < 0


def _window(one: FoundChromosome, paper: np.ndarray) -> np.ndarray:
    return paper[one.y : one.y + one.h, one.x : one.x + one.w]
