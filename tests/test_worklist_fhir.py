"""`screening report --fhir`: valid, nothing surer than the work list, twice the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle

from screening import words
from screening.cli import main
from screening.karyogram.locate import Located
from screening.triage.rule import Rule
from screening.worklist import pipeline
from screening.worklist.fhir import fhir_text
from screening.worklist.kept import read_run
from screening.worklist.run import Settings, screen_folder
from test_worklist_outputs import calibrated
from worklist_fakes import FakeScorer, accepted_with, write_karyograms

INFO = calibrated(0.1)


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))
    write_karyograms(tmp_path / "in", 5)
    (tmp_path / "in" / "=bad <b>\u202e.png").write_bytes(b"")
    out = tmp_path / "out"
    settings = Settings(tmp_path / "in", out, "b" * 64, "c", Rule.of(INFO), quiet=True, info=INFO)
    screen_folder(settings, FakeScorer(), None)  # type: ignore[arg-type]
    return out


def test_it_is_valid_and_says_what_the_work_list_says(out: Path) -> None:
    run = read_run(out)
    first, *others = run.lines
    run = replace(run, lines=({**first, "karyotype": "47,XX,+21"}, *others))
    text = fhir_text(run)
    assert text == fhir_text(run) and str(out) not in text and "k000.png" in text
    Bundle.model_validate_json(text)
    entries = json.loads(text)["entry"]
    by_url = {entry["fullUrl"]: entry["resource"] for entry in entries}
    assert len(by_url) == len(entries) == len(run.cases) + len(run.lines)
    seen = []
    for case in run.cases:
        report = next(
            each for each in by_url.values() if each["resourceType"] == "DiagnosticReport"
            and each["subject"]["identifier"]["value"] == case.case
        )  # fmt: skip
        assert case.summary in report["conclusion"] and case.route in report["conclusion"]
        assert words.RESEARCH_USE in report["conclusion"]
        seen += [by_url[each["reference"]] for each in report["result"]]
    assert len(seen) == len(run.lines)
    for resource in by_url.values():
        assert resource["status"] == "preliminary"  # nobody has signed it
    for cell in seen:
        row = next(
            line for line in run.lines if line["image"] == cell["component"][0]["valueString"]
        )
        assert cell.get("valueString", "") == row["karyotype"]
        assert ("dataAbsentReason" in cell) == (not row["karyotype"])
        assert cell["interpretation"] == [{"text": row["route"]}]
        assert cell["note"][0]["text"] == row["reasons"]
        numbers = {
            each["code"]["text"]: each["valueQuantity"]["value"]
            for each in cell["component"] if "valueQuantity" in each
        }  # fmt: skip
        assert bool(numbers) == (row["status"] == "ok")
        assert set(numbers.values()) <= {row[n] for n in ("p_abnormal", "p_std", "confidence")}


def test_the_command_writes_it_beside_the_outputs(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = out.parent / "fhir.json"
    assert main(["report", str(out), "--fhir", str(path), "--quiet"]) == 3
    assert Bundle.model_validate_json(path.read_text("utf-8")).type == "collection"
    assert main(["report", str(out), "--fhir", str(out / "no" / "f.json"), "--quiet"]) == 2
    assert "cannot write --fhir" in capsys.readouterr().err
