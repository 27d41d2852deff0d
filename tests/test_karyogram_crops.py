"""The classifier's input: bands survive what laboratories change, lengths come back as shares."""

import cv2
import numpy as np
import pytest

from screening.classes import CHROMOSOMES, RELATIVE_LENGTH
from screening.karyogram.body import joined
from screening.karyogram.crops import (
    CANVAS,
    cell_scale,
    outline_of,
    relative_lengths,
    scaled_by_class,
    standardised,
)
from screening.synthesis.drawn import draw_cell
from screening.synthesis.warp import Hinge, curl, warp


@pytest.fixture(scope="module")
def cell():
    return draw_cell(np.random.default_rng(4), "XY")


def _picture(cell, name: str) -> np.ndarray:
    return next(c.image for c in cell.chromosomes if c.name == name)


def _alike(one: np.ndarray, two: np.ndarray) -> float:
    images, _, _ = standardised([one, two])
    return float(np.corrcoef(*images.reshape(2, -1))[0, 1])


@pytest.mark.parametrize("name", ["1", "7", "16", "21"])
@pytest.mark.parametrize(
    "change",
    [
        lambda p: cv2.resize(p, None, fx=1.8, fy=1.8, interpolation=cv2.INTER_LINEAR),
        lambda p: cv2.resize(p, None, fx=1.4, fy=1.0, interpolation=cv2.INTER_LINEAR),
        lambda p: (255 - (255 - p.astype(np.float32)) * 0.6).astype(np.uint8),
        lambda p: warp(p, 1.0, angle=4.0),
        lambda p: np.pad(p, 15, constant_values=255),
    ],
    ids=["larger", "stouter", "paler", "turned", "padded"],
)
def test_the_same_bands_under_another_laboratorys_look(cell, name, change):
    picture = _picture(cell, name)
    assert _alike(picture, change(picture)) > 0.85


def test_a_bent_chromosome_is_straightened(cell):
    picture = _picture(cell, "3")
    bent = curl(picture, (Hinge(0.5, 110.0, 0.25),), 0.0)
    assert bent.shape[1] > 1.3 * picture.shape[1]
    assert _alike(picture, bent) > 0.8
    assert outline_of(bent).length == pytest.approx(outline_of(picture).length, rel=0.12)


def test_upside_down_is_not_the_same(cell):
    picture = _picture(cell, "4")
    assert _alike(picture, picture[::-1]) < 0.9


def test_chromatids_apart_are_one_and_two_chromosomes_never_pass_for_one(cell):
    picture = _picture(cell, "7")
    height, width = picture.shape
    gap = np.full((height, 3), 255, np.uint8)
    halves = np.hstack([picture[:, : width // 2], gap, picture[:, width // 2 :]])
    assert outline_of(halves).width == pytest.approx(outline_of(picture).width + 3, rel=0.2)
    assert _alike(picture, halves) > 0.7
    small = _picture(cell, "21")
    beside = np.hstack([small, np.full((small.shape[0], 4), 255, np.uint8), small])
    one, two = outline_of(small), outline_of(beside)
    assert two.length * two.width > 1.7 * one.length * one.width
    dust = np.pad(picture, 12, constant_values=255)
    dust[2:6, 2:6] = 60
    assert outline_of(dust).length == pytest.approx(outline_of(picture).length, rel=0.02)


def test_paper_is_zero_and_nothing_is_nothing():
    images, lengths, _ = standardised([np.full((30, 20), 255, np.uint8)])
    assert images.shape == (1, *CANVAS) and not images.any() and lengths[0] == 0
    assert standardised([])[0].shape == (0, *CANVAS)


def test_relative_lengths_need_no_classes_and_survive_errors(cell):
    lengths = np.array([RELATIVE_LENGTH[c.name] for c in cell.chromosomes]) * 13.0
    truth = lengths / 13.0
    np.testing.assert_allclose(relative_lengths(lengths), truth, rtol=0.05)
    broken = np.concatenate([lengths[3:], [lengths[0] + lengths[1]], [6.0] * 4])
    np.testing.assert_allclose(relative_lengths(broken)[:43], truth[3:], rtol=0.1)
    assert np.isnan(relative_lengths(lengths[:12])).all()
    names = [c.name for c in cell.chromosomes][:12]
    np.testing.assert_allclose(scaled_by_class(lengths[:12], names), truth[:12], rtol=1e-5)


def test_only_the_lengths_of_a_cell_give_a_scale():
    cell = np.array([RELATIVE_LENGTH[n] for n in CHROMOSOMES for _ in range(2)]) * 20
    assert cell_scale(cell) == pytest.approx(1 / 20, rel=0.05)
    assert np.isnan(cell_scale(np.full(40, 55.0)))
    assert np.isnan(cell_scale(cell[:10]))


def test_any_pieces_are_joined_into_one():
    rng = np.random.default_rng(0)
    for _ in range(200):
        mask = np.zeros(rng.integers(2, 57, 2), np.uint8)
        for _ in range(rng.integers(1, 7)):
            y, x = (int(rng.integers(0, side)) for side in mask.shape)
            mask[y : y + int(rng.integers(1, 6)), x : x + int(rng.integers(1, 6))] = 1
        found = joined(mask)
        assert found.shape == mask.shape
        assert cv2.connectedComponents(found, connectivity=8)[0] == 2
