"""`--dicom`: valid, of nobody unless asked, nothing surer than the work list, twice the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.uid import MultiFrameGrayscaleByteSecondaryCaptureImageStorage as MULTI_FRAME
from pydicom.uid import SecondaryCaptureImageStorage

from pictures import reading
from screening import words
from screening.cli import main
from screening.errors import ScreeningError
from screening.evidence import witness
from screening.karyogram.locate import Located
from screening.record import Seen
from screening.triage.rule import Rule
from screening.worklist import dicom, pipeline
from screening.worklist.chromosome_files import picture_folder
from screening.worklist.dicom import DicomNotWritten, write_dicom
from screening.worklist.dicom_subject import case_subject
from screening.worklist.kept import KeptRun, read_run
from screening.worklist.reader import ReadCell
from screening.worklist.run import Settings, screen_folder
from test_images_dicom import write
from test_worklist_outputs import calibrated
from worklist_fakes import FakeReader, FakeScorer, accepted_with, karyogram

CHECKER = shutil.which("dciodvfy")
INFO = calibrated(0.1)
STUDY, SERIES, PICTURE = (f"1.2.826.0.1.3680043.8.498.7{n}" for n in range(3))
WHO = {
    "SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Jürgen",
    "PatientID": "ID-4711-0815",
    "PatientBirthDate": "19700101", "PatientSex": "F", "AccessionNumber": "ACC-9",
    "StudyInstanceUID": STUDY, "StudyDate": "20260102", "StudyTime": "101112", "StudyID": "STUDY-8",
    "SeriesInstanceUID": SERIES, "SOPInstanceUID": PICTURE, "OtherPatientIDs": "ELSEWHERE-1",
    "SOPClassUID": SecondaryCaptureImageStorage, "ReferringPhysicianName": "Arzt^Eva",
}  # fmt: skip
SECRETS = (
    "Müller",
    "4711-0815",
    "19700101",
    "ACC-9",
    "STUDY-8",
    "Arzt",
    "ELSEWHERE",
    STUDY,
    SERIES,
    PICTURE,
)
LONG, ODD = "ö" * 70, " é <b>"
PRINTED = (300, 2, 420, 12)  # what is printed on the page, x0, y0, x1, y1
CASES = ("known", "multi", "nostudy", "odd sex", LONG, "plain", ODD)


def page(seed: int) -> np.ndarray:
    picture = karyogram(seed)
    ImageDraw.Draw(picture).rectangle(PRINTED, fill=0)
    return np.asarray(picture)


def read_cell() -> ReadCell:
    """A cell with a third 21, its boxes over the lower rows of `karyogram`."""
    read = reading("+21")
    boxes = [(10 + i % 12 * 38, 110 + i // 12 * 70, 20, 50) for i in range(len(read.chromosomes))]
    seen = [
        replace(one, seen=Seen((), None, box, 0, 0, 9))
        for one, box in zip(read.chromosomes, boxes, strict=True)
    ]
    return ReadCell(replace(read, chromosomes=tuple(seen)), witness.Testimony({"count": 0.0}), ())


def screened(folder: Path, out: Path) -> KeptRun:
    settings = Settings(folder, out, "b" * 64, "c", Rule.of(INFO), quiet=True, info=INFO)
    screen_folder(settings, FakeScorer(), None, FakeReader(read_cell()))  # type: ignore[arg-type]
    return read_run(out)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptRun:
    pytest.importorskip("highdicom", reason="needs highdicom (extra dicom-out)")
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))
    monkeypatch.setattr(pipeline, "noteworthy", lambda *given: ())
    folder = tmp_path / "in"
    for case in CASES:
        (folder / case).mkdir(parents=True)
    write(folder / "known" / "k.dcm", page(1), **WHO)
    frames = np.stack([page(2), page(3)])
    several = WHO | {"NumberOfFrames": 2, "SOPInstanceUID": PICTURE + "1"}
    write(folder / "multi" / "m.dcm", frames, **several | {"SOPClassUID": MULTI_FRAME})
    no_study = {key: value for key, value in WHO.items() if key != "StudyInstanceUID"}
    write(folder / "nostudy" / "n.dcm", page(4), **no_study)
    odd = WHO | {"PatientSex": "female", "SOPInstanceUID": PICTURE + "2", "PatientName": "Li"}
    with pydicom.config.disable_value_validation():
        write(folder / "odd sex" / "o.dcm", page(5), **odd | {"StudyDate": "20261399"})
    write(folder / LONG / ("l" * 200 + ".dcm"), page(6))
    Image.fromarray(page(7)).save(folder / "plain" / "p.png")
    Image.fromarray(page(8)).save(folder / ODD / "é <b>.png")
    (folder / "plain" / "=bad \u202e.png").write_bytes(b"")
    return screened(folder, tmp_path / "out")


def files(run: KeptRun) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.out / "dicom").iterdir()}


def made(run: KeptRun, image: str) -> list[pydicom.Dataset]:
    """The report of a picture, then its karyogram."""
    place = picture_folder(run.out / "dicom", image)
    found = [place.with_name(f"{place.name}.{kind}.dcm") for kind in ("sr", "sc")]
    return [pydicom.dcmread(path) for path in found if path.exists()]


def said(report: pydicom.Dataset) -> dict[str, list[object]]:
    """What a report contains by its codes."""
    found: dict[str, list[object]] = {}
    for item in report.ContentSequence:
        value = {
            "TEXT": lambda item: item.TextValue,
            "NUM": lambda item: float(item.MeasuredValueSequence[0].NumericValue),
            "IMAGE": lambda item: item.ReferencedSOPSequence[0],
            "CODE": lambda item: item.ConceptCodeSequence[0].CodeMeaning,
            "UIDREF": lambda item: item.UID,
        }[item.ValueType](item)
        found.setdefault(item.ConceptNameCodeSequence[0].CodeValue, []).append(value)
    return found


def test_reports_say_what_the_work_list_says_and_are_not_signed(run: KeptRun) -> None:
    assert write_dicom(run) == ()
    assert len(files(run)) == 2 * len(run.lines) - 1  # the one that failed shows no karyogram
    for number, line in enumerate(run.lines, start=1):
        report, *image = made(run, line["image"])
        assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
        told = said(report)
        assert told["NOTICE"] == [words.RESEARCH_USE] and "a person" in words.RESEARCH_USE
        assert told["ROUTE"] == [line["route"]] and told["STATE"] == [line["status"]]
        assert "; ".join(map(str, told["REASON"])) == line["reasons"]
        assert told["PICTURE"] == [line["image"]]
        assert [line["karyotype"]] == told.get("29770-5", [""])
        case = next(case for case in run.cases if case.case == line["case"])
        assert case.summary in str(told["CASE"][0])
        verdict = run.pictures([line["image"]])[0].picture.judged
        ends = (*told.get("P_LOW", ()), *told.get("P_HIGH", ()))
        assert ends == pytest.approx(verdict.interval or ())
        assert report.InstanceNumber == number
        if line["status"] == "ok":
            assert told["P_ABNORMAL"] == [line["p_abnormal"]] and told["CHROMOSOMES"] == [47]
            assert told["121200"][0].ReferencedSOPInstanceUID == image[0].SOPInstanceUID
        else:
            assert not image and "P_ABNORMAL" not in told
            assert "CurrentRequestedProcedureEvidenceSequence" not in report


def test_nothing_of_a_header_goes_out_unasked(run: KeptRun) -> None:
    write_dicom(run)
    for content in files(run).values():
        assert not [secret for secret in SECRETS if secret.encode() in content]
    for line in run.lines:
        for one in made(run, line["image"]):
            assert one.PatientName == "" and one.PatientBirthDate == "" and one.StudyDate == ""
            assert one.PatientID == line["case"] or line["case"] not in CASES[:4]
    _, image = made(run, "known/k.dcm")
    assert is_printed(image) is False


def is_printed(image: pydicom.Dataset) -> bool:
    """Whether what is printed on the page is in the picture; the page's width is 480 of 640."""
    bars = image.pixel_array[:, 80 + PRINTED[0] : 80 + PRINTED[2]].max(axis=(1, 2)) == 0
    return bool(bars.any())


