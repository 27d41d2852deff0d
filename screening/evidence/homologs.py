"""How the two homologs of a pair differ: a hint of a structural abnormality in one of them.

Homologs of one cell carry the same bands and the same length unless something was lost, gained,
turned or exchanged in one. They are also bent and stretched differently, so that a pair is judged
against the other pairs of its own page and never by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from screening.classes import CHROMOSOMES

_SMOOTH = 1.5  # rows of the crop; finer bands come and go with the preparation
_STRETCH = (0.94, 1.0, 1.06)
_SHIFTS, _STEP = 4, 2
_FEWEST_PAIRS = 8
_SURE = 0.8
_LENGTH_SPREAD, _BAND_SPREAD = 0.03, 0.2
"""Least robust spread of a page: on a page of identical homologs nothing small is a finding."""
_EXPECTED = 4.0
"""The largest z of the 22 or 23 pairs of an ordinary page, half of the time."""


@dataclass(frozen=True)
class Pair:
    """Two homologs by their places in the page's lists: `length_ratio` shorter by longer (nan when
    unknown), `correlation` of their band profiles −1…1, `z` of their difference among the pairs of
    the page, in robust standard deviations (0 when the page has too few pairs)."""

    name: str
    first: int
    second: int
    length_ratio: float
    correlation: float
    z: float = 0.0


@dataclass(frozen=True)
class Homologs:
    """All pairs of a page, in the order of the classes. `feature` for the fusion: how far the most
    different pair exceeds what every page has, 0 when it does not; `note`: a sentence about it, ""
    when there is nothing to say."""

    pairs: tuple[Pair, ...]
    feature: float
    note: str = ""


def compare_homologs(p: np.ndarray, relative: np.ndarray | None, crops: np.ndarray) -> Homologs:
    """Return the pairs of a page and how much the most different one stands out.

    `p` (n, 25): class probabilities, the last "not one chromosome"; classes that do not come in
    exactly two sure copies are left out. `relative` (n,): lengths in any unit, nan when unknown.
    `crops`: uint8 (n, h, w) as of `karyogram.crops.standardised` (ink on paper 0, upright, length
    filling the height). ValueError for arrays that do not fit each other.
    """
    n = len(crops)
    p = np.asarray(p, np.float64)
    lengths = np.full(n, np.nan) if relative is None else np.asarray(relative, np.float64)
    if len(p) != n or lengths.shape != (n,):
        raise ValueError(
            f"expected {n} probabilities and lengths, received {p.shape}, {lengths.shape}"
        )
    if n == 0:
        return Homologs((), 0.0)
    named = np.where(p.max(1) >= _SURE, p.argmax(1), -1)
    places = {name: np.flatnonzero(named == k) for k, name in enumerate(CHROMOSOMES)}
    both = {name: at for name, at in places.items() if len(at) == 2}
    if not both:
        return Homologs((), 0.0)
    first, second = np.array(list(both.values())).T
    correlation = _band_correlation(_profiles(crops[first]), _profiles(crops[second]))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.minimum(lengths[first], lengths[second]) / np.maximum(
            lengths[first], lengths[second]
        )
    z = np.zeros(len(both))
    if len(both) >= _FEWEST_PAIRS:
        shorter = _outlying(-np.log(np.clip(ratio, 0.05, 1)), _LENGTH_SPREAD)
        z = np.maximum(
            _outlying(-np.arctanh(np.clip(correlation, -0.95, 0.95)), _BAND_SPREAD), shorter
        )
    pairs = tuple(
        Pair(name, int(a), int(b), float(r), float(c), float(each))
        for name, a, b, r, c, each in zip(both, first, second, ratio, correlation, z, strict=True)
    )
    most = max(pairs, key=lambda pair: pair.z)
    excess = max(0.0, most.z - _EXPECTED)
    return Homologs(pairs, excess, _sentence(most) if excess > _EXPECTED else "")


def _profiles(crops: np.ndarray) -> np.ndarray:
    """Mean ink across the middle of each chromosome by row, smoothed, (m, h)."""
    width = crops.shape[2]
    middle = crops[:, :, width * 3 // 10 : width - width * 3 // 10].astype(np.float64).mean(2)
    return gaussian_filter1d(middle, _SMOOTH, axis=1)


def _band_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Best correlation (m,) of the profiles (m, h) over small stretches and shifts."""
    height = one.shape[1]
    rows = np.arange(height)
    best = np.full(len(one), -1.0)
    inside = slice(_SHIFTS + height // 16, height - _SHIFTS - height // 16)
    for stretch in _STRETCH:
        for shift in range(-_SHIFTS, _SHIFTS + 1, _STEP):
            at = np.clip((rows - height / 2) * stretch + height / 2 + shift, 0, height - 1)
            low = np.minimum(at.astype(int), height - 2)
            part = at - low
            moved = other[:, low] * (1 - part) + other[:, low + 1] * part
            best = np.maximum(best, _correlation(one[:, inside], moved[:, inside]))
    return best


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.where(size > 1e-6, (a * b).sum(1) / np.maximum(size, 1e-6), 1.0)


def _outlying(difference: np.ndarray, least: float) -> np.ndarray:
    """Robust z of each difference among all; 0 where it is unknown."""
    known = np.isfinite(difference)
    z = np.zeros(len(difference))
    if known.sum() < _FEWEST_PAIRS:
        return z
    middle = np.median(difference[known])
    spread = 1.4826 * np.median(np.abs(difference[known] - middle))
    z[known] = (difference[known] - middle) / max(spread, least)
    return z


def _sentence(pair: Pair) -> str:
    length = "" if np.isnan(pair.length_ratio) else f", length ratio {pair.length_ratio:.2f}"
    return (
        f"the two chromosomes {pair.name} differ more than other pairs (band correlation "
        f"{pair.correlation:.2f}{length}): a structural change in one of them?"
    )
