"""A page computes each thing once, and the same as the functions that it stands for."""

from __future__ import annotations

import weakref
from collections import Counter

import numpy as np
import pytest

from screening.images import page as page_module
from screening.images.foreground import components, ink_of, shrunk
from screening.images.normalise import crop_margins, margins, normalise
from screening.images.page import Page
from worklist_fakes import karyogram

COMPUTED = ("normalise", "shrunk", "components", "ink_of", "content_box_of", "cut")


def grey(seed: int = 0, scale: int = 1) -> np.ndarray:
    """A karyogram off the middle of a large sheet; `scale` times as large."""
    sheet = np.full((700, 900), 250, np.uint8)
    sheet[80:480, 300:780] = np.array(karyogram(seed))
    return np.kron(sheet, np.ones((scale, scale), np.uint8))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each function of a page was called."""
    counted: Counter[str] = Counter()

    def counting(name: str):
        usual = getattr(page_module, name)

        def counted_call(*args):
            counted[name] += 1
            return usual(*args)

        return counted_call

    for name in COMPUTED:
        monkeypatch.setattr(page_module, name, counting(name))
    return counted


def ask(page: Page) -> None:
    _ = page.cropped, page.margins, page.components, page.shrunk, page.ink
    page.fractions(np.ones((2, 4)))


def test_each_thing_is_computed_once_and_only_when_asked_for(calls):
    page = Page.of(grey())
    assert calls == {"normalise": 1}
    _ = page.ink
    assert calls == {"normalise": 1, "ink_of": 1}
    for _ in range(3):
        ask(page)
    assert calls == dict.fromkeys(COMPUTED, 1)


def test_pages_do_not_share_what_they_computed(calls):
    one, other = Page.of(grey(0)), Page.of(grey(1))
    ask(one)
    ask(other)
    assert set(calls.values()) == {2}
    assert not np.array_equal(one.cropped, other.cropped)


@pytest.mark.parametrize("scale", [1, 2])
def test_it_says_what_the_functions_say(scale):
    page, paper = Page.of(grey(scale=scale)), normalise(grey(scale=scale))
    assert np.array_equal(page.paper, paper)
    small, shrink = shrunk(paper)
    assert np.array_equal(page.shrunk[0], small) and page.shrunk[1] == shrink
    assert (shrink < 1) == (scale == 2)
    assert np.array_equal(page.ink, ink_of(paper))
    assert page.components.count == components(small).count > 20
    assert page.margins == margins(paper)
    assert np.array_equal(page.cropped, crop_margins(paper))
    x, y, w, h = page.margins
    assert w < 0.7 * paper.shape[1] and h < 0.7 * paper.shape[0]


def test_a_blank_page_is_all_content():
    page = Page(np.full((60, 90), 255, np.uint8))
    assert page.margins == margins(page.paper)
    assert np.array_equal(page.cropped, crop_margins(page.paper))


def test_fractions_are_of_the_page_without_margins():
    page = Page.of(grey())
    x, y, w, h = page.margins
    boxes = np.array([[x, y, w, h], [x + w / 2, y + h / 4, w / 10, h / 5]])
    expected = [[0, 0, 1, 1], [0.5, 0.25, 0.1, 0.2]]
    np.testing.assert_allclose(page.fractions(boxes), expected, atol=1e-12)
    assert page.fractions(np.zeros((0, 4))).shape == (0, 4)
    assert page.fractions(np.array([], np.int64)).shape == (0, 4)


def test_dropping_the_objects_keeps_the_margins_and_the_picture(calls):
    page = Page.of(grey())
    _ = page.components, page.ink
    before = margins(page.paper)
    calls.clear()
    page.drop_objects()
    assert page.margins == before
    assert np.array_equal(page.cropped, crop_margins(page.paper))
    page.fractions(np.ones((1, 4)))
    assert calls["components"] == calls["shrunk"] == calls["ink_of"] == 0
    assert page.components.count > 20  # asked again, they are found again
    assert calls["components"] == 1


def test_dropping_the_objects_frees_their_memory():
    page = Page.of(grey(scale=2))
    held = [weakref.ref(each) for each in (page.ink, page.shrunk[0], page.components)]
    _ = page.cropped
    assert all(each() is not None for each in held)
    page.drop_objects()
    assert all(each() is None for each in held)


def test_dropping_twice_or_before_anything_was_asked_is_no_error():
    page = Page.of(grey())
    page.drop_objects()
    page.drop_objects()
    assert page.margins == margins(page.paper)


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