def test_what_came_as_dicom_stays_with_its_patient_when_asked(run: KeptRun) -> None:
    assert write_dicom(run, identified=True) == ()
    for one in made(run, "known/k.dcm"):
        for name in ("PatientName", "PatientID", "PatientSex", "StudyInstanceUID", "StudyDate",
                     "AccessionNumber", "StudyID", "ReferringPhysicianName"):  # fmt: skip
            assert one[name].value == WHO[name], name
        assert one.SeriesInstanceUID != SERIES and "OtherPatientIDs" not in one
    report, image = made(run, "known/k.dcm")
    assert is_printed(image) and image.SourceImageSequence[0].ReferencedSOPInstanceUID == PICTURE
    assert said(report)["121112"][0].ReferencedSOPInstanceUID == PICTURE
    assert "ReferencedFrameNumber" not in said(report)["121112"][0]
    named = {
        each.ReferencedSOPInstanceUID
        for series in report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        for each in series.ReferencedSOPSequence
    }
    assert named == {PICTURE, image.SOPInstanceUID}
    for frame, name in ((1, "multi/m.dcm"), (2, "multi/m.dcm#2")):
        report, image = made(run, name)
        assert said(report)["121112"][0].ReferencedFrameNumber == frame
        assert image.SourceImageSequence[0].ReferencedFrameNumber == frame
    odd = made(run, "odd sex/o.dcm")[0]  # what is no value of its kind is left out
    assert (odd.PatientSex, odd.StudyDate, odd.PatientID) == ("", "", "ID-4711-0815")
    for name in ("nostudy/n.dcm", "plain/p.png"):  # in no study, and of no patient: as unasked
        report, image = made(run, name)
        assert report.PatientID == name.partition("/")[0] and not is_printed(image)
        assert "121112" not in said(report)


