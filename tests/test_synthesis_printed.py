"""Printed pages: truth moves with its page, and what is printed on it is never evidence."""

from __future__ import annotations

import numpy as np
import pytest

import screening
from screening.images.page import Page
from screening.images.surround import surround
from screening.images.writing import karyogram_rows, lines_of
from screening.karyogram.gate import inspect
from screening.record import Picture
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.printed import KINDS, PrintedPage, printed, random_kinds
from screening.synthesis.style import Style
from screening.worklist.pipeline import inspected, score
from shipped import locator

CLEAN = Style(jpeg=92, noise=0.5)


@pytest.fixture(scope="module")
def cell() -> Metaphase:
    return draw_cell(np.random.default_rng(1), "XY")


def page(cell: Metaphase, *kinds: str, seed: int = 5, result: str | None = None) -> PrintedPage:
    return printed(cell, kinds, np.random.default_rng(seed), CLEAN, result)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "large"])
def test_truth_moves_with_the_page_and_keeps_its_order(cell, kind):
    made = page(cell, kind)
    image, boxes = made.karyogram.image, made.karyogram.boxes
    assert made.printed.shape == image.shape and len(boxes) == 46
    for box in boxes:
        assert 0 <= box.x and box.x + box.w <= image.shape[1]
        assert (image[box.y : box.y + box.h, box.x : box.x + box.w] < 200).mean() > 0.2
    assert [box.name for box in boxes] == [b.name for b in compose(cell, CLEAN, seed()).boxes]


def seed() -> np.random.Generator:
    return np.random.default_rng(5)


def test_print_is_ink_that_is_no_chromosome(cell):
    made = page(cell, "header", "result", "table")
    inside = np.zeros_like(made.printed)
    for ink, x, y in made.karyogram.laid:
        inside[y : y + ink.shape[0], x : x + ink.shape[1]] |= ink < 240
    assert made.printed.sum() > 500 and not (made.printed & inside).any()


def test_the_same_seed_gives_the_same_page_and_an_unknown_kind_is_named(cell):
    kinds = random_kinds(np.random.default_rng(3))
    assert set(kinds) <= set(KINDS)
    one, two = (printed(cell, kinds, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.karyogram.image, two.karyogram.image)
    with pytest.raises(ValueError, match="gold leaf"):
        page(cell, "gold leaf")


@pytest.mark.parametrize("number", range(4))
def test_the_printed_result_is_no_evidence(cell, number):
    """Everything that models see: the whole karyogram, and each chromosome's place and ink."""
    seen = []
    for result in ("46,XX", "47,XX,+21"):
        made = page(cell, "result", seed=number, result=result)
        whole = Page.of(made.karyogram.image)
        found = inspect(whole, locator())
        assert found.quality.ok and found.page is not None and found.located is not None
        crops = [one.crop(found.page.paper) for one in found.located.chromosomes]
        boxes = [one.box for one in found.located.chromosomes]
        seen.append((found.page.cropped, boxes, crops, found.quality))
    (one, boxes, crops, quality), (two, others, other_crops, other_quality) = seen
    assert np.array_equal(one, two)
    assert boxes == others and quality == other_quality
    assert all(np.array_equal(a, b) for a, b in zip(crops, other_crops, strict=True))


@pytest.mark.slow
def test_the_shipped_bundle_gives_the_same_numbers_whatever_result_is_printed(cell):
    """End to end, on worn pages with other print around: every number but the picture's hash."""
    model = screening.load(passes=10)
    for number, kinds in (
        (2, ("result",)),
        (6, ("header", "result", "footer")),
        (9, ("header", "result")),
    ):
        told = []
        for result in ("46,XX", "47,XX,+21"):
            made = printed(cell, kinds, np.random.default_rng(number), None, result)
            # The masks hang on the file's content: both are asked under the same name.
            prepared = inspected(
                made.karyogram.image, Picture("k", "k", sha256="5" * 64), model._scorer.size,
                model._locator,
            )  # fmt: skip
            (seen,) = score([prepared], model._scorer, model._reader, None)
            told.append(seen.to_dict())
        assert told[0]["status"] == "ok" and told[0]["reading"] is not None
        assert told[0] == told[1], kinds


@pytest.mark.parametrize("kinds", [("frame",), ("window",), ("header", "footer"), ("close",)])
def test_all_are_found_whatever_is_printed_around(cell, kinds):
    made = page(cell, *kinds)
    quality = inspect(Page.of(made.karyogram.image), locator()).quality
    assert quality.ok and quality.objects == 46


def test_a_page_without_surround_is_left_as_it_is(cell):
    plain = Page.of(compose(cell, CLEAN, seed()).image)
    assert surround(plain.paper) is None
    assert surround(Page.of(page(cell, "frame").karyogram.image).paper) is None


def test_a_chromosome_that_touches_the_frame_stays():
    paper = np.full((400, 400), 255, np.uint8)
    paper[5:8, 5:395] = paper[392:395, 5:395] = 0
    paper[5:395, 5:8] = paper[5:395, 392:395] = 0
    paper[180:280, 8:30] = 60
    gone = surround(paper)
    assert gone is not None and gone[5, 200] and not gone[200:260, 15:28].any()


def test_labels_stay_and_writing_goes():
    labels = np.array([[x, 110, 8, 10] for x in range(20, 300, 50)])
    writing = np.array([[20 + 9 * k, 160, 8, 10] for k in range(9)])
    assert lines_of(labels)[1].max() == 1 and lines_of(writing)[1].max() == 9
    assert karyogram_rows(10, 100, labels, 3, 200) == (0, 200)
    first, last = karyogram_rows(10, 100, np.concatenate([labels, writing]), 3, 200)
    assert first == 0 and 120 < last <= 160
