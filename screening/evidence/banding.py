"""Whether a page's chromosomes show G bands at all: the stain, and how well it can be read.

A chromosome's profile along its axis agrees better with the G bands of its own class than with
those of other classes. What all chromosomes have in common (pale ends, a waist) cancels, and so do
exposure and contrast, so that one limit holds across laboratories. Solid stain agrees with
no class, R bands agree when they are inverted, and out of focus the fine bands are gone. The class
is the reading's, which takes it from the place where bands say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening import words
from screening.classes import CHROMOSOMES
from screening.evidence.g_bands import g_profiles
from screening.page_settings import BandReading
from screening.reading_settings import ReadingSettings
from screening.record import Banding, Reading


def banding_of(crops: np.ndarray, names: Sequence[str], how: BandReading) -> Banding:
    """Return what the bands of a page are like.

    `crops`: uint8 (n, h, w) as of `karyogram.crops.standardised` (ink on paper 0, upright, length
    filling the height); `names` (n,): the class of each, others than the 24 are left out. All 0
    without any. ValueError for another number of names.
    """
    from scipy.ndimage import gaussian_filter1d  # slow: not for a first page

    if len(crops) != len(names):
        raise ValueError(f"expected {len(crops)} names, received {len(names)}")
    known = np.array([name in CHROMOSOMES for name in names], bool)
    if not known.any():
        return Banding()
    own = np.array([CHROMOSOMES.index(name) for name in names if name in CHROMOSOMES])
    lines = profiles_of(crops[known], how)
    ends = lines.shape[1] // how.ends
    fine = gaussian_filter1d(lines, how.fine[0], axis=1)
    fine -= gaussian_filter1d(lines, how.fine[1], axis=1)
    expected = _unit(_bands(g_profiles(lines.shape[1]), how)[:, ends:-ends])
    shown = _moved(_bands(lines, how), how)[:, :, ends:-ends]
    alike = _unit(shown) @ expected.T
    return Banding(
        agreement=_beyond_others(alike.max(0), own),
        inverted=_beyond_others((-alike).max(0), own),
        detail=float(np.median(fine[:, ends:-ends].std(1))),
    )


def profiles_of(crops: np.ndarray, how: BandReading) -> np.ndarray:
    """Return the ink along the middle of each crop uint8 (n, h, w), (n, h) in 0–255."""
    width = crops.shape[2]
    edge = round(width * (1 - how.middle) / 2)
    # What is paler than any band is the waist, or the rim.
    return np.maximum(crops[:, :, edge : width - edge], how.palest).astype(np.float64).mean(2)


def doubts_of_bands(reading: Reading, settings: ReadingSettings) -> tuple[str, ...]:
    """Return why the bands of a whole cell cannot be trusted, at most one sentence."""
    unseen = unseen_bands(reading.banding, settings.bands)
    if unseen:
        return (unseen,)
    return (words.POOR_BANDS,) if reading.misread_rate >= settings.looks.poor else ()


def unseen_bands(seen: Banding | None, limits: BandReading) -> str:
    """Return why nothing but a count can be told by the bands, "" where more can, or where nobody
    looked."""
    if seen is None:
        return ""
    if seen.inverted >= limits.inverted:
        return words.REVERSED_BANDS
    if seen.detail < limits.detail or seen.softness >= limits.soft:
        return words.BLURRED_BANDS
    return words.NO_BANDS if seen.agreement < limits.agreement else ""


def _bands(lines: np.ndarray, how: BandReading) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d  # slow: not for a first page

    smooth = gaussian_filter1d(lines, how.smooth, axis=1)
    return smooth - gaussian_filter1d(lines, how.trend, axis=1)


def _moved(bands: np.ndarray, how: BandReading) -> np.ndarray:
    """The lines (n, h) at every stretch and shift, (m, n, h)."""
    height = bands.shape[1]
    middle = (height - 1) / 2
    moved = []
    for stretch in how.stretches:
        at = np.clip((np.arange(height) - middle) * stretch + middle, 0, height - 1)
        low = np.minimum(at.astype(int), height - 2)
        one = bands[:, low] * (1 - at + low) + bands[:, low + 1] * (at - low)
        moved += [np.roll(one, shift, axis=1) for shift in range(-how.shift, how.shift + 1)]
    return np.array(moved)


def _unit(lines: np.ndarray) -> np.ndarray:
    lines = lines - lines.mean(-1, keepdims=True)
    return lines / np.maximum(np.linalg.norm(lines, axis=-1, keepdims=True), 1e-6)


def _beyond_others(alike: np.ndarray, own: np.ndarray) -> float:
    """How much more `alike` (n, 24) the chromosomes are to their own class than to the others."""
    mine = alike[np.arange(len(own)), own]
    return float(np.mean(mine - (alike.sum(1) - mine) / (alike.shape[1] - 1)))
