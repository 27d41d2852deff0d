"""How a bundle's networks are run in eight bits is learned from pages as `screen` shows them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from screening.build.pages import TRUTH
from screening.build.rounding import with_rounding
from screening.bundle import Bundle, default_bundle, load_bundle, rewrite_bundle
from screening.bundle_schema import PartInfo
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


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped networks as they are before anybody has rounded them."""
    shipped = load_bundle(default_bundle())
    parts = {
        name: part.model_copy(update={"rounding": None}) if isinstance(part, PartInfo) else part
        for name, part in shipped.info.parts.items()
    }
    info = shipped.info.model_copy(update={"parts": parts})
    return rewrite_bundle(shipped, info, tmp_path_factory.mktemp("bundle") / "unrounded")


def test_every_network_is_rounded_by_what_it_is_given_of_a_page(bundle, drawn, tmp_path):
    blank = np.full((300, 300), 255, np.uint8)
    made = with_rounding(bundle, pages_in(tmp_path / "p", [blank, drawn]), tmp_path / "b")
    assert rounded_parts(made) == NETWORKS and rounded_parts(bundle) == ()
    assert engine_of(made).engine.name == "int8" and made.info.files == bundle.info.files
    for name in NETWORKS:
        ranges = made.network(name).rounding.ranges
        assert all(least <= 0 < 0.1 < most < 1e4 for least, most in ranges.values()), name
    again = load_bundle(made.folder)
    assert again.info == made.info and again.hash == made.hash


def test_pages_that_nothing_can_be_read_of_round_nothing(bundle, tmp_path):
    blank = np.full((300, 300), 255, np.uint8)
    made = with_rounding(bundle, pages_in(tmp_path / "p", [blank]), tmp_path / "b")
    assert rounded_parts(made) == () and made.info.parts == bundle.info.parts
