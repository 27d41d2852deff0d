"""How the two homologs of a pair differ: a hint of a structural abnormality in one of them.

Homologs of one cell carry the same bands and the same length unless something was lost, gained,
turned or exchanged in one. They are also bent and stretched differently, so that a pair is judged
against the other pairs of its own page and never by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screening.classes import CHROMOSOMES
from screening.reading_settings import HomologComparison


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


def compare_homologs(
    p: np.ndarray, relative: np.ndarray | None, crops: np.ndarray, how: HomologComparison
) -> Homologs:
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
    named = np.where(p.max(1) >= how.sure, p.argmax(1), -1)
    places = {name: np.flatnonzero(named == k) for k, name in enumerate(CHROMOSOMES)}
    both = {name: at for name, at in places.items() if len(at) == 2}
    if not both:
        return Homologs((), 0.0)
    first, second = np.array(list(both.values())).T
    correlation = _band_correlation(
        _profiles(crops[first], how), _profiles(crops[second], how), how
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.minimum(lengths[first], lengths[second]) / np.maximum(
            lengths[first], lengths[second]
        )
    z = np.zeros(len(both))
    if len(both) >= how.fewest_pairs:
        most = how.most_correlation
        unlike = -np.arctanh(np.clip(correlation, -most, most))
        shorter = -np.log(np.clip(ratio, how.least_ratio, 1))
        z = np.maximum(
            _outlying(unlike, how.band_spread, how), _outlying(shorter, how.length_spread, how)
        )
    pairs = tuple(
        Pair(name, int(a), int(b), float(r), float(c), float(each))
        for name, a, b, r, c, each in zip(both, first, second, ratio, correlation, z, strict=True)
    )
    extreme = max(pairs, key=lambda pair: pair.z)
    excess = max(0.0, extreme.z - how.expected)
    return Homologs(pairs, excess, _sentence(extreme) if excess > how.told else "")


def _profiles(crops: np.ndarray, how: HomologComparison) -> np.ndarray:
    """Mean ink across the middle of each chromosome by row, smoothed, (m, h)."""
    from scipy.ndimage import gaussian_filter1d  # slow: not for a first page

    width = crops.shape[2]
    edge = width * how.edge // 10
    middle = crops[:, :, edge : width - edge].astype(np.float64).mean(2)
    return gaussian_filter1d(middle, how.smooth, axis=1)


def _band_correlation(one: np.ndarray, other: np.ndarray, how: HomologComparison) -> np.ndarray:
    """Best correlation (m,) of the profiles (m, h) over small stretches and shifts."""
    height = one.shape[1]
    rows = np.arange(height)
    best = np.full(len(one), -1.0)
    end = how.shift + height // how.ends
    inside = slice(end, height - end)
    for stretch in how.stretches:
        for shift in range(-how.shift, how.shift + 1, how.step):
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


def _outlying(difference: np.ndarray, least: float, how: HomologComparison) -> np.ndarray:
    """Robust z of each difference among all; 0 where it is unknown."""
    known = np.isfinite(difference)
    z = np.zeros(len(difference))
    if known.sum() < how.fewest_pairs:
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
