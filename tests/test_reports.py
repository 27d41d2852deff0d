"""Every report says by what it was measured: command, clean commit, shipped bundle, data."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from screening.bundle import default_bundle, load_bundle

ROOT = Path(__file__).resolve().parents[1]
REPORTS = sorted(ROOT.glob("reports/**/*.md"))
ROWS = ("command", "commit", "bundle", "data", "machine")


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield
    for name in ("report_header", "make_reports"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("path", REPORTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_report_is_of_the_shipped_bundle_or_says_of_which_and_why(path):
    from report_header import read_header

    said = read_header(path.read_text("utf-8"))
    assert tuple(said) == ROWS
    assert re.fullmatch(r"`python scripts/\w+\.py[^`]*`", said["command"])
    assert re.fullmatch(r"[0-9a-f]{7,40}(; .{20,})?", said["commit"]), "no clean commit, no reason"
    shipped = f"sha256 {load_bundle(default_bundle()).hash}"
    why = r"none: .{10,}|sha256 [0-9a-f]{12,64}, not the shipped one: .{10,}"
    assert said["bundle"] == shipped or re.fullmatch(why, said["bundle"])
    assert re.fullmatch(r"sha256 [0-9a-f]{64}|none: .{10,}", said["data"])


def test_every_report_has_a_script_that_writes_it():
    text = " ".join(path.read_text("utf-8") for path in ROOT.glob("scripts/*.py"))
    named = set(re.findall(r"reports/(\w+\.md)", text))
    assert {path.name for path in REPORTS} <= named


def test_every_step_of_make_reports_has_its_script_and_report():
    import make_reports

    for step in make_reports.STEPS:
        script = ROOT / "scripts" / step.script
        text = script.read_text("utf-8")
        assert f"reports/{step.name}.md" in text
        assert all(word in text for word in step.words if word.startswith("--"))
        assert step.pages == ("add_page_arguments(parser)" in text)


def test_only_what_is_of_the_present_code_and_the_shipped_bundle_is_current(tmp_path, monkeypatch):
    import make_reports
    from report_header import header

    path, bundle = tmp_path / "it.md", load_bundle(default_bundle())
    assert not make_reports.is_current(path, bundle.hash)
    differs = {"abc": 0, "old": 1}
    done = lambda words, **_: argparse.Namespace(returncode=differs[words[3]])  # noqa: E731
    monkeypatch.setattr(make_reports.subprocess, "run", done)
    for commit, whose, hash_now, current in (
        ("abc", bundle, bundle.hash, True), ("old", bundle, bundle.hash, False),
        ("abc", bundle, "another", False), ("abc", "of no bundle", "another", True),
    ):  # fmt: skip
        path.write_text(f"# It\n\n{header(commit, whose, 'drawn')}\nBody.\n", "utf-8")
        assert make_reports.is_current(path, hash_now) is current


def test_a_report_is_read_as_it_was_written(tmp_path, monkeypatch):
    from report_header import read_header, write

    bundle = load_bundle(default_bundle())
    far, words = str(tmp_path / "far"), ["--data", str(tmp_path), "--most", "6", "--draft"]
    monkeypatch.setattr(sys, "argv", ["scripts/measure_it.py", *words, "--reports", far, far])
    args = argparse.Namespace(reports=tmp_path)
    (tmp_path / "data.csv").write_text("a")
    path = write(args, "it.md", "It", "abc1234", bundle, tmp_path / "data.csv", "\nBody.\n")
    text = path.read_text("utf-8")
    said = read_header(text)
    assert text.startswith("# It\n\n|") and text.endswith("|\n\nBody.\n")
    assert said["command"] == "`python scripts/measure_it.py --data DATA --most 6 far`"
    assert said["bundle"] == f"sha256 {bundle.hash}" and said["commit"] == "abc1234"
    assert said["data"].startswith("sha256 ca978112ca1bbdca")
    write(args, "it.md", "It", "abc1234", "nobody's", "drawn", "Body.")
    said = read_header(path.read_text("utf-8"))
    assert (said["bundle"], said["data"]) == ("none: nobody's", "none: drawn")
    assert read_header("# Another\n\n| a | |\n") == {}


def test_nothing_is_measured_with_changes_that_no_commit_tells_of(tmp_path, monkeypatch):
    import report_header

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *words], cwd=tmp_path,
                       check=True, capture_output=True)  # fmt: skip

    (tmp_path / "screening").mkdir()
    (tmp_path / "screening" / "it.py").write_text("1")
    git("init")
    git("add", "-A")
    git("commit", "-m", "it")
    monkeypatch.setattr(report_header, "ROOT", tmp_path)
    strict, draft = argparse.Namespace(draft=False), argparse.Namespace(draft=True)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "before.md").write_text("what the last script wrote changes no figure")
    assert re.fullmatch(r"[0-9a-f]{12}", report_header.begin(strict))
    (tmp_path / "screening" / "it.py").write_text("2")
    with pytest.raises(SystemExit, match="without changes"):
        report_header.begin(strict)
    assert report_header.begin(draft).endswith("a draft")
