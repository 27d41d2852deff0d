"""One look for all laboratories."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from screening.images.normalise import crop_margins, letterbox, normalise
from screening.synthesis.compose import Karyogram, compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import Style


@pytest.fixture(scope="module")
def karyogram() -> Karyogram:
    rng = np.random.default_rng(2)
    return compose(draw_cell(rng, "XY"), Style(), rng)


@pytest.fixture(scope="module")
def page(karyogram) -> np.ndarray:
    return normalise(karyogram.image)


def test_paper_is_white_and_bands_are_kept(karyogram, page):
    assert (page == 255).mean() > 0.6
    box = karyogram.boxes[0]
    window = np.s_[box.y : box.y + box.h, box.x : box.x + box.w]
    before, after = karyogram.image[window].astype(float), page[window].astype(float)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("paper", [255, 227, 200])
def test_light_bands_survive_on_clean_paper(paper):
    """Paper of one single grey has no noise, so nothing lighter than ink may vanish in it."""
    image = np.full((400, 600), 255, np.uint8)
    for x in range(60, 540, 40):
        image[100:260, x : x + 16] = 110
        image[150:190, x : x + 16] = 232
    page = normalise((image.astype(float) * paper / 255).round().astype(np.uint8))
    assert (page[image == 255] == 255).mean() > 0.999
    assert (page[155:185, 62:74] < 250).all()


@pytest.mark.parametrize("change", ["inverted", "grey paper", "uneven light", "noise", "pale"])
def test_laboratories_look_alike_after_normalising(karyogram, page, change):
    image = karyogram.image.astype(np.float32)
    light = np.linspace(0.75, 1.0, image.shape[1], dtype=np.float32)[None]
    changed = {
        "inverted": 255 - image,
        "grey paper": image * 0.8,
        "uneven light": image * light,
        "noise": image + np.random.default_rng(0).normal(0, 3, image.shape),
        "pale": 255 - (255 - image) * 0.6,
    }[change]
    other = normalise(np.clip(changed, 0, 255).astype(np.uint8))
    difference = np.abs(other.astype(int) - page)
    assert difference[page == 255].mean() < 3
    assert difference.mean() < 6


def test_margins_do_not_matter(page):
    wide = cv2.copyMakeBorder(page, 90, 40, 200, 30, cv2.BORDER_CONSTANT, value=255)
    np.testing.assert_array_equal(crop_margins(wide), crop_margins(page))


def test_letterbox_keeps_the_aspect():
    ink = np.zeros((60, 200), np.uint8)
    boxed = letterbox(ink, 100)
    rows, columns = np.nonzero(boxed < 128)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (30, 100)
    assert boxed[:34].min() == 255


@pytest.mark.parametrize("size", [150, 224, 416])
def test_preprocessing_gives_the_networks_input(karyogram, size):
    out = letterbox(crop_margins(normalise(karyogram.image)), size)
    assert out.shape == (size, size) and out.dtype == np.uint8 and out.max() == 255
