"""The compact view from settings to screening: the same picture everywhere, said by the bundle."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from screening.build.screener_config import ScreenerConfig
from screening.bundle import default_bundle, load_bundle
from screening.bundle_schema import PartInfo
from screening.cli import main
from screening.config import AugmentationConfig, ModelConfig
from screening.data.manifest import read_manifest
from screening.errors import ManifestError
from screening.images.normalise import letterbox
from screening.images.page import Page
from screening.images.read import read_image
from screening.karyogram.gate import inspect
from screening.models import backbones
from screening.setting_types import COMPACT
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.simulate import simulate
from screening.synthesis.style import Style
from screening.train import karyogram_set as sets
from screening.train.pictures import load_pictures
from screening.worklist.discover import PictureFile
from screening.worklist.pipeline import Looking, prepare
from shipped import locator
from tiny_base import TINY

SIZE = 64


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    """Ten small karyograms of ten people, every second with a chromosome 1 too many."""
    folder = tmp_path_factory.mktemp("pages")
    rows = []
    for number in range(10):
        rng = np.random.default_rng(number)
        cell = draw_cell(rng)
        cell = simulate(cell, "+1", rng) if number % 2 else cell
        page = compose(cell, Style(width=480), rng).image
        cv2.imwrite(str(folder / f"{number}.png"), page)
        label = "abnormal" if number % 2 else "normal"
        rows.append({"path": f"{number}.png", "label": label, "case": f"c{number}"})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "manifest.csv"


def test_training_and_screening_see_the_same_picture(manifest):
    items = read_manifest(manifest)[:2]
    taught = load_pictures(items, SIZE, locator=locator(), view=COMPACT)
    for item, picture in zip(items, taught.plain, strict=True):
        found = PictureFile("k", item.path, "k")
        screened = prepare(found, Looking(SIZE, locator(), COMPACT), {})
        assert screened.picture.status == "ok"
        np.testing.assert_array_equal(picture, screened.tensor)
        plain = prepare(found, Looking(SIZE, locator()), {}).tensor
        assert np.count_nonzero(picture < 200) > 1.2 * np.count_nonzero(plain < 200)


def test_variants_inside_slots_are_laid_out_too_and_what_shows_nothing_is_named(manifest, tmp_path):
    items = read_manifest(manifest)[:1]
    how = AugmentationConfig(mode="online", variants=2, slots=True)
    made = load_pictures(items, SIZE, how, 1, manifest, locator(), COMPACT)
    changed = made.take(np.array([0]), np.array([1]))[0, ..., 0]
    assert changed.min() < 150 and np.abs(changed - made.plain[0]).max() > 20
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((300, 300), 255, np.uint8))
    with pytest.raises(ManifestError, match=r"blank\.png: no chromosomes were found"):
        load_pictures([replace(items[0], path=blank)], SIZE, locator=locator(), view=COMPACT)


def test_a_composed_set_holds_the_same_picture_and_the_state_of_every_position(manifest, tmp_path):
    rng = np.random.default_rng(5)
    cell = draw_cell(rng, case="p")
    entries = sets.plan({sets.COMPOSED: [cell]}, {sets.COMPOSED: 1}, 1)
    made = sets.build_set(tmp_path, entries, [cell], (SIZE,), locator(), 1, view=COMPACT)
    karyogram, _ = sets.make(entries[0], cell)
    page = Page.of(karyogram.image)
    inspection = inspect(page, locator())
    page = inspection.page or page
    image, states = sets.compact_tensors(karyogram, page, inspection.located, SIZE)
    np.testing.assert_array_equal(made.images(SIZE)[0], image)
    np.testing.assert_array_equal(made.states(SIZE)[0], states)
    assert set(np.unique(states)) <= {sets.PAPER, sets.USUAL}
    extra = compose(simulate(cell, "+1", rng), Style(), rng)
    page = Page.of(extra.image)
    located = inspect(page, locator()).located
    image, states = sets.compact_tensors(extra, page, located, 416)
    where = np.argwhere(states == sets.GAIN)
    assert len(where) and (where[:, 0] < 5).all(), "chromosome 1 stands in the first line"
    for y, x in where:
        assert image[32 * y : 32 * y + 32, 32 * x : 32 * x + 32].min() < 200
    assert (states == sets.USUAL).sum() > 3 * len(where) and (states != sets.LOSS).all()
    marked = compose(simulate(cell, "+mar", rng), Style(), rng)
    page = Page.of(marked.image)
    located = inspect(page, locator()).located
    assert not (sets.compact_tensors(marked, page, located, 416)[1] == sets.GAIN).any()


def test_a_bundle_trained_on_the_view_says_so_and_screens_by_it(manifest, tmp_path, monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "tiny", TINY)
    settings = {
        "data": {"manifest": str(manifest), "fractions": {"train": 0.6, "validation": 0.4}},
        "model": {"backbone": "tiny", "size": SIZE, "hidden": 8, "view": "compact"},
        "stages": [{"name": "head", "epochs": 1}],
        "batch_size": 4,
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    assert main(["train", str(config), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    bundle = tmp_path / "run" / "bundle"
    assert load_bundle(bundle).network("screener").view == COMPACT
    assert "view: compact" in (tmp_path / "run" / "config.yaml").read_text()
    pages, seen = tmp_path / "pages", []
    pages.mkdir()
    (pages / "k.png").write_bytes((manifest.parent / "1.png").read_bytes())
    from screening.predict.predictor import Predictor

    scored = Predictor.passes_of
    monkeypatch.setattr(
        Predictor, "passes_of", lambda self, im, keys: (seen.extend(im), scored(self, im, keys))[1]
    )
    words = ["--bundle", str(bundle), "--passes", "5", "--quiet", "--out", str(tmp_path / "out")]
    assert main(["screen", str(pages), *words]) == 0
    expected = prepare(
        PictureFile("k", pages / "k.png", "k"), Looking(SIZE, locator(), COMPACT), {}
    )
    np.testing.assert_array_equal(seen[0], expected.tensor)


def test_what_knows_no_view_is_plain_and_stays_what_it_was_to_the_byte():
    folder = default_bundle()
    info = load_bundle(folder).info
    kept = json.loads((folder / "bundle.json").read_text("utf-8"))
    assert info.model_dump(mode="json")["parts"] == kept["parts"]
    before = kept["parts"]["classifier"]
    assert "view" not in before and PartInfo(**before).view == "plain"
    assert PartInfo(**before).model_dump(mode="json") == before
    for made in (ModelConfig(backbone="vgg16"), ScreenerConfig()):
        assert "view" not in made.model_dump(mode="json")
    part = info.parts["screener"].model_dump() | {"view": "compact"}
    assert PartInfo(**part).model_dump()["view"] == "compact"


def test_a_plain_bundle_sees_the_page_itself(manifest):
    path = manifest.parent / "0.png"
    page = Page.of(read_image(path))
    prepared = prepare(PictureFile("k", path, "k"), Looking(SIZE, locator()), {})
    inspection = inspect(page, locator())
    cropped = (inspection.page or page).cropped
    np.testing.assert_array_equal(prepared.tensor, letterbox(cropped, SIZE))
