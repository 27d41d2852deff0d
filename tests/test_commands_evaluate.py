"""`screening evaluate`: figures with intervals, pages that agree, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from labelled_fakes import (
    KnowingScorer,
    accepted,
    parsed,
    read_rows,
    write_bundle_without_weights,
    write_labelled,
    write_rows,
)
from screening.assess import measurement
from screening.assess.evaluation import CaseRecord, PictureRecord, as_json
from screening.assess.evaluation import evaluate as measure
from screening.assess.evaluation_page import html_page, markdown_page, sections
from screening.assess.labelled import read_pictures
from screening.assess.recognise import case_hash, files_of
from screening.bundle_schema import BundleInfo, CalibrationInfo, CertificateInfo
from screening.commands import evaluate
from screening.errors import ManifestError, ScreeningError
from screening.uncertainty.calibration import Temperature, to_json

CERTIFICATE = CertificateInfo(
    recall=0.95, confidence=0.95, threshold=0.5, min_confidence=0.8, passes=20, normal=100,
    abnormal=60, patients=60, simulated=60, missed=0, low_priority=90, bound=0.951,
    method="exact binomial", date="2026-11-21T10:00:00+00:00", data_hash="ab" * 32,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelled(tmp_path_factory.mktemp("data"), 8, 7, kind="made", first=500)


@pytest.fixture
def scorer(data: Path, monkeypatch: pytest.MonkeyPatch) -> KnowingScorer:
    fake = KnowingScorer(data)
    monkeypatch.setattr("screening.assess.measurement.BundleScorer", lambda *_: fake)
    monkeypatch.setattr("screening.worklist.pipeline.inspect", accepted)
    return fake


def calibration(cases: tuple[str, ...] = ()) -> CalibrationInfo:
    rng = np.random.default_rng(0)
    scores = {
        name: {
            "normal": sorted(rng.normal(low, 0.005, 60).tolist()),
            "abnormal": sorted(rng.normal(high, 0.005, 60).tolist()),
        }
        for name, low, high in (("p_abnormal", 0.1, 0.9), ("p_std", 0.02, 0.02))
    }
    return CalibrationInfo(
        scaling=to_json(Temperature(1.5)), prevalence=0.5, scores=scores, unread=1, pictures=121,
        images=(), cases=cases,
    )  # fmt: skip


def test_pages_tables_and_figures_agree(data, scorer, tmp_path, capsys):
    bundle = write_bundle_without_weights(
        tmp_path / "bundle", certificate=CERTIFICATE, calibration=calibration()
    )
    out = tmp_path / "out"
    words = ("--bundle", bundle.folder, "--data", data, "--out", out, "--passes", 20)
    assert evaluate.run(parsed(evaluate, *words, "--prevalence", 0.03)) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    everyone = metrics["routing"][0]
    assert everyone["missed"]["successes"] == 0 and everyone["missed"]["total"] == 7
    assert everyone["low_priority"]["successes"] == 8
    assert [g["group"] for g in metrics["routing"][1:]] == [
        "stain: G", "stain: Q", "kind: sham", "kind: simulated",
    ]  # fmt: skip
    assert metrics["forced"] == [] and metrics["prevalence"] == 0.03
    assert metrics["ranking"][0] == {"group": "all", "auroc": 1.0, "cases": 15}
    assert "do not contradict" in metrics["promise"]
    assert [d["shifted"] for d in metrics["drift"]] == [False, False, False]
    page, report = ((out / name).read_text() for name in ("evaluation.html", "report.md"))
    for text in (page, report):
        assert "Earned on simulated abnormalities" in text and "Forced" not in text
        assert "7 of the abnormal cases here are simulated" in text
        assert str(everyone["flagged"]["successes"]) + "/7" in text
    assert not re.search(r'(?:src|href)="(?!data:)', page) and "<script" not in page
    assert metrics["rule"] == "votes" and "final" in read_rows(out / "pictures.csv")[0]
    assert len(read_rows(out / "pictures.csv")) == 15 == len(read_rows(out / "cases.csv"))
    assert {row["route"] for row in read_rows(out / "cases.csv")} == {"flag", "low-priority"}
    assert len(list((out / "figures").glob("*.png"))) == 4
    said = capsys.readouterr().out
    assert "7/7" in said and "Pictures known to the bundle: none; compared" in said
    assert "0 files and 0 people that calibrated it" in report
    # A second evaluation of the same pictures computes nothing anew.
    scored = scorer.scored
    assert evaluate.run(parsed(evaluate, *words, "--quiet")) == 0 and scorer.scored == scored
    assert metrics["warnings"] == [] and "does not cover" not in page
    assert evaluate.run(parsed(evaluate, *words, "--quiet", "--min-confidence", 0.6)) == 0
    assert "does not cover these settings" in (out / "evaluation.html").read_text()


def test_cases_seen_before_are_refused_or_named_on_every_page(data, scorer, tmp_path):
    bundle = write_bundle_without_weights(
        tmp_path / "bundle", calibration=calibration((case_hash("lab", "c500"),))
    )
    words = ("--bundle", bundle.folder, "--data", data, "--out", tmp_path / "out", "--quiet")
    with pytest.raises(
        ScreeningError,
        match=r"k500.png \(case c500 of lab\).* --force",
    ):
        evaluate.run(parsed(evaluate, *words))
    assert scorer.scored == 0 and not (tmp_path / "out").exists()
    assert evaluate.run(parsed(evaluate, *words, "--force", "--passes", 20)) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["forced"]
    for name in ("evaluation.html", "report.md"):
        assert "Forced: this bundle has seen some" in (tmp_path / "out" / name).read_text()
    found = metrics["recognised"]["pictures"]
    assert [(s["picture"], s["role"], s["case"]) for s in found] == [
        ("k500.png", "calibrated", "case c500 of lab")
    ]
    rows = {row["image"]: row["recognised"] for row in read_rows(tmp_path / "out" / "pictures.csv")}
    assert rows.pop("k500.png") == "calibrated: case c500 of lab" and not any(rows.values())


def test_a_person_is_known_without_source_and_a_relabelled_picture_is_refused_even_by_force(
    data, scorer, tmp_path
):
    rows = read_rows(data)
    bare = [{name: row[name] for name in ("path", "label", "case")} for row in rows]
    table = write_rows(data.with_name("bare.csv"), bare)
    files = files_of(read_pictures(data)[:1])
    shown = calibration((case_hash("lab", "c500"),)).model_copy(update=files)
    bundle = write_bundle_without_weights(
        tmp_path / "bundle", calibration=shown.model_copy(update={"sources": ("lab",)})
    )
    words = ("--bundle", bundle.folder, "--out", tmp_path / "out", "--quiet", "--data")
    with pytest.raises(ScreeningError, match=r"k500.png \(content, case c500 of lab\)"):
        evaluate.run(parsed(evaluate, *words, table))
    for change, said in (({"label": "abnormal"}, "abnormal here"), ({"case": "x"}, "case x here")):
        table = write_rows(data.with_name("changed.csv"), [bare[0] | change, *bare[1:]])
        with pytest.raises(ManifestError, match=f"k500.png: {said}"):
            evaluate.run(parsed(evaluate, *words, table, "--force"))
    assert scorer.scored == 0 and not (tmp_path / "out").exists()


def test_one_class_and_too_few_cases_are_refused(data, scorer, tmp_path):
    rows = read_rows(data)
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    for subset, words in ((rows[:8], "one kind"), (rows[6:10], "at least 5 normal")):
        few = write_rows(data.parent / "few.csv", subset)
        with pytest.raises(ManifestError, match=words):
            evaluate.run(
                parsed(
                    evaluate, "--bundle", bundle.folder, "--data", few, "--out", tmp_path / "out"
                )
            )
    assert scorer.scored == 0


def test_an_unknown_column_and_wrong_values_are_named(data, tmp_path):
    bundle = write_bundle_without_weights(tmp_path / "bundle")
    words = ("--bundle", bundle.folder, "--data", data, "--out", tmp_path / "out")
    with pytest.raises(ManifestError, match="no column weather"):
        evaluate.run(parsed(evaluate, *words, "--by", "weather"))
    with pytest.raises(ScreeningError) as caught:
        evaluate.run(
            parsed(evaluate, *words, "--prevalence", 1, "--minutes", 5, 10, "--batch-size", 0)
        )
    for name in ("--prevalence", "--minutes", "--batch-size"):
        assert name in str(caught.value)


def made(
    missed: int, abnormal: int = 100, normal: int = 100
) -> tuple[list[PictureRecord], list[CaseRecord]]:
    pictures, cases = [], []
    rng = np.random.default_rng(0)
    for i in range(abnormal + normal):
        ill = i < abnormal
        high = ill and i >= missed
        p = np.clip(rng.normal(0.95 if high else 0.05, 0.02, 20), 0, 1)
        route, lab = "flag" if high else "low-priority", {"lab": "<b>x</b>" if i % 2 else "y"}
        pictures.append(PictureRecord(str(i), str(i), str(i), ill, route, p, lab))
        cases.append(CaseRecord(str(i), str(i), ill, False, route, float(p.mean()), lab))
    return pictures, cases


def test_a_broken_promise_is_told_and_oversure_errors_counted():
    info = BundleInfo(name="b", created="x", parts={}, certificate=CERTIFICATE)
    pictures, cases = made(missed=20)
    last = np.array([[case.route == "low-priority"] for case in cases])
    found = measure(pictures, cases, last, (0.5,), info)
    parts = sections(found, info)
    assert parts[0].text[0].startswith("80 of 100 abnormal cases were not low-priority")
    assert "20 had a confidence of 0.99 or more" in parts[0].text[2]
    assert "contradict the promise" in parts[1].text[1] and "do not" not in parts[1].text[1]
    shown = next(part for part in parts if part.title == "Which confidence finds the errors")
    assert [row[1] for row in shown.rows if row[0] != "all"] == ["votes", "votes"]
    votes = next(row for row in found.selective if row.confidence == "votes")
    assert votes.oversure.value == 1 and votes.errors.successes == 20
    assert as_json(found)["here"]["recall"]["value"] == pytest.approx(0.8)
    page = html_page(parts, (("a", "<i>"),), ("warned",), {p.figure: b"" for p in parts})
    assert "<b>x</b>" not in page and "<i>" not in page and "warned" in page
    assert "**warned**" in markdown_page(parts, (), ("warned",))


def test_pictures_that_were_not_judged_count_as_cases_but_not_in_scores():
    info = BundleInfo(name="b", created="x", parts={}, calibration=calibration())
    pictures, cases = made(missed=0, abnormal=30, normal=30)
    unread = [
        PictureRecord(f"u{i}", f"u{i}", f"u{i}", i < 15, "review", np.zeros(0)) for i in range(30)
    ]
    cases += [CaseRecord(p.case, p.patient, p.abnormal, False, "review", None) for p in unread]
    last = np.array([[case.route == "low-priority"] for case in cases])
    found = measure([*pictures, *unread], cases, last, (0.5,), info)
    assert found.routing[0].missed.total == 45 and len(found.labels) == 60
    assert found.routing[0].reviewed.successes == 30
    assert [d.shifted for d in found.drift][-1]  # half could not be judged, 1 of 121 before


def test_the_calibrated_rule_is_measured_where_the_bundle_can(data, scorer, tmp_path):
    points = tuple((s, float(s < 0.5), float(s > 0.5)) for s in (0.05, 0.1, 0.2, 0.8, 0.9, 0.95))
    whole = calibration().model_copy(update={"points": points})
    bundle = write_bundle_without_weights(tmp_path / "b", rule="calibrated", calibration=whole)
    words = ("--data", data, "--out", tmp_path / "out", "--passes", 20, "--quiet")
    assert evaluate.run(parsed(evaluate, "--bundle", bundle.folder, *words)) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["rule"] == "calibrated"
    rows = read_rows(tmp_path / "out" / "pictures.csv")
    # Three patients of each kind: no answer is surer than 3/4.
    assert max(float(row["final"]) for row in rows) <= 0.75
    assert {row["route"] for row in rows} == {"flag", "review", "low-priority"}
    assert all(row["predicted"] == row["abnormal"] for row in rows)
    votes = write_bundle_without_weights(tmp_path / "v", calibration=calibration())
    with pytest.raises(ScreeningError, match="--rule calibrated expects"):
        evaluate.run(parsed(evaluate, "--bundle", votes.folder, *words, "--rule", "calibrated"))


def test_cells_pooled_from_several_people_are_nobodys():
    def case(name: str, pooled: bool) -> CaseRecord:
        return CaseRecord(name, name, False, False, "review", 0.1, pooled=pooled)

    assert measurement._patients([case("a", False), case("a", False)]) == "1"
    several = [case("a", False), case("b", True), case("c", True)]
    assert measurement._patients(several) == "1, and 2 cases pooled, nobody's"
