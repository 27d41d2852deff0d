"""The compact view: every chromosome found, once, whole, in its place, and nothing else."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.images.normalise import letterbox
from screening.images.page import Page
from screening.karyogram.compact import CompactView, compact, compact_of, upright
from screening.karyogram.crops import outline_of, standardised
from screening.karyogram.gate import inspect
from screening.karyogram.locate import FoundChromosome, Located, found
from screening.synthesis.compose import Karyogram, compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import Style, clinical_style
from screening.synthesis.warp import Hinge, curl, warp
from shipped import locator

SIZE = 416


def page_of(count: int, rows: int = 4, stout: int = 10) -> tuple[np.ndarray, Located]:
    """A page of banded bars in pairs, the rows falling in length, and what was found on it."""
    each = -(-count // rows)
    paper = np.full((rows * 100 + 20, each * (stout + 30) + 40), 255, np.uint8)
    found = []
    for n in range(count):
        row, at = divmod(n, each)
        height = 80 - 15 * row
        x, y = 20 + at * (stout + 10) + at // 2 * 40 // 2, 15 + 100 * row
        bar = paper[y : y + height, x : x + stout]
        bar[:] = 120
        bar[6:-6:12], bar[7:-6:12] = 60, 60
        found.append(chromosome(x, y, np.ones_like(bar, bool), row, n // 2))
    return paper, Located(tuple(found), (), rows, (), float(stout))


def chromosome(x: int, y: int, mask: np.ndarray, row: int = 0, group: int = 0) -> FoundChromosome:
    h, w = mask.shape
    axis = np.array([[x + w / 2, y], [x + w / 2, y + h - 1]], np.float32)
    return FoundChromosome(x, y, w, h, mask, axis, float(h), float(w), row, group)


def objects(view: CompactView) -> int:
    return cv2.connectedComponents((view.picture < 250).astype(np.uint8))[0] - 1


@pytest.mark.parametrize("count", [1, 2, 20, 46, 47, 92, 200])
def test_no_object_is_lost_and_none_is_added(count):
    paper, located = page_of(count)
    view = compact(paper, located, SIZE)
    assert view.picture.shape == (SIZE, SIZE) and view.picture.dtype == np.uint8
    assert objects(view) == count and not view.left_out and not view.doubts
    outside = view.picture.copy()
    for box in view.boxes:
        assert box is not None
        x, y, w, h = box
        assert x > 0 and y > 0 and x + w < SIZE and y + h < SIZE
        assert outside[y : y + h, x : x + w].min() < 200, "another object lies here"
        outside[y : y + h, x : x + w] = 255
    assert (outside == 255).all()


def test_a_page_without_anything_is_refused_and_so_are_more_than_the_picture_has_room_for():
    paper, located = page_of(46)
    with pytest.raises(ScreeningError, match="no chromosomes were found"):
        compact(paper, replace(located, chromosomes=()), SIZE)
    with pytest.raises(ScreeningError, match="46 objects are too many for a picture of 16 pixels"):
        compact(paper, located, 16)


def test_an_object_without_ink_is_listed_and_told():
    paper, located = page_of(4)
    blank = chromosome(0, 0, np.ones((5, 5), bool))
    view = compact(paper, replace(located, chromosomes=(blank, *located.chromosomes)), SIZE)
    assert view.left_out == (0,) and view.boxes[0] is None and objects(view) == 4
    assert view.doubts == ("1 object shows no ink and is not in the picture that the network sees",)


@pytest.mark.parametrize("stout", [6, 12, 30])
def test_order_rows_and_groups_of_the_page_are_kept(stout):
    paper, located = page_of(46, stout=stout)
    boxes = compact(paper, located, SIZE).boxes
    feet = [box[1] + box[3] for box in boxes]
    for (one, box, foot), (other, box2, foot2) in pairwise(
        zip(located.chromosomes, boxes, feet, strict=True)
    ):
        assert foot2 > foot or (foot2 == foot and box2[0] >= box[0] + box[2]), "reading order"
        if one.row != other.row:
            assert foot2 > foot, "a row begins a line"
        if one.group == other.group and one.row == other.row:
            assert foot2 == foot, "a position is not torn apart"
    assert (len(set(feet)) > located.rows) == (stout == 30), "lines are cut where it pays"


def test_one_scale_and_most_of_the_square_is_used():
    paper, located = page_of(46)
    view = compact(paper, located, SIZE)
    for box, one in zip(view.boxes, located.chromosomes, strict=True):
        assert box[3] == pytest.approx(one.h * view.scale, rel=0.06, abs=2)
    inside = np.array(view.boxes)
    spans = (inside[:, :2] + inside[:, 2:]).max(0) - inside[:, :2].min(0)
    assert spans.max() > 0.93 * SIZE, "one side is filled"


def bar() -> np.ndarray:
    paper, located = page_of(1)
    return np.pad(located.chromosomes[0].crop(paper), 8, constant_values=255)


def stood(crop: np.ndarray) -> np.ndarray:
    return upright(crop, outline_of(crop))


def test_an_outline_is_made_once_for_both_networks_and_travels_with_its_chromosome(monkeypatch):
    paper, located = page_of(2)
    one = located.chromosomes[0]
    expected, made = outline_of(one.crop(paper)), one.outline(paper)
    assert np.array_equal(expected.axis, made.axis)
    assert (expected.length, expected.width) == (made.length, made.width)
    monkeypatch.setattr(found, "outline_of", lambda crop: pytest.fail("made again"))
    assert one.outline(paper) is made
    there = pickle.loads(pickle.dumps(one))
    assert np.array_equal(there.outline(paper).axis, made.axis)
    known = standardised([one.crop(paper)], outlines=[made])
    for mine, theirs in zip(known, standardised([one.crop(paper)]), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_chromosome_stands_upright_and_straight():
    as_it_is = stood(bar())
    turned, bent = warp(bar(), 1.0, angle=40.0), curl(bar(), (Hinge(0.5, 70.0, 0.25),), 0.0)
    for crop in (turned, bent):
        assert np.allclose(stood(crop).shape, as_it_is.shape, atol=6)
    assert as_it_is.max() > 200 > 120 > as_it_is[as_it_is > 0].min()


def test_what_has_no_single_axis_stays_whole():
    crossed = np.full((120, 120), 255, np.uint8)
    crossed[10:110, 55:65] = crossed[55:65, 5:115] = 90
    ink = np.count_nonzero(crossed < 255)
    assert np.count_nonzero(stood(crossed)) >= 0.9 * ink
    assert stood(np.full((9, 9), 255, np.uint8)).size == 0


@pytest.fixture(scope="module")
def karyogram() -> Karyogram:
    rng = np.random.default_rng(2)
    return compose(draw_cell(rng, "XY"), Style(caption="Result: 47,XX,+21"), rng)


def test_a_real_page_gets_larger_without_its_writing(karyogram):
    page = Page.of(karyogram.image)
    inspection = inspect(page, locator())
    view = compact_of(page, locator(), SIZE)
    assert len(view.boxes) == len(inspection.located.chromosomes) == 46 and not view.left_out
    plain = SIZE / max((inspection.page or page).cropped.shape)
    assert view.scale > 1.2 * plain
    assert objects(view) >= 46 - 2  # satellites and chromatids are parts, neighbours may touch


def test_what_the_page_looks_like_around_the_chromosomes_changes_nothing(karyogram):
    wide = np.pad(karyogram.image, ((60, 40), (200, 10)), constant_values=255)
    one, two = (compact_of(Page.of(image), locator(), SIZE) for image in (karyogram.image, wide))
    assert len(one.boxes) == len(two.boxes) and two.scale == pytest.approx(one.scale, rel=0.03)
    assert np.abs(letterbox(one.picture, 26).astype(int) - letterbox(two.picture, 26)).mean() < 8


@pytest.mark.parametrize("seed", [3, 4])
def test_a_page_that_the_gate_refuses_is_laid_out_for_training(seed):
    rng = np.random.default_rng(seed)
    cell = draw_cell(rng)
    few = replace(cell, chromosomes=cell.chromosomes[:8])
    image = compose(few, clinical_style(rng), rng).image
    assert not inspect(Page.of(image), locator()).quality.ok
    assert 6 <= len(compact_of(Page.of(image), locator(), SIZE).boxes) <= 9


def test_a_blank_page_is_refused():
    with pytest.raises(ScreeningError, match="nothing can be laid out"):
        compact_of(Page.of(np.full((300, 300), 255, np.uint8)), locator(), SIZE)
