"""A front spreads as dilations by a square and a cross by turns do."""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np
import pytest

from screening.karyogram.fronts import Fronts

CROSS, SQUARE = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.ones((3, 3), np.uint8)


@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (9, 5), (40, 33), (16, 8)])
def test_each_step_is_a_dilation_inside_the_mask(shape, square):
    rng = np.random.default_rng(shape)
    mask = (rng.random(shape) < 0.75).astype(np.uint8)
    mask[0, 0] = mask[-1, -1] = 1
    seeds = [(0, 0), (shape[0] - 1, shape[1] - 1)]
    reached = np.zeros(shape, np.uint8)
    steps = np.full(shape, 31)
    for y, x in seeds:
        reached[y, x] = 1
    for step in range(31):
        steps[(reached > 0) & (steps == 31)] = step
        kernel = SQUARE if square == (step % 2 == 0) else CROSS
        reached = cv2.dilate(reached, kernel) & mask
    fronts = Fronts(mask)
    np.testing.assert_array_equal(fronts.steps([*islice(fronts.spread(seeds, square), 31)]), steps)


def test_a_way_of_many_hundred_steps_is_counted():
    mask = np.ones((1, 700), np.uint8)
    fronts = Fronts(mask)
    reached = [*islice(fronts.spread([(0, 0)], square=True), 700)]
    np.testing.assert_array_equal(fronts.steps(reached)[0], np.arange(700))
