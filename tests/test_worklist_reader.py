"""A bundle's reader: from a page to the evidence that ledger, rule and page use."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from screening import words
from screening.errors import BundleError
from screening.images.page import Page
from screening.page_settings import StructureReading
from screening.reading_settings import ReadingSettings
from screening.record import Chromosome, PairChange, Picture, Reading, Structure
from screening.report.work_list import size_of
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import clinical_style
from screening.worklist import reader
from screening.worklist.chromosome_files import KARYOGRAM, keep_chromosomes, picture_folder
from screening.worklist.crops import CROP_HEIGHT, noteworthy
from screening.worklist.pairs import ComparedCell
from screening.worklist.reader import BundleReader, reader_of
from shipped import locator

NAMES = ("network", "reading", "count", "homologs")
P = np.linspace(0.2, 0.4, 5, dtype=np.float32)


@pytest.fixture(scope="module")
def bundle():
    import keras

    from screening.models.classifier import build_classifier

    keras.utils.set_random_seed(0)
    model = build_classifier()
    part = SimpleNamespace(temperature=1.0)
    return SimpleNamespace(
        hash="of the reader's tests",
        load_model=lambda name: model,
        network=lambda name: part,
        info=SimpleNamespace(reading=ReadingSettings(), witnesses=NAMES, parts={}),
    )


@pytest.fixture(scope="module")
def page():
    rng = np.random.default_rng(3)
    return Page.of(compose(draw_cell(rng, "XY"), clinical_style(rng), rng).image)


@pytest.fixture(scope="module")
def located(page):
    return locator().locate(page)


@pytest.fixture(scope="module")
def cell(bundle, page, located):
    return BundleReader(bundle, 5, engine="tensorflow").read(page, located, P)


def test_a_page_becomes_evidence_that_survives_the_ledger(cell, page, tmp_path):
    chromosomes, said = cell.reading.chromosomes, cell.testimony
    assert len(chromosomes) == len(cell.found) >= 40
    for one in chromosomes:
        assert 0 <= one.x and one.x + one.w <= 1
        assert 0 <= one.y and one.y + one.h <= 1
        assert 0 <= one.probability <= 1
    assert cell.reading.banding is not None and cell.reading.banding.detail > 0
    assert {"network", "reading", "count", "doubtful", "homologs"} <= set(said.features)
    assert len(said.features["network"]) == len(said.features["reading"]) == len(P)
    crops = noteworthy(cell.reading, page, cell.found)
    assert all(jpeg[:2] == b"\xff\xd8" for _, jpeg in crops)
    picture = Picture(
        "a/b.png", "a", status="ok", p=P, reading=cell.reading, features=said.features,
        doubts=said.doubts, notes=said.notes, crops=crops,
    )  # fmt: skip
    again = Picture.from_dict(json.loads(json.dumps(picture.to_dict(), allow_nan=False)))
    assert again.to_dict() == picture.to_dict() and again.reading == picture.reading
    keep_chromosomes(tmp_path, picture, page, cell.found)
    saved = picture_folder(tmp_path, "a/b.png")
    assert (saved / KARYOGRAM).is_file()
    assert len(list(saved.glob("*_p*.png"))) == len(chromosomes)


def test_boxes_are_where_the_chromosomes_stand_on_the_thumbnail(cell, page):
    height, width = page.cropped.shape
    for one, piece in zip(cell.reading.chromosomes, cell.found, strict=True):
        x, y, w, h = (round(v) for v in (one.x * width, one.y * height, one.w * width,
                                         one.h * height))  # fmt: skip
        left, top, wide, high = piece.box
        cut = page.cropped[y : y + h, x : x + w]
        assert np.array_equal(cut, page.paper[top : top + high, left : left + wide])


def test_only_the_witnesses_of_the_bundle_are_heard(bundle, page, located, cell):
    info = SimpleNamespace(reading=ReadingSettings(), witnesses=("count",), parts={})
    few = SimpleNamespace(**(vars(bundle) | {"info": info}))
    said = BundleReader(few, 5, engine="tensorflow").read(page, located, P)
    assert set(said.testimony.features) == {"count"} and said.testimony.doubts == ()
    assert said.reading == cell.reading


def test_what_homologs_say_goes_into_the_reading_and_their_figures_beside_it(
    bundle, page, located, monkeypatch
):
    why = ""
    monkeypatch.setattr(reader, "unseen_bands", lambda *_: why)
    seen = Structure(5.0, 0.8, 22, (PairChange("9", 0, 1, 1, 5.0, 0.5),))
    compared = ComparedCell(seen, (("nine", b"jpeg"),))
    monkeypatch.setattr(reader, "compare_homologs", lambda *_: compared)
    settings = ReadingSettings(structure=StructureReading(doubt=0.0))
    info = SimpleNamespace(reading=settings, witnesses=("structure",), parts={"structure": None})
    own = BundleReader(SimpleNamespace(**(vars(bundle) | {"info": info})), 5, engine="tensorflow")
    own.structure = SimpleNamespace()
    said = own.read(page, located, P)
    assert said.reading.whole
    assert said.reading.structure == seen and said.pairs == compared.figures
    assert said.testimony.doubts == (words.structural_doubt(seen),)
    # Of a page without bands nothing is said: the bands are the doubt.
    why = words.NO_BANDS
    said = own.read(page, located, P)
    assert said.reading.structure is None and said.pairs == () == said.testimony.doubts


def test_a_witness_that_this_version_does_not_know_is_refused_before_any_picture(bundle):
    info = SimpleNamespace(reading=ReadingSettings(), witnesses=("count", "oracle"))
    with pytest.raises(BundleError, match="'oracle'.*network, positions, reading, count, homologs"):
        BundleReader(SimpleNamespace(**(vars(bundle) | {"info": info})))


def test_an_untrained_classifier_clears_nobody(cell):
    assert cell.reading.p_normal < 0.5 or cell.testimony.doubts


def test_a_page_without_chromosomes_is_read_as_none(bundle):
    blank = Page(np.full((300, 400), 255, np.uint8))
    cell = BundleReader(bundle, 5, engine="tensorflow").read(blank, locator().locate(blank), P)
    assert not cell.reading.chromosomes and not cell.found
    assert cell.testimony.doubts and cell.reading.p_normal == 0
    assert noteworthy(cell.reading, blank, cell.found) == ()


def test_the_chromosomes_to_look_at_come_in_order_of_need(page, located):
    found = located.chromosomes[:20]
    named = [Chromosome("1", 0.99) for _ in found]
    named[3] = Chromosome("5", 0.55, "5", doubtful=True)
    named[5] = Chromosome("6", 0.30, "6", doubtful=True)
    named[7] = Chromosome("9", 0.98, "8", misplaced=True)
    named[9] = Chromosome("21", 0.97, "21")
    crops = noteworthy(Reading(tuple(named), gains_and_losses=("+21",)), page, found)
    assert [caption for caption, _ in crops] == [
        "21 (0.97)", "9 (0.98), in position 8", "6 (0.30)", "5 (0.55)",
    ]  # fmt: skip
    for _, jpeg in crops:
        assert 0 < size_of(jpeg)[1] <= CROP_HEIGHT
    many = tuple(Chromosome("?", 0.5, doubtful=True) for _ in found)
    crops = noteworthy(Reading(many), page, found)
    assert len(crops) == 12 and crops[0][0] == "not one chromosome (0.50)"


def test_a_bundle_without_a_classifier_reads_nothing():
    assert reader_of(SimpleNamespace(info=SimpleNamespace(parts={"screener": None}))) is None
