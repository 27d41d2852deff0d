"""What one more blur takes from sharp and from blurred pages, at any resolution."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from screening.images.page import Page
from screening.karyogram.locate import Located
from screening.karyogram.softness import softness
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import random_style, unworn
from shipped import locator


@cache
def page() -> tuple[np.ndarray, Located]:
    rng = np.random.default_rng(2)
    image = compose(draw_cell(rng, "XX"), unworn(random_style(rng)), rng).image
    paper = Page.of(image).paper
    return paper, locator().locate(Page(paper))


def soft(image: np.ndarray) -> float:
    return softness(image, locator().locate(Page(image)))


def blurred(widths: float) -> np.ndarray:
    paper, found = page()
    return cv2.GaussianBlur(paper, (0, 0), widths * found.chromosome_width)


def test_the_more_a_page_was_blurred_the_softer_it_is():
    paper, found = page()
    values = [softness(paper, found)]
    values += [softness(blurred(widths), found) for widths in (0.05, 0.1, 0.15, 0.25)]
    assert values == sorted(values) and values[0] < 0.85 and values[-1] > 0.9


@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_resolution_hardly_counts(scale):
    paper, found = page()
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    other = cv2.resize(paper, None, fx=scale, fy=scale, interpolation=how)
    assert soft(other) == pytest.approx(softness(paper, found), abs=0.1)


def test_nothing_thick_enough_is_not_soft():
    paper, found = page()
    assert softness(np.full_like(paper, 255), found) == 0.0
    assert softness(paper, Located(())) == 0.0
