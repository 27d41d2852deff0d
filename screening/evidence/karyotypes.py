"""Chromosome complements of one cell: how probable each is beforehand, and what it is called.

A complement is int (25,): how many of each class of `classes.CHROMOSOMES`, then markers. The prior
(`reading_settings.Prior`) is that of cells sent for karyotyping, in round figures: normal far more
common than all else, trisomies 21, 18, 13 and sex-chromosome sets first among the rest, losses of
single chromosomes (random loss in preparation included) small and alike for all. It only has to be
right within a factor of a few: what is seen of 46 chromosomes outweighs it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from screening.classes import AUTOSOMES, CHROMOSOMES, MARKER
from screening.iscn import karyotype
from screening.reading_settings import Prior

MARKER_INDEX = len(CHROMOSOMES)
COLUMNS = (*CHROMOSOMES, MARKER)

_X, _Y = CHROMOSOMES.index("X"), CHROMOSOMES.index("Y")
_FARTHEST = 4  # changes and sex chromosomes beyond the tables are as rare as the last there
_MOST_SEX = 7
_AUTOSOME_START = np.arange(22) * (2 * _FARTHEST + 1)


def log_prior(complements: np.ndarray, prior: Prior) -> np.ndarray:
    """Return the log prior (b,) of complements int (b, 25)."""
    complements = np.asarray(complements)
    autosomes, x, y = complements[:, :22], complements[:, _X], complements[:, _Y]
    regimes = np.log([1 - prior.complex, prior.complex])
    parts = []
    for ploidy, share in zip((2, 3, 4), prior.ploidy, strict=True):
        change = np.clip(autosomes - ploidy, -_FARTHEST, _FARTHEST) + _FARTHEST
        sets = _sex_table(prior, ploidy)[np.minimum(x, _MOST_SEX), np.minimum(y, _MOST_SEX)]
        single = _autosome_table(prior).take(change + _AUTOSOME_START, axis=0).sum(axis=1)
        parts.append(np.logaddexp(*(single + regimes).T) + np.log(share * sets))
    markers = complements[:, MARKER_INDEX]
    some = np.log(prior.marker) + (markers - 1) * np.log(prior.next_marker)
    return np.logaddexp.reduce(parts, axis=0) + np.where(markers > 0, some, 0.0)


@lru_cache(maxsize=8)
def _autosome_table(prior: Prior) -> np.ndarray:
    """Log rate of a change of −4…4 against the ploidy, (22 × 9, 2 regimes)."""
    gains = dict(prior.gains)
    gain = np.array([gains.get(name, prior.gain) for name in AUTOSOMES])
    loss = np.full(22, prior.loss)
    tables = []
    for up, down in ((gain, loss), (np.full(22, prior.complex_rate),) * 2):
        far = np.arange(1, _FARTHEST + 1)
        # A second gain of the same chromosome is rarer than a first, far rarer than independent.
        plus = up[:, None] * prior.second_gain ** (far - 1)
        minus = down[:, None] * prior.second_loss ** (far - 1)
        same = 1 - plus.sum(1, keepdims=True) - minus.sum(1, keepdims=True)
        tables.append(np.log(np.hstack([minus[:, ::-1], same, plus])))
    return np.stack(tables, axis=-1).reshape(-1, 2)


@lru_cache(maxsize=24)
def _sex_table(prior: Prior, ploidy: int) -> np.ndarray:
    table = np.full((_MOST_SEX + 1, _MOST_SEX + 1), prior.other_sex)
    for sex, share in _sex_sets(prior)[ploidy]:
        table[sex.count("X"), sex.count("Y")] = share
    return table


def _sex_sets(prior: Prior) -> dict[int, tuple[tuple[str, float], ...]]:
    return {2: prior.diploid_sex, 3: prior.triploid_sex, 4: prior.tetraploid_sex}


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
    return karyotype(counts, int(complement[MARKER_INDEX]))


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
    return (*named, *["+mar"] * int(complement[MARKER_INDEX]))


def _sex_changes(x: int, y: int) -> list[str]:
    if y == 0:
        return ["-X"] * max(0, 2 - x) + ["+X"] * max(0, x - 2)
    return ["-X"] * max(0, 1 - x) + ["+X"] * max(0, x - 1) + ["+Y"] * (y - 1)
