"""`screening build`: refused before it begins, and a trial from nothing to a working bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from screening.assess.labelled import read_pictures
from screening.assess.recognise import recognise
from screening.bundle import load_bundle
from screening.cli import main

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "default_bundle.yaml"


def test_without_data_only_a_trial_is_built(tmp_path, capsys):
    assert main(["build", str(CONFIG), "--out", str(tmp_path / "run")]) == 2
    assert "expected --data FOLDER" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_data_without_the_sources_of_the_settings_is_refused(tmp_path, capsys):
    pytest.importorskip("onnx")
    from screening.build.config import DrawnConfig
    from screening.build.data import draw_data

    data = draw_data(tmp_path / "data", DrawnConfig(cases=8, abnormal=0, left_out=0))
    status = main(["build", str(CONFIG), "--data", str(data), "--out", str(tmp_path / "run")])
    said = capsys.readouterr().err
    assert status == 2 and "drawn is in the data and in neither list" in said
    assert "xihu is not in the data" in said and not list((tmp_path / "run").glob("0*"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_trial_builds_a_bundle_that_screens_and_is_not_built_twice(tmp_path, capsys):
    pytest.importorskip("onnx")
    run, out = tmp_path / "run", tmp_path / "out"
    words = ["build", str(CONFIG), "--smoke", "--out", str(run), "--workers", "2"]
    assert main([*words, "--until", "split", "--quiet"]) == 0
    assert not (run / "bundle").exists()
    assert main(words) == 0
    bundle = load_bundle(run / "bundle")
    made = {"segmenter", "arbiter", "screener", "classifier", "structure"}
    assert made == set(bundle.info.parts)
    assert bundle.info.fusion is not None and bundle.info.certificate is not None
    taught = read_pictures(next(run.glob("*-pages")) / "validation" / "manifest.csv")
    assert {s.content for s in recognise(bundle.info, taught)} == {True}
    assert "drawn elsewhere" not in bundle.info.data["sources"] and bundle.info.trial_warning
    made = {path: path.stat().st_mtime_ns for path in run.glob("*/DONE")}
    capsys.readouterr()
    assert main([*words, "--quiet"]) == 0
    assert {path: path.stat().st_mtime_ns for path in run.glob("*/DONE")} == made
    assert main(["doctor", "--bundle", str(run / "bundle")]) == 0
    pages = ROOT / "screening" / "demo" / "karyograms"
    words = ["--bundle", str(run / "bundle"), "--passes", "10", "--out", str(out), "--quiet"]
    assert main(["screen", str(pages), *words]) == 3, "two demo files are no karyograms, one broken"
    lines = (out / "triage.csv").read_text("utf-8").splitlines()
    assert sum(",ok," in line for line in lines) >= 8
