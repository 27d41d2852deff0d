"""Homologs against each other: alike on an ordinary page, a changed one stands out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from evidence_pages import chromosomes, say
from screening.evidence import homologs
from screening.reading_settings import HomologComparison


def crops_of(names: list[str], seed: int = 0) -> np.ndarray:
    """Bands by class, with noise of its own on every chromosome, uint8 (n, 96, 32)."""
    rng = np.random.default_rng(seed)
    bands = {n: gaussian_filter1d(rng.uniform(0, 1, 96), 3) for n in dict.fromkeys(names)}
    crops = []
    for name in names:
        profile = (bands[name] - bands[name].min()) / np.ptp(bands[name])
        noise = rng.normal(0, 12, (96, 32))
        crops.append(np.clip(60 + 170 * profile[:, None] + noise, 0, 255))
    return np.array(crops).astype(np.uint8)


def compare_homologs(*page) -> homologs.Homologs:
    return homologs.compare_homologs(*page, HomologComparison())


NAMES = chromosomes()
LENGTHS = np.random.default_rng(1).normal(1, 0.02, 46)


def test_an_ordinary_page_says_nothing():
    got = compare_homologs(say(NAMES), LENGTHS, crops_of(NAMES))
    assert len(got.pairs) == 23
    assert got.feature < 1 and got.note == ""
    assert min(pair.correlation for pair in got.pairs) > 0.8


def test_a_shortened_homolog_stands_out_by_its_length():
    lengths = LENGTHS.copy()
    lengths[NAMES.index("5")] *= 0.6
    got = compare_homologs(say(NAMES), lengths, crops_of(NAMES))
    assert max(got.pairs, key=lambda pair: pair.z).name == "5"
    assert got.feature > 3 and "chromosomes 5" in got.note


def test_turned_bands_stand_out():
    crops = crops_of(NAMES)
    i = NAMES.index("9")
    crops[i] = crops[i][::-1]
    got = compare_homologs(say(NAMES), None, crops)
    assert max(got.pairs, key=lambda pair: pair.z).name == "9"
    assert got.feature > 1
    assert all(np.isnan(pair.length_ratio) for pair in got.pairs)


def test_a_small_shift_or_stretch_is_no_difference():
    crops = crops_of(NAMES)
    moved = crops.copy()
    moved[::2] = np.roll(crops[::2], 2, axis=1)
    got = compare_homologs(say(NAMES), LENGTHS, moved)
    assert min(pair.correlation for pair in got.pairs) > 0.7


def test_classes_without_two_sure_copies_are_left_out():
    names = chromosomes("+21 -7", "XY")
    p = say(names)
    p[names.index("3")] = 1 / 25
    got = compare_homologs(p, None, crops_of(names))
    assert {"21", "7", "X", "Y", "3"}.isdisjoint({pair.name for pair in got.pairs})
    assert len(got.pairs) == 19


def test_few_objects_give_a_neutral_answer():
    for n in (0, 1, 4):
        got = compare_homologs(say(NAMES[:n]), None, crops_of(NAMES[:n]).reshape(n, 96, 32))
        assert got.feature == 0 and len(got.pairs) == n // 2
    blank = compare_homologs(say(NAMES), np.full(46, np.nan), np.zeros((46, 96, 32), np.uint8))
    assert blank.feature == 0


def test_arrays_must_fit():
    with pytest.raises(ValueError, match="expected 3"):
        compare_homologs(np.ones((2, 25)), None, np.zeros((3, 96, 32), np.uint8))
