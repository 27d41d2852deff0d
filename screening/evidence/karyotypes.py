"""Chromosome complements of one cell: how probable each is beforehand, and what it is called.

A complement is int (25,): how many of each class of `classes.CHROMOSOMES`, then markers. The prior
is that of cells sent for karyotyping, in round figures: normal far more common than all else,
trisomies 21, 18, 13 and sex-chromosome sets first among the rest, losses of single chromosomes
(random loss in preparation included) small and alike for all. It only has to be right within a
factor of a few: what is seen of 46 chromosomes outweighs it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from screening.classes import AUTOSOMES, CHROMOSOMES, MARKER
from screening.iscn import karyotype

MARKER_COLUMN = len(CHROMOSOMES)
COLUMNS = (*CHROMOSOMES, MARKER)

_X, _Y = CHROMOSOMES.index("X"), CHROMOSOMES.index("Y")
_GAIN = {"21": 0.03, "18": 0.01, "13": 0.006, "16": 0.003, "22": 0.003, "8": 0.003, "15": 0.002,
         "9": 0.002}  # fmt: skip
_RARE_GAIN, _LOSS = 0.0015, 0.0015
_MARKER, _NEXT_MARKER = 0.006, 0.15
_SEX = {
    2: {(2, 0): 0.485, (1, 1): 0.485, (1, 0): 0.01, (3, 0): 0.004, (2, 1): 0.006, (1, 2): 0.004,
        (2, 2): 5e-4, (4, 0): 2e-4, (3, 1): 2e-4, (1, 3): 2e-5, (0, 1): 1e-6, (0, 2): 1e-6},
    3: {(3, 0): 0.4, (2, 1): 0.55, (1, 2): 0.05},
    4: {(4, 0): 0.5, (2, 2): 0.5},
}  # fmt: skip
_OTHER_SEX = 1e-6
_PLOIDY = {2: 0.994, 3: 0.004, 4: 0.002}
_COMPLEX, _COMPLEX_RATE = 0.002, 0.08
"""Share of cells with many changes at once (tumours), and each change's rate in those."""
_REGIMES = np.log([1 - _COMPLEX, _COMPLEX])
_FARTHEST = 4
_AUTOSOME_START = np.arange(22) * (2 * _FARTHEST + 1)


def log_prior(complements: np.ndarray) -> np.ndarray:
    """Return the log prior (b,) of complements int (b, 25)."""
    complements = np.asarray(complements)
    autosomes, x, y = complements[:, :22], complements[:, _X], complements[:, _Y]
    parts = []
    for ploidy, share in _PLOIDY.items():
        change = np.clip(autosomes - ploidy, -_FARTHEST, _FARTHEST) + _FARTHEST
        sex = np.log(share * _sex_table(ploidy)[np.minimum(x, 7), np.minimum(y, 7)])
        single = _autosome_table().take(change + _AUTOSOME_START, axis=0).sum(axis=1)
        parts.append(np.logaddexp(*(single + _REGIMES).T) + sex)
    markers = complements[:, MARKER_COLUMN]
    some = np.log(_MARKER) + (markers - 1) * np.log(_NEXT_MARKER)
    return np.logaddexp.reduce(parts, axis=0) + np.where(markers > 0, some, 0.0)


@lru_cache(maxsize=1)
def _autosome_table() -> np.ndarray:
    """Log rate of a change of −4…4 against the ploidy, (22 × 9, 2 regimes)."""
    gain = np.array([_GAIN.get(name, _RARE_GAIN) for name in AUTOSOMES])
    loss = np.full(22, _LOSS)
    tables = []
    for up, down in ((gain, loss), (np.full(22, _COMPLEX_RATE),) * 2):
        far = np.arange(1, _FARTHEST + 1)
        # A second gain of the same chromosome is rarer than a first, far rarer than independent.
        plus = up[:, None] * 0.02 ** (far - 1)
        minus = down[:, None] * 0.005 ** (far - 1)
        same = 1 - plus.sum(1, keepdims=True) - minus.sum(1, keepdims=True)
        tables.append(np.log(np.hstack([minus[:, ::-1], same, plus])))
    return np.stack(tables, axis=-1).reshape(-1, 2)


@lru_cache(maxsize=3)
def _sex_table(ploidy: int) -> np.ndarray:
    table = np.full((8, 8), _OTHER_SEX)
    for (x, y), share in _SEX[ploidy].items():
        table[x, y] = share
    return table


def normal_complements() -> np.ndarray:
    """Return 46,XX and 46,XY, int (2, 25)."""
    both = np.zeros((2, 25), np.int64)
    both[:, :22] = 2
    both[0, _X] = 2
    both[1, [_X, _Y]] = 1
    return both


def is_normal(complements: np.ndarray) -> np.ndarray:
    """Return bool (b,): 46,XX or 46,XY."""
    return (np.asarray(complements)[:, None, :] == normal_complements()[None]).all(2).any(1)


def iscn_of(complement: np.ndarray) -> str:
    """Return the ISCN string of one complement int (25,), e.g. "47,XX,+21"."""
    counts = {name: int(n) for name, n in zip(CHROMOSOMES, complement, strict=False)}
    return karyotype(counts, int(complement[MARKER_COLUMN]))


def gains_and_losses(complement: np.ndarray) -> tuple[str, ...]:
    """Return what one complement has more or less than a normal one: ("+21",), ("-X",), ("+mar",).

    Against the ploidy of its autosomes, which is named first when it is not two ("3n"). Sex
    chromosomes against the nearest of XX and XY (their multiples): 45,X is ("-X",) though it may
    have been a Y that was lost, and XXY, XXX, XYY are one gain each.
    """
    ploidy = int(max(2, np.median(complement[:22])))
    named = [] if ploidy == 2 else [f"{ploidy}n"]
    for name, count in zip(AUTOSOMES, complement[:22], strict=True):
        named += [f"{'+' if count > ploidy else '-'}{name}"] * abs(int(count) - ploidy)
    x, y = int(complement[_X]), int(complement[_Y])
    if ploidy == 2:
        named += _sex_changes(x, y)
    elif x + y != ploidy:
        named.append(f"sex {'X' * x + 'Y' * y or 'none'}")
    return (*named, *["+mar"] * int(complement[MARKER_COLUMN]))


def _sex_changes(x: int, y: int) -> list[str]:
    if y == 0:
        return ["-X"] * max(0, 2 - x) + ["+X"] * max(0, x - 2)
    return ["-X"] * max(0, 1 - x) + ["+X"] * max(0, x - 1) + ["+Y"] * (y - 1)
