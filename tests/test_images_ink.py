"""The window of ink is tight, whatever its shape; a blank picture has none."""

from __future__ import annotations

import numpy as np
import pytest

from screening.images.ink import crop_to_ink, ink_window


@pytest.mark.parametrize("seed", range(20))
def test_the_window_holds_all_and_touches_ink_on_every_side(seed):
    rng = np.random.default_rng(seed)
    ink = rng.random(rng.integers(1, 40, 2)) < 0.02
    ink[tuple(rng.integers(0, side) for side in ink.shape)] = True
    window = ink_window(ink)
    inside = ink[window]
    assert inside.sum() == ink.sum()
    assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_nothing_has_no_window():
    assert ink_window(np.zeros((4, 5), bool)) is None
    assert crop_to_ink(np.full((4, 5), 250, np.uint8), 250).shape == (0, 0)


def test_a_crop_owns_its_pixels():
    page = np.full((50, 50), 255, np.uint8)
    page[10:20, 30] = 249
    crop = crop_to_ink(page, 250)
    assert crop.shape == (10, 1) and (crop == 249).all() and crop.base is None
