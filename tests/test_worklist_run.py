"""The main job with a stand-in for the model: outputs, order, bad input, resuming, limits."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from screening.errors import ScreeningError
from screening.karyogram.gate import inspect
from screening.karyogram.locate import Located
from screening.triage.rule import Rule
from screening.worklist import pipeline, progress
from screening.worklist.content import key_of
from screening.worklist.ledger import FILE_NAME, Ledger, LedgerError
from screening.worklist.outputs import OUTPUT_NAMES
from screening.worklist.pipeline import OutOfMemory
from screening.worklist.rows import TRIAGE_COLUMNS
from screening.worklist.run import Settings, Summary, screen_folder
from shipped import locator
from test_worklist_outputs import calibrated
from worklist_fakes import FakeScorer, accepted_with, write_karyograms

TESTS = Path(__file__).parent


def settings(folder: Path, out: Path, **changes: object) -> Settings:
    values = {"bundle_hash": "b" * 64, "bundle_name": "fake", "quiet": True, "batch_size": 3}
    return Settings(folder=folder, out=out, **(values | changes))


def screen(folder: Path, out: Path, scorer: FakeScorer | None = None, **changes: object) -> Summary:
    return screen_folder(settings(folder, out, **changes), scorer or FakeScorer(), locator())


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "triage.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", autouse=True)
def gate() -> Iterator[None]:
    """Every page is in order: what the gate finds has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "inspect", accepted_with(Located(())))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("karyograms")
    write_karyograms(folder, 16)
    return folder


