"""Slots are read from the page in any layout; an order that is no karyogram's is noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evidence_pages import C_ROWS, ROWS, chromosomes, draw, say
from screening.classes import CHROMOSOMES
from screening.evidence.likelihood import likelihood
from screening.evidence.slots import MIRRORED, UPRIGHT, UPSIDE_DOWN, Page, Slots, align_best
from screening.reading_settings import Layout, Rates

NAMES = (*CHROMOSOMES, "mar")


def align(p: np.ndarray, page: Page) -> Slots:
    return align_best([likelihood(p, Rates())], np.zeros(1), page, Rates(), Layout())[1]


def slots_of(drawn, p):
    got = align(p, drawn.page)
    return got, tuple(NAMES[i] for i in got.slot.argmax(1))


@pytest.mark.parametrize("rows", [ROWS, C_ROWS, [[n for row in ROWS for n in row]]])
@pytest.mark.parametrize("groups", [True, False])
def test_layouts(rows, groups):
    drawn = draw(chromosomes(sex="XY"), rows, groups=groups)
    got, slots = slots_of(drawn, say(drawn.names))
    assert slots == drawn.slots
    assert got.score > 0.95 and got.orientation == UPRIGHT
    assert np.allclose(got.slot.sum(1), 1) and np.allclose(got.around.sum(1), 1)


@pytest.mark.parametrize("change", ["+21", "-7", "+1 -2", "+mar", "+mar +mar"])
def test_more_and_fewer_in_a_slot(change):
    drawn = draw(chromosomes(change, "XY"))
    _, slots = slots_of(drawn, say(drawn.names))
    assert slots == drawn.slots


def test_the_place_tells_the_slot_of_a_chromosome_that_reads_as_another():
    drawn = draw(chromosomes())
    p = say(drawn.names)
    i = drawn.names.index("9")
    p[i] = say(["21"])[0]
    got, _ = slots_of(drawn, p)
    assert NAMES[got.around[i].argmax()] == "9"


def test_the_scale_and_place_of_the_page_do_not_matter():
    drawn = draw(chromosomes("+13"))
    p = say(drawn.names, 0.8)
    larger = replace(drawn, page=Page(drawn.page.boxes * 3.7 + 11, drawn.page.rows + 2,
                                      drawn.page.groups))  # fmt: skip
    assert np.allclose(slots_of(drawn, p)[0].slot, slots_of(larger, p)[0].slot, atol=1e-6)


def test_mirrored_and_upside_down_pages_are_noticed():
    drawn = draw(chromosomes(sex="XY"), groups=False)
    p, page = say(drawn.names, 0.95), drawn.page
    mirrored = page.boxes * (-1, 1, 1, 1)
    assert align_of(p, mirrored, page.rows).orientation == MIRRORED
    assert align_of(p, mirrored, 9 - page.rows).orientation == UPSIDE_DOWN
    for rows in (page.rows, 9 - page.rows):
        assert align_of(p, mirrored, rows).score < 0.05


def test_no_order_at_all_scores_nothing():
    drawn = draw(chromosomes(sex="XY"))
    order = np.random.default_rng(0).permutation(46)
    assert align_of(say(drawn.names)[order], drawn.page.boxes, drawn.page.rows).score < 0.05
    half = drawn.part(drawn.page.rows < 2)
    assert align_of(say(half.names), half.page.boxes, half.page.rows).score < 0.05


def align_of(p, boxes, rows):
    return align(p, Page(boxes, rows))


@pytest.mark.parametrize("n", [0, 1, 200])
def test_what_is_no_page_is_flat(n):
    got = align_of(say(["1"] * n).reshape(n, 25), np.ones((n, 4)), np.zeros(n, int))
    assert got.score == 0 and got.slot.shape == (n, 25)
    assert np.allclose(got.slot, 1 / 25)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="boxes"):
        Page(np.zeros((2, 4)), np.zeros(3))
    with pytest.raises(ValueError, match="probabilities"):
        likelihood(np.zeros((2, 24)), Rates())
