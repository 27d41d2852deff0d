"""`screening classify`: one line per picture, a problem named where there is one."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from screening.bundle import write_bundle
from screening.bundle_schema import BundleInfo, PartInfo
from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME
from screening.cli import main
from screening.synthesis.drawn import draw_cell


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    from screening.models.classifier import build_classifier

    part = PartInfo(
        backbone="residual", preprocessing="standard-crop", size=96, width=32, temperature=1.2,
        dropout=0.3, config="classifier.json", weights="classifier.weights.h5",
    )  # fmt: skip
    info = BundleInfo(name="untrained", created="2026-01-01", parts={"classifier": part})
    folder = tmp_path_factory.mktemp("bundle") / "b"
    return write_bundle(folder, info, {"classifier": build_classifier()}, "# Card\n", {}).folder


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in" / "cell"
    folder.mkdir(parents=True)
    cell = draw_cell(np.random.default_rng(0), "XY")
    for i, chromosome in enumerate(cell.chromosomes):
        cv2.imwrite(str(folder / f"{i:02d}.png"), np.pad(chromosome.image, 4, constant_values=255))
    return folder


def _rows(out):
    with (out / "chromosomes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_picture_has_a_line(bundle, pictures, tmp_path):
    (pictures / "broken.png").write_text("no picture")
    cv2.imwrite(str(pictures / "blank.png"), np.full((40, 40), 255, np.uint8))
    call = ["classify", str(pictures.parent), "--out", str(tmp_path / "out"), "--bundle",
            str(bundle), "--passes", "5", "--quiet"]  # fmt: skip
    assert main(call) == 3
    rows = _rows(tmp_path / "out")
    assert list(rows[0])[:5] == ["image", "class", "p", "confidence", "p_std"]
    assert len(rows) == 48
    good = [row for row in rows if not row["problem"]]
    assert len(good) == 46
    assert {row["class"] for row in good} <= {*CHROMOSOMES, NOT_A_CHROMOSOME}
    assert all(0 <= float(row[name]) <= 1 for row in good for name in ("p", "confidence", "p_std"))
    assert float(good[0]["relative_length"]) == pytest.approx(8.4, rel=0.2)
    assert {row["image"] for row in rows if row["problem"]} == {"cell/blank.png", "cell/broken.png"}
    assert main(call) == 2  # earlier results are not replaced unasked


def test_a_few_pictures_are_no_cell(bundle, pictures, tmp_path):
    for path in sorted(pictures.glob("*.png"))[5:]:
        path.unlink()
    out = tmp_path / "out"
    call = ["classify", str(pictures.parent), "--out", str(out), "--bundle", str(bundle),
            "--passes", "3", "--quiet"]  # fmt: skip
    assert main(call) == 0
    assert {row["relative_length"] for row in _rows(out)} == {""}


def test_a_folder_without_a_readable_picture_is_an_error(bundle, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_text("nothing")
    call = ["classify", str(folder), "--out", str(tmp_path / "out"), "--bundle", str(bundle),
            "--quiet"]  # fmt: skip
    assert main(call) == 1
    assert "none of the 1 pictures" in capsys.readouterr().err
