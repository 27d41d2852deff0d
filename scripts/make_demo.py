"""Writes the embedded demo: `python scripts/make_demo.py [FOLDER]`, about two seconds.

Everything is drawn from the band table with fixed seeds. Normal cells are shams, so that demo
pictures are made like training pictures. FOLDER defaults to screening/demo in this checkout.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from screening.karyogram.text import letters, stamp
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.simulate import sham, simulate
from screening.synthesis.style import clinical_style

CASES: dict[str, tuple[str, str, int]] = {
    "case-001": ("XX", "", 2),
    "case-002": ("XY", "", 2),
    "case-003": ("XY", "+21", 2),
    "case-004": ("XX", "+18", 1),
    "case-005": ("XX", "45,X", 1),
    "case-006": ("XY", "47,XXY", 1),
    "case-007": ("XX", "", 1),
}
"""Case -> sex chromosomes of the drawn cells, abnormality ("" for none), number of cells."""

QUALITY = 82
WIDTH = 820  # pixels; pages of this size keep the whole demo near 1 MB
LINES = (
    "Request for chromosome analysis", "Material: peripheral blood, heparin", "Culture: 72 h, PHA",
    "Banding: GTG, 550 bands", "Metaphases analysed: 15", "Referral: routine", "Copies to: file",
    "This page is a letter and shows no chromosomes.", "It was scanned into the same folder.",
)  # fmt: skip


def main(folder: Path) -> None:
    """Writes karyograms/ and truth.csv under `folder`."""
    rows = []
    for number, (case, (sex, abnormality, cells)) in enumerate(CASES.items(), start=1):
        for cell_number in range(1, cells + 1):
            rng = np.random.default_rng([2026, number, cell_number])
            cell = draw_cell(rng, sex, case=case, cell=str(cell_number))
            cell = simulate(cell, abnormality, rng) if abnormality else sham(cell, rng)
            style = replace(clinical_style(rng), width=WIDTH, noise=0.0, jpeg=0)
            karyogram = compose(cell, style, rng)
            name = f"{case}/cell-{cell_number}.jpg"
            _write(folder / "karyograms" / name, karyogram.image)
            rows.append((name, karyogram.label, case, karyogram.iscn, "drawn karyogram"))
    pages = folder / "karyograms"
    _write(pages / "case-008/blank-page.jpg", np.full((520, WIDTH), 250, np.uint8))
    rows.append(("case-008/blank-page.jpg", "", "case-008", "", "not a karyogram: blank page"))
    _write(pages / "case-009/letter.jpg", _letter())
    rows.append(("case-009/letter.jpg", "", "case-009", "", "not a karyogram: page of text"))
    whole = (pages / "case-001/cell-1.jpg").read_bytes()
    broken = pages / "case-010/cut-short.jpg"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(whole[: len(whole) // 3])
    rows.append(("case-010/cut-short.jpg", "", "case-010", "", "unreadable: file cut short"))
    with open(folder / "truth.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "case", "iscn", "note"))
        writer.writerows(rows)


def _letter() -> np.ndarray:
    page = np.full((1000, WIDTH), 255, np.uint8)
    for index in range(24):
        text = LINES[index % len(LINES)]
        stamp(page, letters(text, "sans", 14), 60, 60 + 38 * index)
    return page


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    path.write_bytes(cv2.imencode(".jpg", image, options)[1].tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "screening/demo")
