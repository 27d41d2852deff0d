"""Lines of labels tell rows where boxes do not; without lines nothing is told."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from screening.images.page import Page
from screening.karyogram import gate
from screening.karyogram.gate import inspect
from screening.karyogram.locate import AmbiguousCut, FoundChromosome, Located
from screening.karyogram.locate.label_lines import rows_by_labels, stacked
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import Style, clinical_style, random_style
from shipped import locator

UNIT = 12.0
ROWS = np.repeat(np.arange(4), 12)


def page(slope: float = 0.0, labels_over: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of four rows of twelve, and of a label for each pair: on a line of that slope."""
    x = np.tile(np.arange(12) * 32 + 20, 4)
    h = np.array([44, 34, 26, 18])[ROWS]
    feet = np.array([60, 106, 144, 174])[ROWS] + slope * x
    boxes = np.stack([x, feet - h, np.full(48, 12), h], 1)
    at = feet[::2] + 2 if not labels_over else (feet - h)[::2] - 8
    labels = np.stack([x[::2] + 20, at, np.full(24, 5), np.full(24, 7)], 1)
    return np.rint(boxes).astype(np.int64), np.rint(labels).astype(np.int64)


@pytest.mark.parametrize("slope", [-0.12, -0.05, 0.0, 0.05, 0.12])
@pytest.mark.parametrize("labels_over", [False, True])
def test_each_chromosome_is_of_the_row_of_its_line(slope, labels_over):
    boxes, labels = page(slope, labels_over)
    assert np.array_equal(rows_by_labels(boxes, labels, UNIT), ROWS)


def test_a_label_that_passed_for_a_chromosome_does_not_matter():
    boxes, labels = page(0.08)
    row = rows_by_labels(np.concatenate([boxes, labels[3:4]]), np.delete(labels, 3, 0), UNIT)
    assert np.array_equal(row[:48], ROWS)


def test_a_headline_is_no_line_of_labels():
    boxes, labels = page(0.08)
    letters = np.array([(20 + 8 * k, 2, 6, 8) for k in range(30)])
    assert np.array_equal(rows_by_labels(boxes, np.concatenate([letters, labels]), UNIT), ROWS)


def test_the_last_row_may_lack_its_labels():
    boxes, labels = page(0.08)
    sex = np.array([[300, 230, 12, 26], [330, 232, 12, 16]])
    row = rows_by_labels(np.concatenate([boxes, sex]), labels, UNIT)
    assert np.array_equal(row, [*ROWS, 4, 4])


def test_marks_in_no_lines_tell_nothing():
    boxes, labels = page()
    rng = np.random.default_rng(0)
    strewn = labels.copy()
    strewn[:, :2] = rng.integers(0, (400, 180), (24, 2))
    assert rows_by_labels(boxes, strewn, UNIT) is None
    assert rows_by_labels(boxes, labels[:8], UNIT) is None
    assert rows_by_labels(boxes, labels[:0], UNIT) is None
    assert rows_by_labels(boxes[:0], labels, UNIT) is None


def test_a_row_without_labels_that_falls_to_another_tells_nothing():
    boxes, labels = page()
    five, more = np.concatenate([boxes, boxes[36:] + [0, 24, 0, 0]]), labels.copy()
    more[18:, 1] += 24  # the labels of the fourth row are gone, those of a fifth are there
    assert rows_by_labels(five, more, UNIT) is None


def test_pairs_of_one_row_that_stand_one_above_the_other_are_counted():
    boxes, _ = page()
    assert stacked(boxes, ROWS) == 0
    assert stacked(boxes, ROWS // 2) == 24


def askew(image: np.ndarray, degrees: float) -> np.ndarray:
    """The page as a scanner takes it that lies askew."""
    h, w = image.shape
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    turn[:, 2] += 30
    return cv2.warpAffine(image, turn, (w + 60, h + 60), borderValue=255)


def in_each_row(located: Located) -> list[int]:
    """How many chromosomes are in each row."""
    return np.bincount([each.row for each in located.chromosomes]).tolist()


CLOSE = Style(width=480, chr1=0.12, row_gap=-0.005, label_gap=0.002, label_size=0.014, rule="none",
              stout=1.3)  # fmt: skip


@pytest.mark.parametrize("degrees", [-6.0, 4.5, 6.0])
def test_a_page_scanned_askew_is_read_in_its_rows(degrees, monkeypatch):
    rng = np.random.default_rng(3)
    scan = Page.of(askew(compose(draw_cell(rng, "XY"), CLOSE, rng).image, degrees))
    found = inspect(scan, locator())
    assert found.quality.ok and not found.quality.warnings
    # A label may pass for a chromosome.
    assert np.abs(np.subtract(in_each_row(found.located), [10, 14, 12, 10])).sum() <= 1
    monkeypatch.setattr(gate, "rows_by_labels", lambda *_: None)
    alone = inspect(scan, locator()).quality
    assert "rows" in " ".join((alone.reason, *alone.warnings))


def test_rows_that_passed_for_one_are_parted(monkeypatch):
    rng = np.random.default_rng(3)
    scan = Page.of(askew(compose(draw_cell(rng, "XY"), CLOSE, rng).image, 3.5))
    found = inspect(scan, locator())
    assert in_each_row(found.located) == [10, 14, 12, 10]
    monkeypatch.setattr(gate, "rows_by_labels", lambda *_: None)
    alone = inspect(scan, locator())
    assert alone.quality.ok and alone.located.rows == 3


@pytest.mark.parametrize("seed", range(6))
def test_where_boxes_tell_the_rows_labels_are_not_asked(seed, monkeypatch):
    monkeypatch.setattr(gate, "rows_by_labels", lambda *_: pytest.fail("labels were asked"))
    rng = np.random.default_rng(seed)
    style = clinical_style(rng) if seed % 2 else random_style(rng)
    drawn = compose(draw_cell(rng, "XX"), style, rng)
    assert inspect(Page.of(drawn.image), locator()).quality.ok


def test_other_rows_bring_another_order_and_take_the_doubts_along():
    mask = np.ones((20, 6), bool)
    at = [(10, 0), (40, 8), (10, 30), (40, 38)]  # read in one row: left, left, right, right
    left, right, under, other = (FoundChromosome.of(mask, x, y, 6.0) for x, y in at)
    doubt = AmbiguousCut((1, 3), ((replace(other, row=0),),), (0.6, 0.4))
    found = Located((left, under, right, other), (doubt,), 1, (), 6.0)
    made = found.in_rows(np.array([0, 1, 0, 1]))
    assert [(each.x, each.y, each.row) for each in made.chromosomes] == [
        (10, 0, 0), (40, 8, 0), (10, 30, 1), (40, 38, 1),
    ]  # fmt: skip
    assert made.rows == 2 and made.doubts[0].members == (2, 3)
    assert [piece.row for piece in made.doubts[0].alternatives[0]] == [1]
    assert made.chromosomes[1].group != made.chromosomes[2].group
