"""The command line: help at once, clear errors, exit statuses, never a traceback."""

from __future__ import annotations

import io
import sys

import pytest

from screening.cli import COMMANDS, main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        status = main(list(arguments))
    except SystemExit as stop:  # argparse leaves this way for --help and wrong usage
        status = stop.code if isinstance(stop.code, int) else 1
    out, err = capsys.readouterr()
    return status, out, err


def test_help_names_every_command_and_fits_80_columns(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0 and all(name in out for name in COMMANDS)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name, capsys):
    status, out, _ = run(capsys, name, "--help")
    assert status == 0 and COMMANDS[name].examples[0] in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_wrong_command_is_usage_and_suggests_the_nearest(capsys):
    status, _, err = run(capsys, "scren", "folder")
    assert status == 2 and "screen" in err and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("screen", "nowhere", "--out", "out", "--passes", "0"),
        ("screen", "nowhere", "--out", "out", "--min-confidence", "0.2"),
        ("screen", "nowhere", "--out", "out", "--device", "abacus"),
    ],
)
def test_values_out_of_range_are_named(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, *arguments)
    assert status == 2 and arguments[-2] in err and arguments[-1] in err
    assert err.startswith("screening: error:") and not (tmp_path / "out").exists()


def test_no_bundle_is_one_line(capsys, tmp_path):
    (tmp_path / "in").mkdir()
    arguments = ("screen", str(tmp_path / "in"), "--out", str(tmp_path / "out"))
    status, _, err = run(capsys, *arguments, "--bundle", str(tmp_path / "none"))
    assert status == 1 and "no bundle here" in err and err.count("\n") == 1


def test_version(capsys):
    from screening import __version__

    assert run(capsys, "--version")[1].strip().endswith(__version__)


def test_a_console_of_another_code_page_does_not_end_a_run(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    with pytest.raises(SystemExit):
        main(["--version"])
    print("▲ 染色体")
    sys.stdout.flush()
    assert b"\\u25b2 \\u67d3\\u8272\\u4f53" in raw.getvalue()
