"""The page object: boxes land where the trimmed page shows them, and what is forgotten returns."""

from __future__ import annotations

import numpy as np

from screening.images.page import Page

BOXES = ((60, 20, 40, 100), (400, 150, 30, 60))


def two_blocks() -> Page:
    paper = np.full((300, 500), 255, np.uint8)
    for x, y, w, h in BOXES:
        paper[y : y + h, x : x + w] = 90
    return Page(paper)


def test_boxes_are_fractions_of_the_trimmed_page_from_its_left_and_its_top():
    page = two_blocks()
    trimmed = page.cropped == 90
    height, width = trimmed.shape
    assert trimmed.sum() == sum(w * h for _, _, w, h in BOXES)
    for fraction, box in zip(page.fractions(np.array(BOXES)), BOXES, strict=True):
        x, y, w, h = np.rint(fraction * (width, height, width, height)).astype(int)
        assert (w, h) == box[2:]
        assert trimmed[y : y + h, x : x + w].all()
    assert page.fractions(np.zeros((0, 4))).shape == (0, 4)


def test_boxes_stay_as_they_were():
    boxes = np.array(BOXES, np.float64)
    two_blocks().fractions(boxes)
    np.testing.assert_array_equal(boxes, BOXES)


def test_what_is_forgotten_changes_no_margin():
    page, other = two_blocks(), two_blocks()
    page.drop_objects()
    assert page.margins == other.margins
    np.testing.assert_array_equal(page.cropped, other.cropped)
    np.testing.assert_array_equal(page.ink, other.ink)
