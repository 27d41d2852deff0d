"""Karyograms with their truth: composed, and with a known abnormality."""

from __future__ import annotations

import numpy as np

from screening.api.checks import check
from screening.data.composed import drawn_cell
from screening.synthesis import compose as composing
from screening.synthesis import simulate as numerical
from screening.synthesis.abnormalities import possible_sexes, random_abnormality
from screening.synthesis.compose import Karyogram
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.random_structural import random_structural
from screening.synthesis.rearrangements import is_structural, structural_sexes
from screening.synthesis.structural import structural
from screening.synthesis.style import STYLES


def compose(
    cell: Metaphase | None = None, *, style: str = "clinical", seed: int = 0, number: int = 1
) -> Karyogram:
    """Return a karyogram of `cell` (None: a normal one, drawn by the band table) with its truth.

    `style`: "clinical", a common laboratory printout, or "random", the looks of many laboratories.
    The same `seed` (0 to 2**31 - 1) and `number` (1 or more) give the same picture: of drawn cells
    that of `screening compose drawn`. `image`: uint8 (h, w); `boxes`, `slots`, `iscn` and `label`
    are true of it. ScreeningError for a bad value.
    """
    rng = _generator(style, seed, number)
    cell = drawn_cell(rng, seed, number) if cell is None else cell
    return composing.compose(cell, STYLES[style](rng), rng)


def simulate(
    abnormality: str | None = None,
    cell: Metaphase | None = None,
    *,
    style: str = "clinical",
    seed: int = 0,
    number: int = 1,
) -> Karyogram:
    """Return the karyogram of a cell with a known abnormality; see `compose`.

    `abnormality`: a gain or loss, "+21", "45,X", "69,XXY", "+mar", or a structural one by its ISCN
    name, "t(9;22)(q34;q11.2)" (None: any gain or loss, the frequent ones more often); `cell`: a
    complete normal one (None: drawn). ScreeningError for a bad value, a name that is none, or one
    that the cell's sex chromosomes do not allow.
    """
    rng = _generator(style, seed, number)
    names = [] if abnormality is None else [abnormality]
    rearranged = abnormality is not None and is_structural(abnormality)
    sexes = (structural_sexes if rearranged else possible_sexes)(names)
    cell = drawn_cell(rng, seed, number, sexes) if cell is None else cell
    if rearranged:
        changed = structural(cell, random_structural(rng, cell.sex, names), rng)
    else:
        changed = numerical.simulate(cell, random_abnormality(rng, cell.sex, names), rng)
    return composing.compose(changed, STYLES[style](rng), rng)


def _generator(style: str, seed: int, number: int) -> np.random.Generator:
    check(
        (style in STYLES, f"style of {' or '.join(STYLES)}, received {style!r}"),
        (0 <= seed < 2**31, f"seed of 0 to {2**31 - 1}, received {seed}"),
        (number >= 1, f"number of 1 or more, received {number}"),
    )
    return np.random.default_rng([seed, number - 1])