def test_names_that_an_identifier_cannot_hold_are_told_apart(run: KeptRun) -> None:
    write_dicom(run)
    named = {
        line["case"]: str(made(run, line["image"])[0].PatientID)
        for line in run.lines
    }  # fmt: skip
    assert len(set(named.values())) == len(named)
    assert named["plain"] == "plain" and named[ODD].startswith("é <b>-")
    assert named[LONG].startswith("ö" * 26 + "-") and len(named[LONG].encode()) <= 64
    assert case_subject(run, "a\\b").PatientID[:4] == "a/b-" != case_subject(run, "a/b").PatientID
    assert case_subject(run, "").PatientID == ""
    studies = {made(run, line["image"])[0].StudyInstanceUID for line in run.lines}
    assert len(studies) == len(run.cases)


@pytest.mark.parametrize("identified", [False, True])
def test_the_same_run_gives_the_same_bytes_and_other_results_other_uids(
    identified: bool, run: KeptRun
) -> None:
    write_dicom(run, identified)
    first, before = files(run), made(run, "known/k.dcm")
    assert write_dicom(read_run(run.out), identified) == () and files(run) == first
    lines = [line | {"karyotype": "45,X"} for line in run.lines]
    write_dicom(replace(run, lines=tuple(lines)), identified)
    for one, other in zip(made(run, "known/k.dcm"), before, strict=True):
        assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
        assert one.SOPInstanceUID != other.SOPInstanceUID
        assert one.SeriesInstanceUID == other.SeriesInstanceUID


@pytest.mark.skipif(CHECKER is None, reason="needs dciodvfy (Debian: dicom3tools), found none")
@pytest.mark.parametrize("identified", [False, True])
def test_a_checker_of_the_standard_finds_no_error(identified: bool, run: KeptRun) -> None:
    write_dicom(run, identified)
    allowed = ("build DICOMDIR", "99SCREENING", "attribute <Laterality>", "= <Li> - Retired Person")
    for path in (run.out / "dicom").iterdir():
        done = subprocess.run([str(CHECKER), path], capture_output=True, text=True, check=False)
        told = (done.stdout + done.stderr).splitlines()
        assert not [each for each in told if each.startswith("Error")], path.name
        odd = [each for each in told if each.startswith("Warning")]
        assert not [each for each in odd if not any(known in each for known in allowed)]


def test_pictures_that_are_gone_are_told_and_reported_without(run: KeptRun) -> None:
    (run.folder / "known" / "k.dcm").unlink()
    (run.folder / "plain" / "p.png").write_bytes(b"another")
    (told,) = write_dicom(run, identified=True)
    assert "2 pictures" in told and "known/k.dcm" in told and "plain/p.png" in told
    (report,) = made(run, "known/k.dcm")
    assert report.PatientID == "known" and said(report)["PICTURE"] == ["known/k.dcm"]
    assert len(made(run, "odd sex/o.dcm")) == 2


def test_a_full_disk_leaves_the_earlier_files(
    run: KeptRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dicom(run)
    before, drawn = files(run), dicom.boxed

    def full(*args: object, **more: object) -> np.ndarray:
        if next(left):
            raise OSError(28, "No space left on device")
        return drawn(*args, **more)  # type: ignore[arg-type]

    left = iter([False, False, True])
    monkeypatch.setattr(dicom, "boxed", full)
    with pytest.raises(DicomNotWritten, match="No space left.*report` with --dicom"):
        write_dicom(run)
    assert files(run) == before
    assert not list(run.out.glob(".*dicom*"))


def test_the_command_writes_them_and_says_what_is_missing(
    run: KeptRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run.out), "--dicom"]) == 3
    assert "DICOM" not in capsys.readouterr().out and len(files(run)) > 10
    (run.folder / "known" / "k.dcm").unlink()
    assert main(["report", str(run.out), "--dicom-identified"]) == 3
    assert "1 picture are without" in capsys.readouterr().out
    assert str(made(run, "multi/m.dcm")[0].PatientID) == "ID-4711-0815"
    kinds = json.loads((run.out / "run.json").read_text("utf-8"))["status"]
    assert kinds == {"ok": 8, "failed": 1}


def test_they_are_no_pictures_of_a_run_around_them(run: KeptRun, tmp_path: Path) -> None:
    shutil.copytree(run.out, run.folder / "first")
    write_dicom(replace(run, out=run.folder / "first"))
    around = screened(run.folder, tmp_path / "second")
    assert {line["image"] for line in around.lines} == {line["image"] for line in run.lines}
    assert any("first/dicom/ holds DICOM files" in note for note in around.told["notes"])


def test_without_the_package_a_sentence_comes_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dicom, "find_spec", lambda name: None)
    commands: Sequence[Sequence[str]] = (
        ("screen", str(tmp_path), "--out", str(tmp_path / "o")), ("report", str(tmp_path)),
    )  # fmt: skip
    for command in commands:
        assert main([*command, "--dicom"]) == 1
        assert "pip install '.[dicom-out]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    with pytest.raises(ScreeningError, match="highdicom"):
        dicom.check_installed()
