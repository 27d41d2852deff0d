"""Frames in the main job: each a row, its own identity, told by name; nothing left out unsaid."""

from __future__ import annotations

import csv
import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from screening.assess.labelled import read_pictures
from screening.cli import main
from screening.commands.screen import show
from screening.data.manifest import read_manifest, verify
from screening.errors import ManifestError
from screening.images.frames import MAX_FRAMES, frame_hash
from screening.images.kinds import SUPPORTED_SUFFIXES
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.simulate import sham, simulate
from screening.synthesis.style import clinical_style
from screening.triage.rule import Rule
from screening.worklist import content
from screening.worklist.content import key_of
from screening.worklist.discover import discover
from screening.worklist.left_out import LeftOut
from screening.worklist.run import Settings, Summary, screen_folder
from shipped import locator
from test_images_dicom import write as write_dicom
from worklist_fakes import FakeScorer, karyogram


def screen(folder: Path, out: Path, scorer: FakeScorer | None = None, **changes: object) -> Summary:
    values = {"bundle_hash": "b" * 64, "bundle_name": "fake", "quiet": True, "batch_size": 3}
    settings = Settings(folder=folder, out=out, **(values | changes))
    return screen_folder(settings, scorer or FakeScorer(), locator())


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "triage.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def write(path: Path, frames: list[Image.Image]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".dcm", ""):
        pixels = np.squeeze(np.stack([np.asarray(frame) for frame in frames]))
        return write_dicom(path, pixels, NumberOfFrames=len(frames))
    if len(frames) == 1:
        frames[0].save(path)
        return path
    options = {".webp": {"lossless": True}, ".gif": {"duration": 100}}.get(path.suffix, {})
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


def names(folder: Path, **options: object) -> list[str]:
    found = discover(folder, SUPPORTED_SUFFIXES, frames=True, **options)
    return [each.name for each in found.images]


@pytest.mark.parametrize("name", ["x.tif", "x.gif", "x.webp", "x.png", "x.dcm", "x"])
def test_what_only_the_second_frame_shows_gets_its_own_row(name: str, tmp_path: Path) -> None:
    blank = Image.new("L", (480, 400), 255)
    path = write(tmp_path / "in" / "p7" / name, [karyogram(1), blank, karyogram(2)])
    out = tmp_path / "out"
    assert screen(tmp_path / "in", out).exit_status == 3
    table = rows(out)
    assert set(table) == {f"p7/{name}", f"p7/{name}#2", f"p7/{name}#3"}
    assert table[f"p7/{name}"]["status"] == table[f"p7/{name}#3"]["status"] == "ok"
    assert table[f"p7/{name}#2"]["status"] == "rejected"
    assert {row["case"] for row in table.values()} == {"p7"}
    whole = content._digest(path)
    hashes = {image: row["sha256"] for image, row in table.items()}
    assert hashes[f"p7/{name}"] == whole
    assert hashes[f"p7/{name}#2"] == frame_hash(whole, 2)
    assert len(set(hashes.values())) == 3
    # The stand-in judges by the key: each frame has the dropout passes of its own content.
    passes = FakeScorer()._passes(key_of(hashes[f"p7/{name}#3"]))
    assert float(table[f"p7/{name}#3"]["p_abnormal"]) == pytest.approx(passes.mean(), abs=1e-6)
    with (out / "cases.csv").open(newline="") as file:
        assert [row["images"] for row in csv.DictReader(file)] == ["3"]
    assert f"{name}#2" in (out / "report.html").read_text("utf-8")


def test_frames_stand_behind_their_file_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write(tmp_path / "b.tif", [Image.new("L", (9, 9), i) for i in range(11)])
    write(tmp_path / "a.png", [karyogram(0)])
    write(tmp_path / "c.png", [karyogram(0)])
    listed = names(tmp_path)
    assert listed == ["a.png", "b.tif", *(f"b.tif#{i}" for i in range(2, 12)), "c.png"]
    assert [each.name for each in discover(tmp_path, SUPPORTED_SUFFIXES).images] == [
        "a.png", "b.tif", "c.png",
    ]  # fmt: skip


def test_a_killed_run_goes_on_behind_the_frames_that_are_done(tmp_path: Path) -> None:
    write(tmp_path / "in" / "x.tif", [karyogram(i) for i in range(7)])
    unbroken, out = tmp_path / "unbroken", tmp_path / "out"
    screen(tmp_path / "in", unbroken)

    class Stopped(FakeScorer):
        def score(self, images, keys):  # type: ignore[no-untyped-def]
            if len(self.keys) >= 3:
                raise KeyboardInterrupt
            return super().score(images, keys)

    with pytest.raises(KeyboardInterrupt):
        screen(tmp_path / "in", out, Stopped())
    again = FakeScorer()
    assert screen(tmp_path / "in", out, again, resume=True).new == 4
    assert len(again.keys) == 4
    assert (out / "triage.csv").read_bytes() == (unbroken / "triage.csv").read_bytes()
    write(tmp_path / "in" / "x.tif", [karyogram(i) for i in (0, 1, 2, 3, 9)])
    assert screen(tmp_path / "in", out, resume=True).new == 5  # another file: nothing is kept
    assert len(rows(out)) == 5


