"""How large each object of a page is beside what its class lets expect, by the ink it covers.

On one page the area of a chromosome follows its class: log area rises linearly with the log of the
relative length, and only the line's place and slope change from page to page. Two small homologs
that touch or stand side by side pass for one in every other respect, but not in this one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening.classes import NOT_A_CHROMOSOME, RELATIVE_LENGTH
from screening.reading_settings import Sizes
from screening.record import Chromosome


def size_doubts(objects: Sequence[Chromosome], areas: np.ndarray, sizes: Sizes) -> tuple[str, ...]:
    """Return why the sizes of a page's objects must be seen by a person.

    `areas` (n,): ink of each object in pixels of the page.
    """
    excess = excesses(objects, areas, sizes)
    if not len(excess):
        return ()
    doubts = []
    double = [name for name in sizes.pairs if _holds_two(name, objects, areas, excess, sizes)]
    if double:
        names = ", ".join(double)
        doubts.append(f"a chromosome {names} is as large as two: homologs that touch?")
    small = [
        one.name
        for one, more in zip(objects, excess, strict=True)
        if one.name in RELATIVE_LENGTH and more <= sizes.too_small
    ]
    if small:
        doubts.append(f"too small for a chromosome {', '.join(small)}: print, or a part of it?")
    left_out = [
        one.position or "21"
        for one, more in zip(objects, excess, strict=True)
        if one.name == NOT_A_CHROMOSOME and more >= sizes.like_one
    ]
    if left_out:
        doubts.append(f"an object left out is as large as a chromosome {', '.join(left_out)}")
    return tuple(doubts)


def excesses(objects: Sequence[Chromosome], areas: np.ndarray, sizes: Sizes) -> np.ndarray:
    """Return log(area / expected area) of each object, float64 (n,); (0,) when there is no line.

    The class is the one read; for objects that are none, that of their slot or, outside, 21.
    """
    table = {name: np.log(length) for name, length in RELATIVE_LENGTH.items()}
    x = np.array([table.get(one.name, table.get(one.position, table["21"])) for one in objects])
    named = np.array([one.name in table for one in objects], bool)
    areas = np.asarray(areas, np.float64)
    if named.sum() < sizes.fewest or np.ptp(x[named]) < sizes.least_range:
        return np.zeros(0)
    y = np.log(np.maximum(areas, 1.0))
    slope, level = _line(x[named], y[named])
    return y - level - slope * x


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and level by repeated medians (Siegel 1982), as scipy.stats.siegelslopes gives them,
    which takes a third of a second to import."""
    slopes = []
    for one, level in zip(x, y, strict=True):
        apart = one - x
        other = apart != 0
        slopes.append(np.median((level - y[other]) / apart[other]))
    slope = float(np.median(slopes))
    return slope, float(np.median(y - slope * x))


def _holds_two(
    name: str, objects: Sequence[Chromosome], areas: np.ndarray, excess: np.ndarray, sizes: Sizes
) -> bool:
    at = [i for i, one in enumerate(objects) if one.name == name]
    if len(at) != 2:
        return False
    small, large = sorted(at, key=lambda i: areas[i])
    twice = np.log(areas[large] / max(areas[small], 1)) >= sizes.twice
    return bool(twice and excess[large] >= sizes.excess)
