"""`screening screen`: values checked together, exit statuses, and what the user reads."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from screening.bundle_schema import BundleInfo
from screening.commands import screen
from screening.commands.scoring_arguments import check_passes
from screening.errors import ScreeningError
from shipped import FINDER, finder_files
from worklist_fakes import FakeScorer, write_karyograms


def parse(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    screen.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A stand-in for the bundle and its model; returns what the command asked it for."""
    asked: dict[str, object] = {}
    info = BundleInfo(name="fake", created="2026-01-01", parts=FINDER)
    read_part = finder_files().__getitem__
    bundle = SimpleNamespace(hash="b" * 64, info=info, read_part=read_part)

    def scorer(
        bundle: object, passes: int, seed: int, device: str, batch: int, engine: str
    ) -> FakeScorer:
        asked.update(passes=passes, seed=seed, device=device, engine=engine)
        return FakeScorer(passes)

    monkeypatch.setattr("screening.bundle.load_bundle", lambda folder: bundle)
    monkeypatch.setattr("screening.worklist.scorer.BundleScorer", scorer)
    return asked


def test_every_wrong_value_is_named_at_once() -> None:
    words = "in --out o --passes 0 --min-confidence 0.4 --batch-size -1 --workers 0 --seed -1"
    with pytest.raises(ScreeningError) as caught:
        screen.run(parse(*words.split(), "--device", "tpu"))
    assert caught.value.exit_status == 2
    for name in ("--passes", "--min-confidence", "--batch-size", "--workers", "--seed", "--device"):
        assert name in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "inf", "1.01", "0.49"])
def test_confidence_outside_its_range_is_refused(value: str) -> None:
    with pytest.raises(ScreeningError, match="0.5 to 1"):
        check_passes(parse("in", "--out", "o", "--min-confidence", value))


@pytest.mark.parametrize("device", ["auto", "cpu", "gpu", "gpu:1"])
def test_devices_and_limits_that_are_fine(device: str) -> None:
    check_passes(parse("in", "--out", "o", "--device", device, "--min-confidence", 1))
    check_passes(parse("in", "--out", "o", "--min-confidence", 0.5, "--passes", 1))


def test_resume_and_overwrite_exclude_each_other() -> None:
    with pytest.raises(SystemExit):
        parse("in", "--out", "o", "--resume", "--overwrite")


def test_a_run_ends_with_counts_the_page_and_the_research_line(
    fake_model: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_karyograms(tmp_path / "in", 4)
    status = screen.run(parse(tmp_path / "in", "--out", tmp_path / "out", "--passes", 9))
    assert status == 0
    assert fake_model == {"passes": 9, "seed": 0, "device": "auto", "engine": "auto"}
    text = capsys.readouterr().out
    assert str(tmp_path / "out" / "report.html") in text
    assert "Research use only" in text and "low-priority" in text


def test_a_run_ends_with_dicom_files_when_asked(
    fake_model: dict[str, object], tmp_path: Path
) -> None:
    pytest.importorskip("highdicom", reason="needs highdicom (extra dicom-out)")
    write_karyograms(tmp_path / "in", 2)
    screen.run(parse(tmp_path / "in", "--out", tmp_path / "out", "--quiet", "--dicom"))
    assert len(list((tmp_path / "out" / "dicom").glob("*.sr.dcm"))) == 2
    with pytest.raises(SystemExit):
        parse("in", "--out", "o", "--dicom", "--dicom-identified")


def test_quiet_prints_nothing_and_bad_pictures_make_status_3(
    fake_model: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_karyograms(tmp_path / "in", 2)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    assert screen.run(parse(tmp_path / "in", "--out", tmp_path / "out", "--quiet")) == 3
    assert capsys.readouterr() == ("", "")


def test_nothing_to_screen_is_status_1_and_creates_nothing(
    fake_model: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(ScreeningError, match="nothing to screen") as caught:
        screen.run(parse(tmp_path / "in", "--out", tmp_path / "out"))
    assert caught.value.exit_status == 1
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_is_refused(fake_model: dict[str, object], tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 1)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ScreeningError, match="is a file"):
        screen.run(parse(tmp_path / "in", "--out", tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


def test_an_interruption_says_how_to_go_on(
    fake_model: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_karyograms(tmp_path / "in", 1)

    def interrupt(self: object, images: object, keys: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FakeScorer, "score", interrupt)
        with pytest.raises(ScreeningError, match="--resume") as caught:
            screen.run(parse(tmp_path / "in", "--out", tmp_path / "out"))
    assert caught.value.exit_status == 130
    assert screen.run(parse(tmp_path / "in", "--out", tmp_path / "out", "--resume")) == 0


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, screening.commands.screen as s, argparse\n"
        "s.add_arguments(argparse.ArgumentParser())\n"
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'numpy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