def test_a_file_of_many_frames_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "in" / "x.tif", [karyogram(i) for i in range(5)])
    hashed: list[Path] = []
    digest = content._digest
    monkeypatch.setattr(content, "_digest", lambda path: (hashed.append(path), digest(path))[1])
    screen(tmp_path / "in", tmp_path / "out", workers=1)
    assert len(hashed) == 1


def test_one_bad_frame_among_good_ones_fails_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "x.tif", [karyogram(i) for i in range(3)])
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[1].tags["StripOffsets"].valueoffset
    content[place : place + 4] = struct.pack("<I", len(content) + 10**6)  # the strip of page 2
    path.write_bytes(content)
    assert screen(tmp_path / "in", tmp_path / "out").exit_status == 3
    status = {image: row["status"] for image, row in rows(tmp_path / "out").items()}
    assert status == {"x.tif": "ok", "x.tif#2": "failed", "x.tif#3": "ok"}
    assert "damaged" in rows(tmp_path / "out")["x.tif#2"]["reasons"]


def test_a_corrupt_file_is_one_failed_row(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("x.tif", "x.gif", "x.webp", "x.dcm", "x.png"):
        path = write(folder / name, [karyogram(i) for i in range(3)])
        path.write_bytes(path.read_bytes()[:150])
    (folder / "y.tif").write_bytes((folder / "x.tif").read_bytes()[:30])
    screen(folder, tmp_path / "out")
    table = rows(tmp_path / "out")
    announced = {"x.png#2", "x.png#3"}  # by a header that is whole
    assert set(table) - announced == {"x.tif", "y.tif", "x.gif", "x.webp", "x.dcm", "x.png"}
    assert all(row["status"] == "failed" and row["reasons"] for row in table.values())


def test_pages_that_cannot_be_found_are_a_failed_row_behind_the_good_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "x.tif", [karyogram(i) for i in range(2)])
    content = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages[1].offset
    (entries,) = struct.unpack_from("<H", content, last)
    end = last + 2 + 12 * entries
    path.write_bytes(content[:end] + struct.pack("<I", 10**9) + content[end + 4 :])
    screen(tmp_path / "in", tmp_path / "out")
    table = rows(tmp_path / "out")
    assert [table[name]["status"] for name in ("x.tif", "x.tif#2", "x.tif#3")] == [
        "ok", "ok", "failed",
    ]  # fmt: skip
    assert "may be missing behind 2" in table["x.tif#3"]["reasons"]


def test_a_tiff_of_400_pages_is_400_rows(tmp_path: Path) -> None:
    blank = Image.new("1", (64, 64), 255)
    write(tmp_path / "in" / "x.tif", [blank] * 400)
    screen(tmp_path / "in", tmp_path / "out")
    table = rows(tmp_path / "out")
    assert len(table) == 400 and {row["status"] for row in table.values()} == {"rejected"}
    assert len({row["sha256"] for row in table.values()}) == 400


def test_more_frames_than_any_case_has_are_refused_by_name(tmp_path: Path) -> None:
    tiny = [Image.new("L", (2, 2), i % 250) for i in range(MAX_FRAMES + 1)]
    write(tmp_path / "in" / "film.gif", tiny)
    write(tmp_path / "in" / "good.png", [karyogram(1)])
    screen(tmp_path / "in", tmp_path / "out")
    table = rows(tmp_path / "out")
    assert set(table) == {"film.gif", "good.png"}
    assert table["film.gif"]["status"] == "failed"
    assert f"more than {MAX_FRAMES} pictures" in table["film.gif"]["reasons"]


def test_a_file_named_like_a_frame_keeps_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "x.tif", [karyogram(0), Image.new("L", (480, 400), 255)])
    write(folder / "y.png", [karyogram(5)]).rename(folder / "x.tif#2")
    write(folder / "a#3.png", [karyogram(6)])
    found = discover(folder, SUPPORTED_SUFFIXES, frames=True)
    assert [each.name for each in found.images] == ["a#3.png", "x.tif", "x.tif#2 (2)", "x.tif#2"]
    assert found.notes == ("x.tif#2 is a file: picture 2 in x.tif is called x.tif#2 (2)",)
    screen(folder, tmp_path / "out")
    table = rows(tmp_path / "out")
    assert table["x.tif#2"]["status"] == "ok" and table["x.tif#2 (2)"]["status"] == "rejected"
    assert "is called x.tif#2 (2)" in (tmp_path / "out" / "report.html").read_text("utf-8")