@pytest.fixture(scope="module")
def unbroken(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    summary = screen(folder, out)
    assert summary.exit_status == 0, rows(out)
    return out


def test_every_output_is_there_and_agrees(folder: Path, unbroken: Path) -> None:
    table = rows(unbroken)
    assert tuple(table[0]) == TRIAGE_COLUMNS
    assert {row["image"] for row in table} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png")
    }
    twins = [json.loads(line) for line in (unbroken / "triage.jsonl").read_text().splitlines()]
    assert [twin["image"] for twin in twins] == [row["image"] for row in table]
    assert [f"{twin['p_abnormal']:.6f}" for twin in twins] == [row["p_abnormal"] for row in table]
    run = json.loads((unbroken / "run.json").read_text())
    assert run["images"] == 16 and run["new"] == 16 and run["status"] == {"ok": 16}
    assert sum(run["route"].values()) == 16
    assert run["bundle_hash"] == "b" * 64 and run["device"] == "fake"
    page = (unbroken / "report.html").read_text()
    assert all(row["image"] in page for row in table)
    with (unbroken / "cases.csv").open(newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == {row["case"] for row in table}
    assert {path.name for path in unbroken.iterdir()} == {*OUTPUT_NAMES, FILE_NAME}


def test_numbers_follow_from_the_passes(unbroken: Path) -> None:
    for row in rows(unbroken):
        p = FakeScorer()._passes(key_of(row["sha256"]))
        assert float(row["p_abnormal"]) == pytest.approx(p.mean(), abs=1e-6)
        assert float(row["p_std"]) == pytest.approx(p.std(), abs=1e-6)
        share = np.mean(p > 0.5)
        assert float(row["votes"]) == pytest.approx(max(share, 1 - share), abs=1e-6)
        assert row["passes"] == "20"
        if float(row["confidence"]) < 0.8:
            assert row["route"] == "review"


def of_size(png: bytes, width: int, height: int) -> bytes:
    """The PNG with another size in its header, which is all that announces a bomb."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def test_bad_pictures_get_a_reason_and_the_rest_is_screened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "inspect", inspect)
    pictures = tmp_path / "in"
    good = sorted(folder.rglob("*.png"))[0].read_bytes()
    (pictures / "dir.png").mkdir(parents=True)
    (pictures / "good.png").write_bytes(good)
    (pictures / ("Ż" * 100 + ".png")).write_bytes(good)
    (pictures / "=cmd.png").write_bytes(good)
    (pictures / "zero.png").write_bytes(b"")
    (pictures / "cut.png").write_bytes(good[: len(good) // 2])
    (pictures / "text.png").write_bytes(b"not a picture")
    (pictures / "broken.png").symlink_to("nowhere.png")
    Image.new("L", (1, 1)).save(pictures / "dot.png")
    Image.new("L", (400, 300), 255).save(pictures / "blank.png")
    (pictures / "bomb.png").write_bytes(of_size(good, 30_000, 30_000))
    (pictures / "list.csv").write_text("x")
    out = tmp_path / "out"
    assert screen(pictures, out).exit_status == 3
    table = {row["image"]: row for row in rows(out)}
    bad = {"dir.png", "zero.png", "cut.png", "text.png", "broken.png", "dot.png", "bomb.png"}
    assert {name for name, row in table.items() if row["status"] == "failed"} == bad
    assert "more than the limit of 100 million" in table["bomb.png"]["reasons"]
    assert table["blank.png"]["status"] == "rejected"
    assert table["good.png"]["status"] == table["'=cmd.png"]["status"] == "ok"
    assert len(table) == len(bad) + 4
    for row in table.values():
        if row["status"] != "ok":
            assert row["route"] == "review" and row["reasons"]
            assert row["prediction"] == row["p_abnormal"] == row["confidence"] == ""
    run = json.loads((out / "run.json").read_text())
    assert run["ignored_files"] == 1
    assert {failure["image"] for failure in run["failures"]} == bad | {"blank.png"}


def test_all_unreadable_is_exit_status_1_with_outputs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.png").write_bytes(b"")
    assert screen(tmp_path / "in", tmp_path / "out").exit_status == 1
    assert (tmp_path / "out" / "report.html").exists()


def test_batches_and_workers_do_not_change_the_result(
    folder: Path, unbroken: Path, tmp_path: Path
) -> None:
    screen(folder, tmp_path, batch_size=7, workers=5)
    assert (tmp_path / "triage.csv").read_bytes() == (unbroken / "triage.csv").read_bytes()


def test_out_inside_the_folder_is_not_screened(folder: Path, tmp_path: Path) -> None:
    write_karyograms(tmp_path, 3)
    out = tmp_path / "results"
    out.mkdir()
    (out / "figure.png").write_bytes(b"")
    assert screen(tmp_path, out).exit_status == 0
    assert len(rows(out)) == 3


def test_earlier_results_are_not_lost_by_accident(folder: Path, tmp_path: Path) -> None:
    screen(folder, tmp_path)
    before = (tmp_path / "triage.csv").read_bytes()
    with pytest.raises(ScreeningError, match="--resume.*--overwrite"):
        screen(folder, tmp_path)
    again = FakeScorer()
    assert screen(folder, tmp_path, again, resume=True).new == 0 and again.batches == []
    assert (tmp_path / "triage.csv").read_bytes() == before
    assert screen(folder, tmp_path, overwrite=True).new == 16
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(ScreeningError, match="no ledger"):
        screen(folder, tmp_path, resume=True)


def test_resume_takes_only_what_is_equal(tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    paths = write_karyograms(pictures, 6)
    screen(pictures, out)
    paths[0].write_bytes(paths[1].read_bytes())  # same name, other content
    paths[2].unlink()
    assert screen(pictures, out, resume=True).new == 1
    assert len(rows(out)) == 5
    assert screen(pictures, out, resume=True, seed=1).new == 5
    assert screen(pictures, out, resume=True, bundle_hash="c" * 64).new == 5
    assert screen(pictures, out, FakeScorer(passes=7), resume=True).new == 5
    assert screen(pictures, out, resume=True).new == 0


def test_another_min_confidence_routes_anew_without_the_model(tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 12)
    before = screen(tmp_path / "in", tmp_path / "out", rule=Rule(min_confidence=0.5))
    after = screen(tmp_path / "in", tmp_path / "out", rule=Rule(min_confidence=1.0), resume=True)
    assert after.new == 0
    assert after.routes.get("review", 0) > before.routes.get("review", 0)


def test_a_failed_picture_is_tried_again(tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    paths = write_karyograms(pictures, 2)
    content = paths[0].read_bytes()
    paths[0].unlink()
    paths[0].symlink_to("away.png")
    assert screen(pictures, out).exit_status == 3
    paths[0].unlink()
    paths[0].write_bytes(content)
    assert screen(pictures, out, resume=True).exit_status == 0


def test_a_damaged_ledger_is_named_and_can_be_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"junk" * 1000)
    with pytest.raises(LedgerError, match="damaged.*--resume keeps it.*--overwrite"):
        screen(folder, tmp_path)
    assert screen(folder, tmp_path, overwrite=True).exit_status == 0


def test_resume_keeps_a_damaged_ledger_and_makes_every_result_anew(
    folder: Path, unbroken: Path, tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"junk" * 1000)
    summary = screen(folder, tmp_path, resume=True)
    assert summary.new == 16
    (warning,) = summary.warnings
    assert "ledger.damaged-1.sqlite" in warning
    assert (tmp_path / "ledger.damaged-1.sqlite").read_bytes() == b"junk" * 1000
    assert warning in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "triage.csv").read_bytes() == (unbroken / "triage.csv").read_bytes()
    assert screen(folder, tmp_path, resume=True).warnings == ()


def test_a_folder_that_is_deleted_under_a_run_is_told(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    class Deleting(FakeScorer):
        def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[np.ndarray]:
            shutil.rmtree(out, ignore_errors=True)
            return super().score(images, keys)

    with pytest.raises(ScreeningError, match="moved or deleted"):
        screen(folder, out, Deleting())
    assert screen(folder, out).exit_status == 0


def test_names_and_their_order_do_not_change_a_picture(
    folder: Path, unbroken: Path, tmp_path: Path
) -> None:
    """The same contents under names in the opposite order, half of them in an earlier run."""
    paths = sorted(folder.rglob("*.png"))
    other = tmp_path / "in"
    other.mkdir()

    def copy(some: Sequence[Path]) -> None:
        for path in some:
            (other / f"{len(paths) - paths.index(path):03d}.png").write_bytes(path.read_bytes())

    copy(paths[::2])
    screen(other, tmp_path / "out", batch_size=1, workers=1)
    copy(paths[1::2])
    assert screen(other, tmp_path / "out", batch_size=5, workers=4, resume=True).new == 8

    def by_content(out: Path) -> dict[str, dict[str, str]]:
        named = ("image", "case")
        return {
            row["sha256"]: {name: value for name, value in row.items() if name not in named}
            for row in rows(out)
        }

    assert by_content(tmp_path / "out") == by_content(unbroken)


def test_out_of_memory_keeps_what_is_done_and_says_what_to_try(
    folder: Path, unbroken: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutOfMemory, match="--batch-size 2") as caught:
        screen(folder, tmp_path, FakeScorer(fail_above=3), batch_size=4)
    assert caught.value.exit_status == 1
    small = FakeScorer(fail_above=3)
    assert screen(folder, tmp_path, small, batch_size=2).exit_status == 0
    assert (tmp_path / "triage.csv").read_bytes() == (unbroken / "triage.csv").read_bytes()


KILLED = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from worklist_fakes import FakeScorer, accepted_with
from screening.karyogram.locate import Located
from screening.worklist import pipeline
from screening.worklist.run import Settings, screen_folder
pipeline.inspect = accepted_with(Located(()))
settings = Settings(folder=Path(sys.argv[1]), out=Path(sys.argv[2]), bundle_hash="b" * 64,
                    bundle_name="fake", quiet=True, batch_size=3, resume=True)
for seconds in map(float, sys.argv[4:]):
    child = os.fork()
    if not child:
        screen_folder(settings, FakeScorer(delay=0.1), None)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    print(os.WIFSIGNALED(os.waitpid(child, 0)[1]))
"""


def test_killed_at_any_moment_and_resumed_equals_an_unbroken_run(
    folder: Path, unbroken: Path, tmp_path: Path
) -> None:
    rng = random.Random(7)
    moments = [str(rng.uniform(0.01, 0.35)) for _ in range(6)]
    command = [sys.executable, "-c", KILLED, str(folder), str(tmp_path), str(TESTS), *moments]
    killed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert killed.count("True") >= 3
    screen(folder, tmp_path, resume=True)
    for name in ("triage.csv", "triage.jsonl", "cases.csv"):
        assert (tmp_path / name).read_bytes() == (unbroken / name).read_bytes()


def test_two_runs_on_one_output_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    with Ledger(tmp_path / FILE_NAME, "b", "o"):
        with pytest.raises(LedgerError, match="another run"):
            screen(folder, tmp_path, resume=True)
        with pytest.raises(LedgerError, match="another run"):
            screen(folder, tmp_path, overwrite=True)


class Low(FakeScorer):
    """Every picture looks alike: p(abnormal) 0.1."""

    def _passes(self, key: int) -> np.ndarray:
        return np.random.default_rng(key).normal(0.1, 0.01, self.passes).astype(np.float32)


def test_the_bundles_promise_and_what_speaks_against_it_stand_in_the_outputs(
    folder: Path, tmp_path: Path
) -> None:
    info = calibrated(0.1)
    summary = screen(folder, tmp_path / "a", Low(), info=info, rule=Rule.of(info))
    page, run = ((tmp_path / "a" / name).read_text() for name in ("report.html", "run.json"))
    record = json.loads(run)
    assert summary.warnings == () and 'class="warning"' not in page
    assert record["certificate"] in page.replace("&#39;", "'")
    assert record["rule"]["name"] == "calibrated"
    assert "by the calibration cases with such scores" in page
    assert {r["prediction"] for r in rows(tmp_path / "a")} == {"normal"}
    for row in rows(tmp_path / "a"):
        assert 0.9 < float(row["confidence"]) < 0.99 < float(row["votes"])
    info = calibrated(0.4)
    rule = Rule.of(info, min_confidence=0.6)
    summary = screen(folder, tmp_path / "b", Low(), info=info, rule=rule)
    page, run = ((tmp_path / "b" / name).read_text() for name in ("report.html", "run.json"))
    assert json.loads(run)["warnings"] == list(summary.warnings)
    assert len(summary.warnings) == page.count('class="warning"') == 2


@pytest.mark.parametrize(
    ("terminal", "quiet", "shown"),
    [(True, False, "3/3"), (False, False, "3 of 3 pictures"), (True, True, ""), (False, True, "")],
)
def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(
    terminal: bool, quiet: bool, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, color_system=None, width=80)
    monkeypatch.setattr(progress, "Console", lambda file: console)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    with progress.RunProgress(3, quiet) as shown_progress:
        for _ in range(3):
            shown_progress.advance(1)
    assert shown in text.getvalue() if shown else not text.getvalue()


def test_the_time_left_is_told_by_what_came_after_the_first_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text, now = io.StringIO(), [0.0]
    console = Console(file=text, force_terminal=False, color_system=None, width=80)
    monkeypatch.setattr(progress, "Console", lambda file: console)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.RunProgress(100, False) as shown_progress:
        for at in (600.0, 660.0):  # ten minutes until the first, a minute for the second
            now[0] = at
            shown_progress.advance(1)
    assert text.getvalue().splitlines() == [
        "1 of 100 pictures", "2 of 100 pictures, about 98 min left",
    ]  # fmt: skip
