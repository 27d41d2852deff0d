"""The package from Python: lazy, the numbers of the command line, no bad picture stops a list."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import screening
from pictures import reading
from screening.api import model as model_module
from screening.bundle_schema import TRIAL
from screening.cli import main
from screening.demo import demo_folder
from screening.errors import BundleError, ScreeningError
from screening.evidence import witness
from screening.images.frames import frame_hash
from screening.images.read import read_array, read_image
from screening.karyogram.locate import FoundChromosome, Located
from screening.record import Chromosome
from screening.triage.rule import Rule
from screening.worklist import content, pipeline
from screening.worklist.reader import ReadCell
from screening.worklist.rows import TRIAGE_COLUMNS
from worklist_fakes import FakeReader, FakeScorer, accepted_with, karyogram

ROOT = Path(__file__).resolve().parents[1]
NOTHING = Located((), (), 0, (), 0.0)


def bar(x: int, height: int) -> FoundChromosome:
    """A bar of ink 9 px wide on the drawn karyogram, as the locator would tell of it."""
    mask = np.zeros((height, 13), bool)
    mask[1:-1, 2:-2] = True
    axis = np.float32([[x + 6, 10], [x + 6, 10 + height]])
    return FoundChromosome(x, 10, 13, height, mask, axis, height - 2.0, 9.0)


FOUND = (bar(20, 70), bar(60, 40))
CELL = ReadCell(
    reading(chromosomes=(Chromosome("1", 0.98, "1"), Chromosome("21", 0.6, "22", True, True))),
    witness.Testimony({"count": 0.0}),
    FOUND,
)


def fake(**changes: object) -> screening.Model:
    parts = {"scorer": FakeScorer(), "locator": None, "reader": FakeReader(CELL), "rule": Rule()}
    return screening.Model(**parts | changes)  # type: ignore[arg-type]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(NOTHING))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "case-7" / "k.png"
    path.parent.mkdir()
    karyogram(0).save(path)
    return path


def test_importing_the_package_loads_nothing_and_is_quick():
    code = (
        "import sys, time; before = set(sys.modules); clock = time.perf_counter();"
        "import screening; took = time.perf_counter() - clock; new = set(sys.modules) - before;"
        "screening.load, screening.compose; print(took, sorted(new), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    took, rest = done.stdout.split(" ", 1)
    assert float(took) < 0.1
    assert "numpy" not in rest and "screening.api" not in rest and rest.strip().endswith("False")


def test_what_is_offered_is_there_and_nothing_else():
    for name in screening.__all__:
        assert getattr(screening, name) and name in dir(screening)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        screening.lod  # noqa: B018


def test_a_picture_tells_all_that_the_row_tells(gate, file):
    picture = fake().read(file)
    row = picture.to_dict()
    assert tuple(row) == TRIAGE_COLUMNS
    assert (row["image"], row["case"], row["status"]) == ("k.png", "k", "ok") and row[
        "passes"
    ] == 20
    assert row["route"] == picture.route and row["prediction"] == picture.prediction
    assert row["p_abnormal"] == round(picture.p_abnormal, 6)
    assert row["confidence"] == round(picture.confidence, 6)
    assert row["karyotype"] == picture.karyotype == "46,XX"
    assert row["reasons"] == "; ".join(picture.reasons) and row["sha256"] == picture.record.sha256
    assert repr(picture) == f"PictureResult('k.png', ok, {picture.route}, 46,XX)"
    json.dumps(row, allow_nan=False)


def test_chromosomes_have_name_probability_box_and_strip(gate, file):
    first, second = fake().read(str(file)).chromosomes
    assert (first.name, first.p, first.box) == ("1", 0.98, (20, 10, 13, 70))
    assert (second.name, second.position, second.doubtful, second.misplaced) == (
        "21", "22", True, True,
    )  # fmt: skip
    for one, height in ((first, 70), (second, 40)):
        assert one.picture.shape == one.mask.shape == (height, 13)
        assert (one.picture[~one.mask] == 255).all()
        assert one.strip.dtype == np.uint8 and one.strip is one.strip
        assert abs(one.strip.shape[0] - (height - 2)) <= 4 and one.strip.shape[1] >= 9
    assert fake(reader=None).read(file).chromosomes == ()


def test_an_array_is_read_as_the_file_that_it_comes_from(gate, file):
    grey = read_image(file)
    picture = fake().read(grey)
    assert picture.image == "array-1" and picture.status == "ok" and len(picture.chromosomes) == 2
    assert (read_array(np.dstack([grey] * 3), "a") == grey).all()
    assert (read_array(np.dstack([grey] * 3 + [np.full_like(grey, 255)]), "a") == grey).all()
    clear = np.dstack([grey] * 3 + [np.zeros_like(grey)])
    assert (read_array(clear, "a") == 255).all()
    assert fake().read(grey).to_dict() == picture.to_dict()
    other = grey.copy()
    other[0, 0] ^= 1
    assert fake().read(other).record.sha256 != picture.record.sha256
    deep = read_array(grey.astype(np.uint16) * 16, "a")
    assert deep.max() == 255 and np.array_equal(deep > 128, grey > 128)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.zeros((9, 9), np.uint8), "too small for a karyogram"),
        (np.zeros((0, 90), np.uint8), "an empty picture"),
        (np.zeros((90, 90, 2), np.uint8), "expected grey (h, w), RGB (h, w, 3)"),
        (np.zeros((90, 90), complex), "received complex128 (90, 90)"),
        (np.zeros(90, np.uint8), "received uint8 (90,)"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000)), "more than the limit of 100 million"),
        (None, "expected a path or an array, received NoneType"),
        ([1], "expected a path or an array, received list"),
        ("gone.png", "does not exist"),
        ("x\0y.png", "cannot be opened"),
        (str(ROOT), "a folder, not a picture: read the files in it"),
    ],
    ids=str,
)
def test_a_bad_picture_is_a_result_and_the_list_goes_on(gate, file, bad, reason):
    results = list(fake().read(one for one in (file, bad, file)))
    assert [one.status for one in results] == ["ok", "failed", "ok"]
    failed = results[1]
    assert reason in failed.reasons[0] and failed.route == "review"
    assert failed.p_abnormal is failed.confidence is None and failed.chromosomes == ()
    assert failed.karyotype == failed.prediction == ""
    assert "srcdoc" in failed._repr_html_() and tuple(failed.to_dict()) == TRIAGE_COLUMNS


def test_pipes_rejected_pages_and_memory_are_told_alike(gate, file, tmp_path, monkeypatch):
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert fake().read(tmp_path / "pipe.png").reasons == ("not a regular file",)
    odd = fake(reader=FakeReader(ZeroDivisionError("odd"))).read(file)
    assert odd.status == "failed" and "ZeroDivisionError" in odd.reasons[0]
    full = fake(scorer=FakeScorer(fail_above=0)).read(file)
    assert full.status == "failed" and full.reasons == ("not enough memory for this picture",)
    monkeypatch.undo()
    blank = fake().read(np.full((300, 300), 255, np.uint8))
    assert blank.status == "rejected" and blank.route == "review" and blank.reasons[0]


def test_a_frame_is_named_as_in_a_work_list(gate, tmp_path):
    pages = [karyogram(seed) for seed in range(2)]
    path = tmp_path / "many.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    whole = content.content_hash(pipeline.PictureFile("many.tif", path, "many"))
    first, second, none = fake().read([path, f"{path}#2", f"{path}#3"])
    assert (first.image, second.image) == ("many.tif", "many.tif#2")
    assert first.record.case == second.record.case == "many"
    assert first.record.sha256 == whole and second.record.sha256 == frame_hash(whole, 2)
    assert none.status == "failed" and "there is no page 3" in none.reasons[0]


def test_a_list_is_read_as_it_is_asked_for(gate, file):
    scorer = FakeScorer()
    results = fake(scorer=scorer).read([file, np.asarray(karyogram(1)), file])
    assert scorer.batches == []
    assert next(results).image == "k.png" and len(scorer.batches) == 1
    assert [one.image for one in results] == ["array-2", "k.png"] and len(scorer.batches) == 3
    for wrong in (3, b"k.png", None):
        with pytest.raises(TypeError, match="expected a path, an array or several of them"):
            fake().read(wrong)  # type: ignore[call-overload]


def test_the_card_is_that_of_the_page_and_nothing_in_it_runs(gate, tmp_path):
    path = tmp_path / '"><script>alert(1)<.png'
    karyogram(2).save(path)
    shown = fake().read(path)._repr_html_()
    assert "<script" not in shown and shown.count("<iframe") == 1 and "sandbox " in shown
    card = html.unescape(shown.partition('srcdoc="')[2].rpartition('"')[0])
    assert "<script" not in card and "default-src &#39;none&#39;" not in card
    assert "default-src 'none'" in card and 'class="row ' in card and "46,XX" in card


def test_what_is_composed_is_what_the_command_composes(tmp_path):
    asked = ["--count", "2", "--seed", "5", "--quiet", "--out", str(tmp_path)]
    assert main(["compose", "drawn", *asked]) == 0
    made = screening.compose(seed=5, number=2)
    kept = np.asarray(Image.open(tmp_path / "karyograms" / "00002.png"))
    assert np.array_equal(kept, made.image) and made.label == "normal"


@pytest.mark.parametrize("name", ["+21", "45,X", "t(9;22)(q34;q11.2)"])
def test_what_is_simulated_is_what_the_command_simulates(tmp_path, name):
    asked = ["--count", "1", "--seed", "3", "--abnormal-fraction", "1", "--abnormality", name]
    assert main(["simulate", "drawn", *asked, "--quiet", "--out", str(tmp_path)]) == 0
    made = screening.simulate(name, seed=3)
    kept = np.asarray(Image.open(tmp_path / "karyograms" / "00001.png"))
    assert np.array_equal(kept, made.image) and made.label == "abnormal"
    assert name.removeprefix("45,") in made.iscn


def test_wrong_values_are_named():
    for wrong, named in (
        ({"passes": 0}, "passes of 1 or more"), ({"seed": -1}, "seed of 0 to"),
        ({"device": "gpu:x"}, "device of auto"), ({"min_confidence": 0.2}, "min_confidence of"),
        ({"rule": "both"}, "rule of calibrated or votes"),
    ):  # fmt: skip
        with pytest.raises(ScreeningError, match=named):
            screening.load(**wrong)
    with pytest.raises(ScreeningError, match=r"style of clinical.*; expected seed.*; .*number"):
        screening.compose(style="odd", seed=-1, number=0)
    with pytest.raises(ScreeningError, match="expected abnormalities of"):
        screening.simulate("+99")


def test_bundles_that_cannot_be_used_are_named(tmp_path, monkeypatch):
    with pytest.raises(BundleError):
        screening.load(tmp_path)
    whole = model_module.load_bundle(model_module.default_bundle())
    info = whole.info.model_copy(update={"data": whole.info.data | {TRIAL: True}})
    trial = replace(whole, info=info)
    monkeypatch.setattr(model_module, "load_bundle", lambda folder: trial)
    with pytest.warns(UserWarning, match="comes from a trial"):
        screening.load()


@pytest.mark.slow
def test_the_numbers_are_those_of_the_command_line(tmp_path):
    source = sorted((demo_folder() / "case-001").glob("*.jpg"))[0]
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / source.name
    path.write_bytes(source.read_bytes())
    (folder / "torn.jpg").write_bytes(source.read_bytes()[:900])
    out = str(tmp_path / "out")
    asked = ["screen", str(folder), "--out", out, "--passes", "7", "--seed", "3", "--quiet"]
    assert main(asked) == 3
    kept = (tmp_path / "out" / "triage.jsonl").read_text("utf-8").splitlines()
    rows = {row["image"]: row for row in map(json.loads, kept)}
    results = list(screening.load(passes=7, seed=3).read([path, folder / "torn.jpg"]))
    assert {one.image: one.to_dict() for one in results} == rows
    read, torn = results
    assert read.status == "ok" and torn.status == "failed"
    assert len(read.chromosomes) == rows[source.name]["chromosomes"]
    height, width = read_image(path).shape
    for one in read.chromosomes:
        x, y, w, h = one.box
        assert 0 <= x and x + w <= width and 0 <= y and y + h <= height
        assert one.strip.min() < 200 and one.strip.shape[0] > one.strip.shape[1] / 2
    assert read.karyotype in read._repr_html_()
