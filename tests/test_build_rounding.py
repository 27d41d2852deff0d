"""How a bundle's networks are run in eight bits is learned from pages as `screen` shows them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from screening.build.pages import TRUTH
from screening.build.rounding import with_rounding
from screening.bundle import default_bundle, load_bundle
from screening.predict.engine import engine_of, rounded_parts
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import clinical_style

NETWORKS = ("classifier", "screener", "structure")


def pages_in(folder: Path, pictures: list[np.ndarray]) -> Path:
    folder.mkdir()
    names = [f"{number:04d}.png" for number in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        cv2.imwrite(str(folder / name), picture)
    (folder / TRUTH).write_text("".join(json.dumps({"name": name}) + "\n" for name in names))
    return folder


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    rng = np.random.default_rng(3)
    return compose(draw_cell(rng, "XX"), clinical_style(rng), rng).image


def test_every_network_is_rounded_by_what_it_is_given_of_a_page(drawn, tmp_path):
    blank = np.full((300, 300), 255, np.uint8)
    bundle = load_bundle(default_bundle())
    made = with_rounding(bundle, pages_in(tmp_path / "p", [blank, drawn]), tmp_path / "b")
    assert rounded_parts(made) == NETWORKS and rounded_parts(bundle) == ()
    assert engine_of(made).engine.name == "int8" and made.info.files == bundle.info.files
    for name in NETWORKS:
        ranges = made.network(name).rounding.ranges
        assert all(least <= 0 < 0.1 < most < 1e4 for least, most in ranges.values()), name
    again = load_bundle(made.folder)
    assert again.info == made.info and again.hash == made.hash


def test_pages_that_nothing_can_be_read_of_round_nothing(tmp_path):
    blank = np.full((300, 300), 255, np.uint8)
    bundle = load_bundle(default_bundle())
    made = with_rounding(bundle, pages_in(tmp_path / "p", [blank]), tmp_path / "b")
    assert rounded_parts(made) == () and made.info.parts == bundle.info.parts
