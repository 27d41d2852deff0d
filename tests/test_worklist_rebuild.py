"""`screening report`: the outputs of a run written again from its ledger alone."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from screening.cli import main
from screening.karyogram.locate import Located
from screening.triage.rule import Rule
from screening.worklist import pipeline
from screening.worklist.ledger import LedgerError
from screening.worklist.outputs import OUTPUT_NAMES
from screening.worklist.rebuild import rebuild
from screening.worklist.run import Settings, screen_folder
from test_worklist_outputs import calibrated
from worklist_fakes import FakeScorer, accepted_with, write_karyograms

INFO = calibrated(0.1)


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))


class Stopping(FakeScorer):
    """Is stopped by Ctrl-C in its second batch."""

    def score(self, images: object, keys: object) -> list:
        if self.batches:
            raise KeyboardInterrupt
        return super().score(images, keys)  # type: ignore[arg-type]


def screen(
    folder: Path, out: Path, scorer: FakeScorer | None = None, together: bool = False
) -> None:
    rule = Rule.of(INFO, together=together)
    settings = Settings(
        folder, out, "b" * 64, "c", rule, quiet=True, batch_size=3, resume=True, info=INFO
    )
    screen_folder(settings, scorer or FakeScorer(), None)  # type: ignore[arg-type]


def texts(out: Path) -> dict[str, str]:
    return {name: (out / name).read_text("utf-8") for name in OUTPUT_NAMES}


@pytest.mark.parametrize("together", [False, True])
def test_deleted_outputs_come_back_as_they_were(together: bool, tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 7)
    (tmp_path / "in" / "list.csv").write_text("x")
    out = tmp_path / "out"
    screen(tmp_path / "in", out, together=together)
    before = texts(out)
    for name in OUTPUT_NAMES:
        (out / name).unlink()
    (tmp_path / "in").rename(tmp_path / "elsewhere")  # no picture is opened
    summary, rule = rebuild(out)
    after = texts(out)
    assert rule.name == "calibrated" and rule.together == together
    assert ("homologs judged by all of them" in after["report.html"]) == together
    assert sum(summary.statuses.values()) == 7
    assert summary.warnings == () and "list.csv" in summary.left_out
    for name in ("triage.csv", "triage.jsonl", "cases.csv", "report.html"):
        assert after[name] == before[name], name
    old, new = json.loads(before["run.json"]), json.loads(after["run.json"])
    assert old == new and new["options"]["cells_together"] == together


def test_of_a_run_that_was_broken_off_the_known_part_is_shown_and_said(tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 7)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        screen(tmp_path / "in", out, Stopping())
    summary, _ = rebuild(out)
    assert summary.statuses == {"ok": 3}
    assert any("3 of 7 pictures are judged" in each for each in summary.warnings)
    assert "3 of 7 pictures are judged" in (out / "report.html").read_text("utf-8")
    screen(tmp_path / "in", out)
    assert rebuild(out)[0].statuses == {"ok": 7}


def test_what_cannot_be_rebuilt_is_named(tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 2)
    out = tmp_path / "out"
    with pytest.raises(LedgerError, match=r"holds no ledger.sqlite"):
        rebuild(out)
    screen(tmp_path / "in", out)
    with contextlib.closing(sqlite3.connect(out / "ledger.sqlite")) as connection:
        connection.execute("DELETE FROM bundles")
        connection.commit()
    with pytest.raises(LedgerError, match="older version"):
        rebuild(out)


def test_the_command_ends_as_screen_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_karyograms(tmp_path / "in", 3)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    out = tmp_path / "out"
    screen(tmp_path / "in", out)
    assert main(["report", str(out)]) == 3
    assert str(out / "report.html") in capsys.readouterr().out
    assert main(["report", str(tmp_path / "in"), "--quiet"]) == 1
    assert "holds no ledger.sqlite" in capsys.readouterr().err
