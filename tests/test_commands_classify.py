"""`screening classify`: one line per picture, a problem named where there is one."""

from __future__ import annotations

import csv
import json
import shutil

import cv2
import numpy as np
import pytest

from screening.bundle import load_bundle, sha256_of, write_bundle
from screening.bundle_schema import BundleInfo, PartInfo
from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME
from screening.cli import main
from screening.evidence.structure import PairsSaid
from screening.synthesis.drawn import draw_cell

STRUCTURE = PartInfo(
    backbone="structure", preprocessing="class-strip", size=128, width=24, dropout=0.2,
    config="structure.json", weights="structure.weights.h5",
)  # fmt: skip


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
def with_structure(bundle, tmp_path, monkeypatch):
    """A bundle that has the part, and a reader to whom the lower half of every chromosome seems
    lost; the second is a list of the lengths that it was shown."""
    import screening.predict.structure as module

    noted = []

    class Reader:
        def __init__(self, engine, passes=100, seed=0):
            assert "structure" in engine.bundle.info.parts

        def read(self, strips, pairs, classes):
            noted.append(strips.quality[:, 0])
            m, steps = len(pairs), 40
            own = classes[pairs]
            assert (own[:, 0] == own[:, 1]).all()
            places = np.full((m, 2, steps, 24, 12), -12.0, np.float32)
            for row in range(steps):
                places[np.arange(m)[:, None], [[0, 1]], row, own, row * 6 // steps] = 0.0
            none = np.zeros((m, 2, steps), np.float32)
            single = np.full((m, 2), 4.0, np.float32)
            each, quality = np.zeros((1, m), np.float32), np.zeros((m, 2, 8))
            return PairsSaid(each, single, none, places, none == 0, quality)

    monkeypatch.setattr(module, "StructureReader", Reader)
    known = load_bundle(bundle)
    folder = tmp_path / "b"
    shutil.copytree(bundle, folder)
    for name in (STRUCTURE.config, STRUCTURE.weights):
        (folder / name).write_bytes(b"of the fake reader")
    files = {name: sha256_of(folder / name) for name in (STRUCTURE.config, STRUCTURE.weights)}
    parts = known.info.parts | {"structure": STRUCTURE}
    info = known.info.model_copy(update={"parts": parts, "files": known.info.files | files})
    (folder / "bundle.json").write_text(json.dumps(info.model_dump()), "utf-8")
    (folder / "DONE").write_text(sha256_of(folder / "bundle.json") + "\n", "ascii")
    return folder, noted


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
    assert {(row["p_changed"], row["change"], row["where"]) for row in rows} == {("", "", "")}
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


def _classified(folder, out, bundle, *more):
    call = ["classify", str(folder), "--out", str(out), "--bundle", str(bundle), "--passes", "3"]
    call += ["--engine", "tensorflow"]  # loads what it is asked for, not the fake part
    status = main([*call, "--quiet", *more])
    return status, _rows(out)


def test_what_looks_rearranged_is_told_of_a_whole_cell(with_structure, pictures, tmp_path):
    bundle, noted = with_structure
    (pictures / "broken.png").write_text("no picture")
    status, rows = _classified(pictures.parent, tmp_path / "out", bundle)
    assert status == 3 and len(rows) == 47
    (broken,) = [row for row in rows if row["problem"]]
    assert (broken["p_changed"], broken["change"], broken["where"]) == ("", "", "")
    good = [row for row in rows if row["class"] in CHROMOSOMES]
    assert good and all(0 <= float(row["p_changed"]) <= 1 for row in good)
    told = [row for row in good if float(row["p_changed"]) >= 0.5]
    assert told and {row["change"] for row in told} == {"del"}
    assert all(row["where"] for row in told)
    lengths = np.concatenate(noted)
    assert len(noted) == 1 and len(lengths) == 3 * len(good) and np.abs(lengths).max() > 0.1, (
        "the cell's scale tells lengths"
    )


def test_the_length_of_a_lone_picture_does_not_speak(with_structure, pictures, tmp_path):
    bundle, noted = with_structure
    for path in sorted(pictures.glob("*.png"))[1:]:
        path.unlink()
    status, (row,) = _classified(pictures.parent, tmp_path / "out", bundle)
    assert status == 0
    assert (row["p_changed"] != "") == (row["class"] in CHROMOSOMES)
    assert all(np.abs(lengths).max() < 1e-5 for lengths in noted)


def test_without_cells_no_length_speaks(with_structure, pictures, tmp_path):
    bundle, noted = with_structure
    assert _classified(pictures.parent, tmp_path / "out", bundle, "--no-cells")[0] == 0
    (lengths,) = noted
    assert len(lengths) and np.abs(lengths).max() < 1e-5


def test_a_folder_of_pictures_by_themselves_is_read_at_once(with_structure, pictures, tmp_path):
    bundle, noted = with_structure
    status, rows = _classified(pictures, tmp_path / "out", bundle)
    assert status == 0 and len({row["case"] for row in rows}) == 46
    assert {row["relative_length"] for row in rows} == {""} and len(noted) == 1


def test_a_picture_that_cannot_be_straightened_stops_no_other(
    with_structure, pictures, tmp_path, monkeypatch
):
    import screening.worklist.singles_structure as module

    axis, calls = module.medial_axis, []

    def odd(mask, grey):
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("an axis that nobody foresaw")
        return axis(mask, grey)

    monkeypatch.setattr(module, "medial_axis", odd)
    status, rows = _classified(pictures.parent, tmp_path / "out", with_structure[0])
    assert status == 3 and rows[0]["class"] and not rows[0]["p_changed"]
    assert "structure was not read: could not be processed (ZeroDivisionError" in rows[0]["problem"]
    assert all(row["p_changed"] for row in rows[1:] if row["class"] in CHROMOSOMES)
