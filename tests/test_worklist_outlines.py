"""What the record keeps of each chromosome: enough to cut it out and to read the cell anew."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pictures import picture, reading
from screening.images.page import Page
from screening.karyogram.locate import FoundChromosome
from screening.record import Chromosome, Picture
from screening.worklist.outlines import mask_of, placed


def found(x: int, y: int, mask: np.ndarray) -> FoundChromosome:
    h, w = mask.shape
    axis = np.array([[w / 2, 0], [w / 2, h]], np.float32)
    return FoundChromosome(x, y, w, h, mask, axis, float(h), float(w), row=2, group=7)


def bent(seed: int) -> np.ndarray:
    """A chromosome-like blob with a waist and a bend."""
    mask = np.zeros((90, 60), np.uint8)
    corners = np.array([[12, 3], [20, 40], [18, 60], [45, 86]]) + seed
    cv2.polylines(mask, [corners.astype(np.int32)], False, 1, 15)
    return mask.astype(bool)


def one_placed(mask: np.ndarray, p: np.ndarray, relative: float) -> tuple[Page, Chromosome]:
    paper = np.full((400, 600), 255, np.uint8)
    paper[150 : 150 + mask.shape[0], 200 : 200 + mask.shape[1]][mask] = 90
    page = Page(paper)
    classified = SimpleNamespace(p=p[None], relative=np.array([relative]))
    (one,) = placed([Chromosome("9", 0.9)], page, [found(200, 150, mask)], classified)
    return page, one


@pytest.mark.parametrize("seed", range(4))
def test_an_outline_gives_the_mask_back(seed):
    mask = bent(seed)
    page, one = one_placed(mask, np.full(25, 1 / 25), 4.8)
    left, top, again = mask_of(one.outline, page.margins)
    whole, drawn = np.zeros((400, 600), bool), np.zeros((400, 600), bool)
    whole[150 : 150 + mask.shape[0], 200 : 200 + mask.shape[1]] = mask
    drawn[top : top + again.shape[0], left : left + again.shape[1]] = again
    assert (whole & drawn).sum() / (whole | drawn).sum() > 0.95
    assert len(one.outline) < 60


def test_what_it_was_seen_as_is_kept_to_three_digits():
    p = np.r_[0.123456, 0.876, 1e-9, np.full(22, 1e-4)]
    _, one = one_placed(bent(0), p, np.nan)
    assert one.seen.classes[:3] == (0.123, 0.876, 1e-9) and one.seen.relative is None
    assert (one.seen.row, one.seen.group, one.seen.area) == (2, 7, int(bent(0).sum()))
    assert one.seen.box == (200, 150, 60, 90)
    kept = picture(reading=replace(reading(), chromosomes=(one,), marks=2))
    again = Picture.from_dict(json.loads(json.dumps(kept.to_dict())))
    assert again.reading.chromosomes == (one,) and again.reading.marks == 2


def test_a_record_from_before_has_neither():
    values = picture(reading=reading()).to_dict()
    for one in values["reading"]["chromosomes"]:
        del one["outline"], one["seen"]
    del values["reading"]["marks"]
    again = Picture.from_dict(json.loads(json.dumps(values)))
    assert again.reading.chromosomes[0].outline == () and again.reading.chromosomes[0].seen is None


def test_no_ink_has_no_outline():
    _, one = one_placed(np.zeros((5, 5), bool), np.full(25, 1 / 25), 1.0)
    assert one.outline == ()
    with pytest.raises(ValueError, match="three corners"):
        mask_of(one.outline, (0, 0, 10, 10))
