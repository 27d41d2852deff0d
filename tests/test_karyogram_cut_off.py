"""Chromosomes that the picture's border cuts are told; those that only touch it are not."""

from __future__ import annotations

import numpy as np
import pytest

from screening.images.page import Page
from screening.karyogram.gate import inspect
from screening.synthesis.compose import Karyogram, compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import Style
from shipped import locator


@pytest.fixture(scope="module")
def karyogram() -> Karyogram:
    rng = np.random.default_rng(2)
    return compose(draw_cell(rng, "XY"), Style(label="none", rule="none", bend=0.0), rng)


def warned(image: np.ndarray) -> bool:
    return any("cut off?" in one for one in inspect(Page.of(image), locator()).quality.warnings)


def bounds(karyogram: Karyogram) -> tuple[int, int, int, int]:
    """The outermost edges of the chromosomes: left, top, right, bottom."""
    edges = np.array([(b.x, b.y, b.x + b.w, b.y + b.h) for b in karyogram.boxes])
    (left, top), (right, bottom) = edges[:, :2].min(0), edges[:, 2:].max(0)
    return int(left), int(top), int(right), int(bottom)


def test_a_page_with_margins_or_hardly_any_is_whole(karyogram):
    left, top, right, bottom = bounds(karyogram)
    assert not warned(karyogram.image)
    assert not warned(karyogram.image[top - 2 : bottom + 2, left - 2 : right + 2])


@pytest.mark.parametrize("turn", range(2))
def test_a_row_that_the_border_cuts_is_told(karyogram, turn):
    _, top, _, bottom = bounds(karyogram)
    high = int(np.median([box.h for box in karyogram.boxes]))
    part = karyogram.image[top + high // 2 :] if turn else karyogram.image[: bottom - high // 4]
    assert warned(part)


def test_one_chromosome_cut_lengthwise_is_told(karyogram):
    _, top, right, bottom = bounds(karyogram)
    last = max(karyogram.boxes, key=lambda box: box.x + box.w)
    assert warned(karyogram.image[top - 5 : bottom + 5, : right - round(0.6 * last.w)])
