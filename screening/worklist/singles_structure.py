"""Single chromosomes shown to the bundle's reader of structure, at the best scale that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from screening.classes import CHROMOSOMES
from screening.errors import ScreeningError
from screening.evidence.structure_single import (
    LIKELY,
    SingleChange,
    likely_classes,
    p_changed,
    pairs_alone,
    single_change,
)
from screening.karyogram.axis import MedialAxis, medial_axis
from screening.karyogram.scales import Scale, scales_of
from screening.karyogram.strip import CellStrips, scale_of, strips_at
from screening.karyogram.whole import ink_mask
from screening.page_settings import StructureReading
from screening.worklist.guard import reason_of

if TYPE_CHECKING:
    from screening.predict.structure import StructureReader

_AT_ONCE = 128
"""Pictures read at a time: what the rows show takes 200 KB each."""


@dataclass(frozen=True, eq=False)
class _Shown:
    """One picture, its place, mask and axis."""

    at: int
    grey: np.ndarray
    mask: np.ndarray
    axis: MedialAxis


def changes_of(
    pictures: Sequence[np.ndarray],
    p: np.ndarray,
    reader: StructureReader,
    how: StructureReading,
    one_cell: bool,
    one_scale: bool = True,
) -> list[SingleChange | str]:
    """Return what is said of each picture uint8 (h, w), dark on white, or why nothing can be.

    `p` (n, 25): their classes. `one_cell`: they are of one cell, whose scale tells their lengths;
    else `one_scale` allows common scales, of those whose lengths and widths agree (see
    `karyogram.scales`). Without, each is seen as if it were as long and as wide as usual: a length
    that nobody knows must not speak.
    """
    if not len(pictures):
        return []
    best, weights = likely_classes(p)
    tried = [_shown(i, grey) for i, grey in enumerate(pictures)]
    found: list[SingleChange | str] = [one if isinstance(one, str) else "" for one in tried]
    shown = [one for one in tried if isinstance(one, _Shown)]
    if not shown:
        return found
    names = [CHROMOSOMES[best[one.at, 0]] for one in shown]
    axes = [one.axis for one in shown]
    scales: list[Scale | None] = [None] * len(shown)
    if one_cell:
        scales = [scale_of(names, axes)] * len(shown)
    elif one_scale:
        scales = scales_of(names, axes)
    for first in range(0, len(shown), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        _read(shown[some], best, weights, scales[some], reader, how, found)
    return found


def _shown(at: int, grey: np.ndarray) -> _Shown | str:
    try:
        mask = ink_mask(grey)
        return _Shown(at, grey, mask, medial_axis(mask, grey))
    except Exception as error:  # whatever is odd about one picture, the others are read
        return _why(error)


def _why(error: Exception) -> str:
    said = str(error) if isinstance(error, ScreeningError) else reason_of(error)
    return f"its structure was not read: {said}"


def _read(
    shown: Sequence[_Shown],
    best: np.ndarray,
    weights: np.ndarray,
    scales: Sequence[Scale | None],
    reader: StructureReader,
    how: StructureReading,
    found: list[SingleChange | str],
) -> None:
    """Write what is said of these pictures into `found`."""
    made = []
    for one, scale in zip(shown, scales, strict=True):
        strips_or_why = _strips(one, best, scale)
        if isinstance(strips_or_why, str):
            found[one.at] = strips_or_why
        else:
            made.append((one.at, strips_or_why))
    if not made:
        return
    at = np.array([i for i, _ in made])
    strips = CellStrips(
        np.concatenate([s.strips for _, s in made]), np.concatenate([s.quality for _, s in made])
    )
    classes = best[at].ravel()
    pairs = pairs_alone(classes)
    said = reader.read(strips, pairs, classes)
    # Of each strip where it stands among the pairs: (pair, side), flat.
    where = np.empty(len(classes), np.int64)
    where[pairs.ravel()] = np.arange(pairs.size)
    odds = said.single.reshape(-1)[where].reshape(-1, LIKELY)
    for k, p in enumerate(p_changed(odds, weights[at])):
        pair, side = divmod(int(where[k * LIKELY]), 2)
        rows = said.places[pair, side][said.inked[pair, side]]
        name = CHROMOSOMES[classes[k * LIKELY]]
        found[at[k]] = single_change(float(p), rows, name, how)


def _strips(one: _Shown, best: np.ndarray, scale: Scale | None) -> CellStrips | str:
    """The picture as each of its likely classes, or why not."""
    names = [CHROMOSOMES[index] for index in best[one.at]]
    scales = [scale or scale_of([name], [one.axis]) for name in names]
    units, widths = zip(*scales, strict=True)
    same = [one.grey] * LIKELY, [one.mask] * LIKELY, [one.axis] * LIKELY
    try:
        return strips_at(names, *same, units, widths)
    except Exception as error:  # as in `_shown`
        return _why(error)
