"""Teaching a bundle to find chromosomes: pages with their truth, ONNX, the arbiter."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.karyogram.locate.arbiter import FEATURES, Arbiter
from screening.karyogram.locate.segments import BODY, BORDER, PRINT, Segmenter
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import clinical_style
from screening.train.arbiter import ArbiterSettings, examples, fit_arbiter, together
from screening.train.segment_pages import labelled, page_jobs, write_page
from screening.train.segmenter import Pages, SegmenterSettings, TileBatches, build, teach
from shipped import locator


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> list[Path]:
    cell = draw_cell(np.random.default_rng(5), "XY")
    folder = tmp_path_factory.mktemp("pages")
    return [write_page(job) for job in page_jobs(folder, [cell], 3, 11)]


def test_the_composer_tells_what_it_laid_and_where():
    rng = np.random.default_rng(2)
    karyogram = compose(draw_cell(rng, "XX"), clinical_style(rng), rng)
    placed = {(left, top, *picture.shape[::-1]) for picture, left, top in karyogram.laid}
    assert placed == {(b.x, b.y, b.w, b.h) for b in karyogram.boxes} and len(placed) == 46


def test_every_pixel_of_a_page_has_its_truth(pages):
    with np.load(pages[0]) as stored:
        page, kind, ids = stored["page"], stored["kind"], stored["ids"]
    assert page.shape == kind.shape == ids.shape
    assert 44 <= len(np.unique(ids)) - 1 <= 48
    body = np.isin(kind, (BODY, BORDER))
    assert page[body].mean() < 200 < page[kind == 0].mean()
    assert (ids[kind == BODY] > 0).all() and not ids[kind == PRINT].any()


def test_a_page_depends_on_its_seed_alone():
    cell = draw_cell(np.random.default_rng(5), "XX")
    one, again, other = (labelled(cell, seed)["page"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_tiles_depend_on_seed_epoch_and_number_alone(pages):
    def batch(epoch: int, index: int):
        return TileBatches(Pages(pages, 1), 2, 5, 1, epoch)[index]

    ink, kind, weight = batch(3, 1)
    assert ink.shape == (2, 160, 160, 1) and 0 <= ink.min() and ink.max() <= 1
    assert set(np.unique(kind)) <= {0, 1, 2, 3} and weight.mean() == pytest.approx(1)
    for ours, theirs in zip(batch(3, 1), (ink, kind, weight), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(batch(3, 2)[0], ink) and not np.array_equal(batch(4, 1)[0], ink)


def test_opencv_runs_the_file_as_keras_runs_the_network():
    from screening.train.onnx_file import onnx_model

    keras.utils.set_random_seed(0)
    network = build()
    rng = np.random.default_rng(0)
    for _ in range(3):  # normalisation with statistics of its own
        network(rng.random((2, 64, 64, 1), np.float32), training=True)
    content = onnx_model(network)
    for shape in ((96, 136), (64, 64)):
        ink = rng.random(shape, np.float32)
        net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        net.setInput(ink[None, None])
        theirs = np.asarray(network(ink[None, ..., None], training=False))[0]
        np.testing.assert_allclose(net.forward()[0], theirs.transpose(2, 0, 1), atol=1e-5)
    copy = np.full((64, 64), 255, np.uint8)
    assert Segmenter(content).segments(copy).inside.shape == (64, 64)


def test_teaching_lowers_the_loss_and_goes_on_where_it_stopped(pages, tmp_path, monkeypatch):
    monkeypatch.setattr("screening.train.segmenter.EPOCH", 4)
    settings = SegmenterSettings(steps=10, batch=2)

    def kill(done: float, total: float, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach(pages, tmp_path / "a", settings, kill)
    resumed, whole = (teach(pages, tmp_path / name, settings) for name in "ab")
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    history = json.loads((tmp_path / "b" / "history.json").read_text())
    assert len(history) == 3 and history[-1]["loss"] < history[0]["loss"]


def test_contacts_of_a_page_are_labelled_by_its_truth(pages):
    network = locator().segmenter
    first = together([examples(page, network, None) for page in pages])
    x, y, page = first
    assert x.shape == (len(y), len(FEATURES)) and len(page) == len(y) > 60
    assert 0.02 < y.mean() < 0.99 and set(np.unique(page)) <= {0, 1, 2}
    more = together([examples(page, network, locator().arbiter) for page in pages])
    assert len(more[1]) >= len(y)
    agree = (x[:, FEATURES.index("border")] < 0.5) == y
    assert agree.mean() > 0.7, "inside one chromosome the network sees no border"


def test_an_arbiter_is_fitted_that_tells_the_two_apart():
    rng = np.random.default_rng(0)
    y = rng.random(1500) < 0.5
    x = rng.normal(size=(1500, len(FEATURES))) + 1.5 * y[:, None]
    page = np.arange(1500) // 30
    stored, reached = fit_arbiter(x, y, page, ArbiterSettings(hidden=(8,), iterations=30))
    assert reached["wrong"] < 0.05 and reached["contacts"] == 1500
    assert Arbiter.from_json(json.dumps(stored)).mean.shape == (len(FEATURES),)
    with pytest.raises(ScreeningError, match="1500 of 1500 contacts are inside one"):
        fit_arbiter(x, np.ones(1500, bool), page, ArbiterSettings())
