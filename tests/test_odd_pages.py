"""The shipped bundle on pages that are no whole upright karyogram: none is low-priority."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from screening import words
from screening.cli import main
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.stains import reversed_bands, unbanded
from screening.synthesis.style import clinical_style

pytestmark = pytest.mark.slow


def _page(cell: Metaphase, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return compose(cell, clinical_style(rng), rng).image


def _some(cell: Metaphase, count: int) -> Metaphase:
    chromosomes = [cell.chromosomes[i % len(cell.chromosomes)] for i in range(count)]
    return Metaphase(tuple(chromosomes), cell.source, cell.case, cell.cell)


def _stained(cell: Metaphase, stain: Callable[[np.ndarray], np.ndarray]) -> Metaphase:
    stained = tuple(replace(one, image=stain(one.image)) for one in cell.chromosomes)
    return replace(cell, chromosomes=stained)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    cell = draw_cell(np.random.default_rng(5), "XX")
    whole = _page(cell)
    pages = {
        "whole": whole,
        "mirrored": whole[:, ::-1],
        "upside-down": whole[::-1],
        "turned": whole[::-1, ::-1],
        "quarter": np.rot90(whole),
        "upper-half": whole[: whole.shape[0] // 2],
        "left-half": whole[:, : whole.shape[1] // 2],
        "twice": np.hstack([whole, whole]),
        "blank": np.full_like(whole, 255),
    }
    rng = np.random.default_rng(0)
    pages |= {
        "solid": _page(_stained(cell, lambda image: unbanded(image, rng))),
        "reversed": _page(_stained(cell, reversed_bands)),
        "blurred": cv2.GaussianBlur(whole, (0, 0), 0.004 * whole.shape[1]),
    }
    pages |= {f"objects-{n}": _page(_some(cell, n)) for n in (1, 20, 92, 200)}
    (folder / "in").mkdir()
    for name, page in pages.items():
        Image.fromarray(np.ascontiguousarray(page)).save(folder / "in" / f"{name}.png")
    out = folder / "out"
    assert main(["screen", str(folder / "in"), "--out", str(out), "--quiet"]) in (0, 3)
    with (out / "triage.csv").open(newline="") as file:
        return {row["image"].removesuffix(".png"): row for row in csv.DictReader(file)}


def test_the_whole_page_is_read(rows):
    assert rows["whole"]["status"] == "ok" and rows["whole"]["chromosomes"] == "46"


def test_no_odd_page_is_put_last(rows):
    last = [n for n, row in rows.items() if row["route"] == "low-priority" and n != "whole"]
    assert not last
    assert all(row["reasons"] for row in rows.values())


def test_bands_that_cannot_be_judged_are_the_reason(rows):
    assert words.NO_BANDS in rows["solid"]["reasons"]
    assert words.REVERSED_BANDS in rows["reversed"]["reasons"]
    assert not {words.NO_BANDS, words.REVERSED_BANDS} & {*rows["whole"]["reasons"].split("; ")}
