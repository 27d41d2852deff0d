"""The gate lets karyograms of any look through, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from screening.images.arrangement import Arrangement
from screening.images.page import Page
from screening.images.quality import Quality
from screening.images.read import read_image
from screening.karyogram import gate
from screening.karyogram.gate import inspect
from screening.karyogram.locate import Locator
from screening.page_settings import Gate
from screening.synthesis.compose import Karyogram, compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import Style, clinical_style, random_style
from screening.synthesis.warp import warp
from shipped import locator


@pytest.fixture(scope="module")
def karyogram() -> Karyogram:
    rng = np.random.default_rng(2)
    return compose(draw_cell(rng, "XY"), Style(), rng)


@pytest.mark.parametrize("seed", range(12))
def test_karyograms_of_any_style_pass(seed):
    rng = np.random.default_rng(seed)
    style = clinical_style(rng) if seed % 2 else random_style(rng)
    drawn = compose(draw_cell(rng, "XX" if seed % 3 else "XY"), style, rng)
    quality = inspect(Page.of(drawn.image), locator()).quality
    assert quality.ok, (seed, quality.reason)


def test_the_real_karyograms_pass_and_are_counted(shared_data):
    import csv

    folder = shared_data / "karyograms"
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        quality = inspect(Page.of(read_image(folder / row["path"])), locator()).quality
        truth = 47 if row["detail"].startswith("47") else 46
        assert quality.ok and truth - 4 <= quality.objects <= truth, row["path"]


def metaphase(rng: np.random.Generator) -> np.ndarray:
    """Chromosomes of a cell scattered at random places and angles."""
    page = np.full((900, 1000), 255, np.uint8)
    for chromosome in draw_cell(rng).chromosomes:
        turned = warp(chromosome.image, 0.8, angle=float(rng.uniform(0, 360)))
        h, w = turned.shape
        y, x = int(rng.integers(0, 900 - h)), int(rng.integers(0, 1000 - w))
        np.minimum(page[y : y + h, x : x + w], turned, out=page[y : y + h, x : x + w])
    return page


def text_page() -> np.ndarray:
    page = np.full((1000, 800), 255, np.uint8)
    for line in range(28):
        words = "the quick brown fox jumps over the lazy dog again"
        cv2.putText(page, words, (40, 50 + 33 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 20, 2)
    return page


def photograph(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(0, 256, (9, 12)).astype(np.uint8)
    return cv2.resize(coarse, (900, 700), interpolation=cv2.INTER_CUBIC)


def not_karyograms() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    single = draw_cell(rng).chromosomes[0].image
    return {
        "white": np.full((500, 700), 255, np.uint8),
        "black": np.zeros((500, 700), np.uint8),
        "noise": rng.integers(0, 256, (500, 700)).astype(np.uint8),
        "photograph": photograph(rng),
        "text": text_page(),
        "single chromosome": cv2.copyMakeBorder(
            single, 40, 40, 60, 60, cv2.BORDER_CONSTANT, value=255
        ),
        "metaphase 1": metaphase(rng),
        "metaphase 2": metaphase(rng),
        "metaphase 3": metaphase(rng),
    }


@pytest.mark.parametrize("name", list(not_karyograms()))
def test_what_is_no_karyogram_is_refused_with_a_reason(name):
    quality = inspect(Page.of(not_karyograms()[name]), locator()).quality
    assert not quality.ok and quality.reason


def test_turned_half_and_doubled_karyograms_do_not_pass_unnoticed(karyogram):
    image = karyogram.image
    for turned in (np.rot90(image), np.rot90(image, 3), np.rot90(image, 2)):
        assert not inspect(Page.of(np.ascontiguousarray(turned)), locator()).quality.ok
    for part in (image[: image.shape[0] // 2], np.hstack([image, image])):
        quality = inspect(Page.of(np.ascontiguousarray(part)), locator()).quality
        assert not quality.ok or quality.objects != 46


def test_stout_chromosomes_in_falling_rows_need_no_axes():
    stout = Arrangement(4, 9, 0.4, 0.1, 2.2, float("nan"))
    assert gate._not_arranged(stout, 46) == "" and gate._doubts(stout, 46, Gate()) == []
    level = replace(stout, first_over_last=1.0)
    assert "metaphase" in gate._not_arranged(level, 46)
    assert "many chromosomes are not upright" in gate._doubts(level, 46, Gate())


def test_how_many_chromosomes_pass_is_the_bundles_to_say(karyogram):
    usual = locator()
    page = Page.of(karyogram.image)
    count = inspect(page, usual).quality.objects

    def seen(**limits: tuple[int, int]) -> Quality:
        gate = Gate(**limits)
        return inspect(page, Locator(usual.segmenter, usual.arbiter, gate)).quality

    assert seen(one_cell=(count, count + 1)).ok and not seen(one_cell=(count + 1, 99)).ok
    assert not seen(one_cell=(1, count - 1)).ok and seen(one_cell=(1, count)).ok
    assert seen(usual=(count - 1, count)).warnings == seen(usual=(count, count + 1)).warnings == ()
    assert "part of a karyogram" in seen(usual=(count + 1, 99)).warnings[0]
    assert "two cells" in seen(usual=(1, count - 1)).warnings[0]
