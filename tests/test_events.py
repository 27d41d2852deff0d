"""`--log-json`: what a long command does, a JSON object a line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from screening import events
from screening.cli import COMMANDS, command_parser, main
from screening.karyogram.locate import Located
from screening.worklist import pipeline
from test_screen_command import fake_model
from worklist_fakes import accepted_with, write_karyograms

assert fake_model  # a fixture


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_run_tells_how_it_begins_goes_on_and_ends(
    fake_model: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))
    write_karyograms(tmp_path / "in", 5)
    (tmp_path / "in" / "ż\n.png").write_bytes(b"")
    log = tmp_path / "log.jsonl"
    words = ["screen", str(tmp_path / "in"), "--batch-size", "2", "--quiet", "--log-json", str(log)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 3
    told = lines(log)
    assert [each["event"] for each in told] == ["started", *["progress"] * 3, "finished"]
    assert told[0]["arguments"]["batch_size"] == 2 and told[0]["version"]
    assert [each["done"] for each in told[1:-1]] == [2, 4, 6] and told[1]["total"] == 6
    assert told[-1]["status"] == 3
    for each in told:
        assert each["command"] == "screen"
        assert datetime.fromisoformat(each["time"]).tzinfo is not None
    # A second run is appended, and a mistake stands in it as well.
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    more = lines(log)[len(told) :]
    assert [each["event"] for each in more] == ["started", "error"]
    assert "--resume" in more[-1]["message"] and more[-1]["status"] == 2
    events.note("after")
    assert len(lines(log)) == len(told) + 2  # closed with the command


def test_a_log_that_cannot_be_written_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    log = tmp_path / "none" / "log"
    out = tmp_path / "out"
    assert main(["screen", str(tmp_path), "--out", str(out), "--log-json", str(log)]) == 2
    assert "--log-json" in capsys.readouterr().err and not out.exists()


def test_a_disk_that_fills_under_the_log_stops_nothing() -> None:
    with events.log_to(Path("/dev/full"), "screen"):
        events.note("progress", done=1)


def test_every_long_command_has_it() -> None:
    from importlib import import_module

    for name, command in COMMANDS.items():
        parser = command_parser(name, import_module(f"screening.commands.{command.module}"))
        assert ("--log-json" in parser._option_string_actions) == command.long
    assert {name for name, each in COMMANDS.items() if each.needs_tensorflow} <= {
        name for name, each in COMMANDS.items() if each.long
    }
