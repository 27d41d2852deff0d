"""A bundle's reader: from a page to the evidence that ledger, rule and page use."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import numpy as np
import pytest
from screening.evidence.record import PictureEvidence

from screening.images.normalise import normalise
from screening.reading_settings import ReadingSettings
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import clinical_style
from screening.worklist.chromosome_files import KARYOGRAM, picture_folder
from screening.worklist.reader import BundleReader, places_of, reader_of
from shipped import locate


@pytest.fixture(scope="module")
def bundle():
    import keras

    from screening.models.classifier import build_classifier

    keras.utils.set_random_seed(0)
    model = build_classifier()
    part = SimpleNamespace(temperature=1.0)
    return SimpleNamespace(
        load_model=lambda name: model,
        network=lambda name: part,
        info=SimpleNamespace(reading=ReadingSettings()),
    )


@pytest.fixture(scope="module")
def paper():
    rng = np.random.default_rng(3)
    return normalise(compose(draw_cell(rng, "XY"), clinical_style(rng), rng).image)


def test_a_page_becomes_evidence_that_survives_the_ledger(bundle, paper, tmp_path):
    located = locate(paper)
    evidence = BundleReader(bundle, 5, chromosomes=tmp_path).read(paper, located, "a/b.png")
    assert len(evidence.chromosomes) >= 40
    for placed in evidence.chromosomes:
        assert 0 <= placed.x and placed.x + placed.w <= 1
        assert 0 <= placed.y and placed.y + placed.h <= 1
        assert 0 <= placed.probability <= 1
    assert {"reading", "count", "doubtful"} <= set(evidence.features)
    for _, picture in evidence.crops:
        assert base64.b64decode(picture)[:2] == b"\xff\xd8"  # JPEG
    assert PictureEvidence.from_json(evidence.to_json()) == evidence
    saved = picture_folder(tmp_path, "a/b.png")
    assert (saved / KARYOGRAM).is_file()
    assert len(list(saved.glob("*_p*.png"))) == len(evidence.chromosomes)


def test_an_untrained_classifier_clears_nobody(bundle, paper):
    evidence = BundleReader(bundle, 5).read(paper, locate(paper), "a.png")
    assert evidence.p_normal < 0.5 or evidence.doubts


def test_a_page_without_chromosomes_is_read_as_none(bundle):
    blank = np.full((300, 400), 255, np.uint8)
    evidence = BundleReader(bundle, 5).read(blank, locate(blank), "a.png")
    assert not evidence.chromosomes and evidence.doubts and evidence.p_normal == 0


def test_a_bundle_without_a_classifier_reads_nothing():
    assert reader_of(SimpleNamespace(info=SimpleNamespace(parts={"screener": None}))) is None


def test_a_page_keeps_each_chromosome_with_its_row_group_and_ink():
    found = [
        SimpleNamespace(box=(1, 2, 3, 4), row=1, group=7, area=9),
        SimpleNamespace(box=(5, 6, 7, 8), row=2, group=8, area=10),
    ]
    page = places_of(SimpleNamespace(chromosomes=found), marks=3)
    np.testing.assert_array_equal(page.boxes, [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert page.rows.tolist() == [1, 2] and page.groups.tolist() == [7, 8]
    assert page.areas.tolist() == [9, 10] and page.marks == 3
