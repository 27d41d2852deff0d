"""Drawn chromosomes: relative lengths, band patterns and the embedded demo."""

from __future__ import annotations

import csv
from collections import defaultdict

import cv2
import numpy as np
import pytest

from screening.bands import STAIN, band_table
from screening.classes import CHROMOSOMES, RELATIVE_LENGTH
from screening.demo import demo_folder, demo_truth
from screening.errors import ScreeningError
from screening.synthesis.drawn import draw_cell, draw_chromosome, random_preparation


def test_relative_lengths_are_those_of_the_standard():
    heights = defaultdict(list)
    for seed in range(6):
        for c in draw_cell(np.random.default_rng(seed), "XY").chromosomes:
            heights[c.name].append(c.image.shape[0])
    mean = [np.mean(heights[name]) for name in CHROMOSOMES]
    standard = [RELATIVE_LENGTH[name] for name in CHROMOSOMES]
    assert np.corrcoef(mean, standard)[0, 1] > 0.98


@pytest.mark.parametrize("sex", ["XX", "XY"])
def test_a_drawn_cell_is_complete_and_reproducible(sex):
    one, two = (draw_cell(np.random.default_rng(4), sex) for _ in "ab")
    assert one.iscn == f"46,{sex}" and one.label == "normal"
    assert len({c.origin for c in one.chromosomes}) == 46
    pairs = zip(one.chromosomes, two.chromosomes, strict=True)
    assert all(np.array_equal(a.image, b.image) for a, b in pairs)


def test_band_table_is_complete_and_in_order():
    table = band_table()
    assert tuple(table) == CHROMOSOMES
    for name, bands in table.items():
        assert bands.edges[0] == 0 and bands.edges[-1] == 1 and (np.diff(bands.edges) > 0).all()
        assert set(bands.stains) <= set(STAIN)
        assert 0.05 < bands.centromere < 0.55, name
    assert table["13"].centromere < 0.2 < table["1"].centromere


def test_homologs_share_their_bands_and_other_chromosomes_do_not():
    """Grey profiles along the axis: two drawings of one class agree better than of two classes."""
    rng = np.random.default_rng(0)
    preparation = random_preparation(rng)

    def profile(name: str) -> np.ndarray:
        image = draw_chromosome(name, preparation, rng).astype(np.float32)
        ink = image < 240
        line = (image * ink).sum(axis=1) / np.maximum(1, ink.sum(axis=1))
        line = cv2.resize(line[:, None], (1, 100))[8:92, 0]
        return line - cv2.blur(line[:, None], (1, 41))[:, 0]

    alike, unlike = [], []
    names = ["1", "2", "3", "5", "7", "9", "11", "X"]
    for index, name in enumerate(names):
        a, b, c = profile(name), profile(name), profile(names[index - 1])
        alike.append(np.corrcoef(a, b)[0, 1])
        unlike.append(np.corrcoef(a, c)[0, 1])
    assert np.mean(alike) > 0.5 > 0.3 > np.mean(unlike)


def test_wrong_sex_or_name_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ScreeningError, match="XX or XY"):
        draw_cell(rng, "XXY")
    with pytest.raises(ScreeningError, match="received '23'"):
        draw_chromosome("23", random_preparation(rng), rng)


def test_demo_is_small_complete_and_described():
    with open(demo_truth(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    files = sorted(p.relative_to(demo_folder()).as_posix() for p in demo_folder().rglob("*.*"))
    assert sorted(row["path"] for row in rows) == files
    assert sum((demo_folder() / name).stat().st_size for name in files) < 1_500_000
    karyotypes = {row["iscn"] for row in rows}
    assert {"46,XX", "46,XY", "47,XY,+21", "47,XX,+18", "45,X", "47,XXY", ""} == karyotypes
    for row in rows:
        assert row["case"] == row["path"].split("/")[0]
        if row["label"]:
            image = cv2.imread(str(demo_folder() / row["path"]), cv2.IMREAD_GRAYSCALE)
            assert image.shape[1] == 820 and (image < 128).mean() > 0.005
