"""Changes inside slots: nothing leaves its place, nothing gets lost, homologs keep company."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from screening.data.slot_augment import Placed, SlotChanges, augment_slots, boxes_beside
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import Style

NONE = SlotChanges(rotation=0.0, mirror=0.0, swap=0.0)


@pytest.fixture(scope="module")
def karyogram():
    rng = np.random.default_rng(4)
    style = Style(width=700, rule="none", label="none", jpeg=0, gap_jitter=0.0, homolog_gap=0.5)
    return compose(draw_cell(rng), style, rng)


@pytest.fixture(scope="module")
def placed(karyogram):
    return [Placed(b.x, b.y, b.w, b.h, b.slot) for b in karyogram.boxes]


def test_no_change_is_no_change(karyogram, placed):
    out = augment_slots(karyogram.image, placed, np.random.default_rng(0), NONE)
    np.testing.assert_array_equal(out, karyogram.image)


def test_the_same_state_gives_the_same_page_and_another_one_does_not(karyogram, placed):
    pages = [augment_slots(karyogram.image, placed, np.random.default_rng(s)) for s in (1, 1, 2)]
    np.testing.assert_array_equal(pages[0], pages[1])
    assert not np.array_equal(pages[0], pages[2])
    assert not np.array_equal(pages[0], karyogram.image)


def test_every_chromosome_stays_in_its_slot(karyogram, placed):
    out = augment_slots(karyogram.image, placed, np.random.default_rng(3))
    before, after = (cv2.connectedComponents((p < 200).astype(np.uint8))[0] for p in
                     (karyogram.image, out))  # fmt: skip
    assert abs(before - after) <= 3
    outside = np.ones(out.shape, bool)
    for slot in karyogram.slots:
        x0, y0 = max(0, slot.x - 12), max(0, slot.y - 12)
        outside[y0 : slot.y + slot.h + 12, x0 : slot.x + slot.w + 12] = False
        old = (255.0 - karyogram.image[slot.y : slot.y + slot.h, slot.x : slot.x + slot.w]).sum()
        new = (255.0 - out[y0 : slot.y + slot.h + 12, x0 : slot.x + slot.w + 12]).sum()
        assert new >= 0.93 * old, slot.name
    np.testing.assert_array_equal(out[outside], karyogram.image[outside])


def test_swap_and_mirror_do_what_they_say():
    page = np.full((40, 60), 255, np.uint8)
    page[10:30, 10:14] = 50
    page[20:30, 30:36] = 90
    page[20:30, 30:32] = 20  # darker on its left
    two = [Placed(10, 10, 4, 20, "1"), Placed(30, 20, 6, 10, "1")]
    swapped = augment_slots(page, two, np.random.default_rng(0), SlotChanges(0, 0, 1))
    assert swapped[10:30, 31:35].max() == 50 and swapped[20:30, 9:11].max() == 20
    mirrored = augment_slots(page, two, np.random.default_rng(0), SlotChanges(0, 1, 0))
    assert mirrored[20:30, 34:36].max() == 20 and mirrored[20:30, 30:34].max() == 90
    other = [two[0], Placed(30, 20, 6, 10, "2")]
    apart = augment_slots(page, other, np.random.default_rng(0), SlotChanges(0, 0, 1))
    np.testing.assert_array_equal(apart, page)  # homologs swap, others do not


def test_touching_chromosomes_are_left_alone():
    page = np.full((40, 60), 255, np.uint8)
    page[10:30, 10:20] = 50
    page[10:30, 20:26] = 90
    boxes = [Placed(10, 10, 10, 20, "1"), Placed(20, 10, 6, 20, "1")]
    out = augment_slots(page, boxes, np.random.default_rng(0), SlotChanges(4, 1, 1))
    np.testing.assert_array_equal(out, page)


def test_truth_beside_a_manifest_gives_the_boxes(tmp_path):
    row = '{"path": "karyograms/1.png", "boxes": [{"name": "1", "x": 1, "y": 2, "w": 3, "h": 4, '
    (tmp_path / "truth.jsonl").write_text(row + '"slot": "1"}]}\n')
    expected = {"karyograms/1.png": [Placed(1, 2, 3, 4, "1")]}
    assert boxes_beside(tmp_path / "manifest.csv") == boxes_beside(tmp_path) == expected
    assert boxes_beside(tmp_path / "other" / "manifest.csv") == {}
