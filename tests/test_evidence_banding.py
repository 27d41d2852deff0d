"""Bands are told from none, reversed and blurred; a page without them is never low-priority."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from evidence_pages import draw, say
from screening import words
from screening.classes import CALIBRATED, LOW_PRIORITY, NOT_A_CHROMOSOME, OK, VOTES
from screening.evidence.banding import banding_of, doubts_of_bands
from screening.evidence.g_bands import g_profiles
from screening.evidence.reading import read_cell
from screening.evidence.witness import Sight
from screening.evidence.witnesses.reading import CellReading
from screening.karyogram.crops import standardised
from screening.reading_settings import ReadingSettings
from screening.record import Banding, Picture, Reading
from screening.synthesis.drawn import draw_cell
from screening.synthesis.stains import reversed_bands, unbanded
from screening.triage.rule import Rule, judge
from screening.uncertainty.venn_abers import VennAbers

SETTINGS = ReadingSettings()
G_BANDS = Banding(0.4, -0.3, 12.0)
UNREADABLE = {
    words.NO_BANDS: Banding(0.169, 0.0, 12.0),
    words.REVERSED_BANDS: Banding(-0.2, 0.07, 12.0),
    words.BLURRED_BANDS: Banding(0.4, -0.3, 3.44),
}
SOFT = Banding(0.4, -0.3, 12.0, 0.9)


@cache
def cell() -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    drawn = draw_cell(np.random.default_rng(4), "XY").chromosomes
    return tuple(one.image for one in drawn), tuple(one.name for one in drawn)


def seen(change=lambda image: image) -> Banding:
    images, names = cell()
    return banding_of(standardised([change(image) for image in images])[0], names, SETTINGS.bands)


def blurred(image: np.ndarray) -> np.ndarray:
    room = np.pad(image, 30, constant_values=255)
    return cv2.GaussianBlur(room, (0, 0), 0.4 * image.shape[1])


def said(banding: Banding | None, **known) -> tuple[str, ...]:
    return doubts_of_bands(Reading(banding=banding, **known), SETTINGS)


def test_g_bands_are_readable_whatever_the_exposure():
    got = seen()
    assert got.agreement > 0.2 and got.inverted < 0 and not said(got)
    faint = seen(lambda image: 255 - (255 - image) // 3)
    assert faint.agreement == pytest.approx(got.agreement, abs=0.05) and not said(faint)


def test_solid_stain_shows_no_bands():
    rng = np.random.default_rng(0)
    got = seen(lambda image: unbanded(image, rng))
    assert abs(got.agreement) < 0.1 and said(got) == (words.NO_BANDS,)


def test_inverted_bands_are_reversed_ones():
    got = seen(reversed_bands)
    assert got.inverted > 0.07 > 0 > got.agreement and said(got) == (words.REVERSED_BANDS,)


def test_what_is_out_of_focus_cannot_be_read():
    got = seen(blurred)
    assert got.detail < 0.5 * seen().detail
    assert said(got) in ((words.BLURRED_BANDS,), (words.NO_BANDS,))


def test_the_bands_of_other_classes_are_no_agreement():
    images, names = cell()
    crops = standardised(images)[0]
    assert banding_of(crops, names[::-1], SETTINGS.bands).agreement < 0.1
    # What is no chromosome takes no part.
    others = (*names, NOT_A_CHROMOSOME, "mar")
    more = np.concatenate([crops, np.zeros((2, *crops.shape[1:]), np.uint8)])
    assert banding_of(more, others, SETTINGS.bands) == seen()
    assert said(banding_of(more[-2:], others[-2:], SETTINGS.bands)) == (words.BLURRED_BANDS,)
    with pytest.raises(ValueError, match="expected 46 names"):
        banding_of(crops, names[1:], SETTINGS.bands)


@pytest.mark.parametrize(("sentence", "banding"), UNREADABLE.items())
def test_each_limit_says_its_sentence(sentence, banding):
    assert said(banding) == (sentence,)
    assert "structural changes" in sentence
    assert not said(G_BANDS) and not said(None)
    assert not said(Banding(0.17, 0.069, 3.45, 0.899))
    assert said(SOFT) == (words.BLURRED_BANDS,)


def test_bands_that_the_classifier_cannot_read_are_a_doubt():
    assert said(G_BANDS, misread_rate=0.2) == said(None, misread_rate=0.2) == (words.POOR_BANDS,)


@pytest.mark.parametrize("banding", [*UNREADABLE.values(), SOFT])
@pytest.mark.parametrize("rule", [VOTES, CALIBRATED])
def test_unreadable_bands_are_never_put_last_whatever_the_score(banding, rule):
    page = draw([*map(str, sorted([*range(1, 23)] * 2)), "X", "X"])
    reading = read_cell(say(page.names), page.page, page.lengths, SETTINGS)
    points = ((0.1, 30.0, 0.0), (0.9, 0.0, 30.0))
    judging = Rule(venn_abers=None if rule == VOTES else VennAbers(points))

    def route(banding: Banding, p: float) -> str:
        read = replace(reading, banding=banding)
        heard = CellReading().look(Sight(reading=read, page=page.page), SETTINGS)
        picture = Picture("a", "b", status=OK, p=np.full(20, p, np.float32), reading=read)
        verdict = judge(judging, replace(picture, doubts=heard.doubts, features=heard.features))
        assert set(said(banding)) <= set(verdict.reasons)
        return verdict.route

    assert route(G_BANDS, 0.0) == LOW_PRIORITY
    assert LOW_PRIORITY not in {route(banding, p) for p in np.linspace(0, 1, 21)}
    assert route(banding, 1.0) == "flag"


def test_the_measure_is_kept_with_the_picture():
    picture = Picture("a", "b", reading=Reading(banding=G_BANDS))
    kept = Picture.from_dict(json.loads(json.dumps(picture.to_dict())))
    assert kept.reading is not None and kept.reading.banding == G_BANDS


def test_profiles_keep_their_shape_at_any_number_of_rows():
    few, many = g_profiles(40), g_profiles(96)
    assert few.shape == (24, 40) and many.shape == (24, 96)
    assert np.ptp(few) > 60 and few.min() >= SETTINGS.bands.palest - 1
    assert np.allclose(many[:, [0, -1]], few[:, [0, -1]], atol=1)