def folder_of_odd_names(folder: Path) -> Path:
    write(folder / "slide", [karyogram(1), karyogram(2)])  # a DICOM without suffix
    for source, name in (("a.png", "scan.0001"), ("b.webp", "b.webp"), ("c.jpg", "c.image")):
        write(folder / source, [karyogram(len(name))]).rename(folder / name)
    for name in ("list.csv", "b/notes.CSV", "readme", ".DS_Store", "b/thesis.pdf", "d.bmi"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"BMI and other figures")
    write(folder / "e", [karyogram(3)]).rename(folder / "DICOMDIR")
    os.mkfifo(folder / "pipe")
    return folder


def test_content_tells_a_picture_and_what_is_none_is_named(tmp_path: Path) -> None:
    found = discover(folder_of_odd_names(tmp_path), SUPPORTED_SUFFIXES, frames=True)
    assert [each.name for each in found.images] == [
        "b.webp", "c.image", "scan.0001", "slide", "slide#2",
    ]  # fmt: skip
    assert found.ignored == 8
    assert found.left_out.kinds == {
        ".csv": 2, "without suffix": 2, ".bmi": 1, ".pdf": 1, "DICOM directory": 1, "hidden": 1,
    }  # fmt: skip
    assert found.left_out.names[:3] == ("DICOMDIR", "b/notes.CSV", "b/thesis.pdf")


def test_what_is_left_out_is_told_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = folder_of_odd_names(tmp_path / "in"), tmp_path / "out"
    summary = screen(folder, out)
    show(summary, Rule(), out)
    said = capsys.readouterr().out
    assert "Other files, not read: 8 (2 .csv, 2 without suffix, 1 .bmi, 1 .pdf, 2 of other" in said
    assert "such as DICOMDIR, b/notes.CSV" in said
    run = json.loads((out / "run.json").read_text())
    assert run["ignored_files"] == 8 and run["ignored_kinds"][".csv"] == 2
    assert "list.csv" in run["ignored_names"] and "left_out" not in run
    assert "2 without suffix" in (out / "report.html").read_text("utf-8")


def test_nothing_left_out_is_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in" / "a.png", [karyogram(1)])
    summary = screen(tmp_path / "in", tmp_path / "out")
    show(summary, Rule(), tmp_path)
    assert "Other files" not in capsys.readouterr().out
    assert str(LeftOut()) == "0"


def test_names_left_out_are_printable_and_few() -> None:
    left = LeftOut.of([(".a\n", "x\x1b.a")] + [(".csv", f"{i:03d}.csv") for i in range(100)])
    assert left.count == 101 and len(left.names) == 20
    assert all(name.isprintable() for name in left.names)


def test_a_manifest_names_frames(tmp_path: Path) -> None:
    write(tmp_path / "x.tif", [karyogram(0), karyogram(1), karyogram(2)])
    write(tmp_path / "y.png", [karyogram(3)]).rename(tmp_path / "y.tif#2")
    table = tmp_path / "list.csv"
    lines = ["x.tif,normal,p1", "x.tif#3,abnormal,p2", "y.tif#2,normal,p3"]
    table.write_text("path,label,case\n" + "\n".join(lines))
    items = read_manifest(table)
    assert [(item.id, item.path.name, item.frame) for item in items] == [
        ("x.tif", "x.tif", 1), ("x.tif#3", "x.tif", 3), ("y.tif#2", "y.tif#2", 1),
    ]  # fmt: skip
    verify(items)
    pictures = read_pictures(table)
    assert [picture.frame for picture in pictures] == [1, 3, 1]
    assert pictures[1].sha256 == frame_hash(pictures[0].sha256, 3)
    table.write_text("path,label,case\nx.tif,normal,p1\nx.tif#1,abnormal,p2")
    with pytest.raises(ManifestError, match="listed twice"):
        read_manifest(table)
    table.write_text("path,label,case\nx.tif#9,normal,p1")
    with pytest.raises(ManifestError, match="no page 9"):
        verify(read_manifest(table))


@pytest.mark.slow
def test_the_shipped_bundle_flags_the_trisomy_of_frame_2_only(tmp_path: Path) -> None:
    drawn = []
    for seed, change in ((1, sham), (2, lambda cell, rng: simulate(cell, "+21", rng))):
        rng = np.random.default_rng([2026, seed, 1])
        cell = change(draw_cell(rng, "XX"), rng)
        style = replace(clinical_style(rng), width=760, noise=0.0, jpeg=0)
        drawn.append(compose(cell, style, rng).image)
    height = max(len(page) for page in drawn)
    frames = [
        Image.fromarray(np.pad(page, ((0, height - len(page)), (0, 0)), constant_values=255))
        for page in drawn
    ]
    for name in ("x.tif", "x.gif", "x.dcm"):
        write(tmp_path / "in" / name, frames)
    assert main(["screen", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    routes = {image: row["route"] for image, row in rows(tmp_path / "out").items()}
    assert len(routes) == 6
    for image, route in routes.items():
        assert (route == "flag") == image.endswith("#2"), routes
