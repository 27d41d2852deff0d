"""A picture that runs away, crashes or fills the memory is one failed row, whatever holds it up."""

from __future__ import annotations

import csv
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from screening.bundle import default_bundle, load_bundle
from screening.cli import main
from screening.demo import demo_folder
from screening.karyogram.locate import Locator
from screening.record import Picture
from screening.worklist import isolated as module
from screening.worklist.discover import PictureFile
from screening.worklist.isolated import CannotIsolate, isolated
from screening.worklist.pipeline import Prepared
from screening.worklist.run import Settings, looking, screen_folder
from worklist_fakes import FakeScorer, write_karyograms

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks the system as Linux answers")


@dataclass(frozen=True)
class Odd:
    """Does to its process what the picture's name says; notes in `noted` who was looked at."""

    noted: Path

    def __call__(self, found: PictureFile, blank: Picture) -> Prepared:
        with self.noted.open("a") as file:
            file.write(f"{found.name} {os.getpid()}\n")
        if found.name == "sleeps":
            time.sleep(100)
        elif found.name == "holds on":  # in C, and lets no other thread of its process do anything
            re.match(r"(a+)+$", "a" * 60 + "b")
        elif found.name == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif found.name == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif found.name == "fills":
            np.ones(module.MOST_MEMORY + (1 << 20), np.uint8)
        elif found.name == "is asked to end":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        elif found.name == "torn":
            raise ValueError("torn")
        return Prepared(replace(blank, status="ok"), np.full((2, 2), len(found.name), np.uint8))


def file(name: str) -> tuple[PictureFile, Picture]:
    return PictureFile(name, Path("none"), "c"), Picture(name, "c", f"sha of {name}")


def noted(path: Path) -> list[str]:
    return [line.rpartition(" ")[0] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["sleeps", "holds on"])
def test_what_takes_too_long_fails_and_the_next_is_looked_at(name: str, tmp_path: Path) -> None:
    with isolated(Odd(tmp_path / "noted"), 1.0, 1) as look:
        assert look(*file("good")).picture.status == "ok"  # from here on the libraries are there
        clock = time.monotonic()
        failed = look(*file(name))
        assert 1 <= time.monotonic() - clock < 10
        assert failed.tensor is None and failed.picture.status == "failed"
        assert failed.picture.reason.startswith("took longer than 1 s to look at (--time-limit)")
        assert look(*file("better")).tensor.tolist() == [[6, 6], [6, 6]]
        # A watch comes by with every new picture: it does not wait again.
        assert look(*file(name)).picture.reason == failed.picture.reason
    assert noted(tmp_path / "noted") == ["good", name, "better"]


@LINUX
def test_what_crashes_or_fills_the_memory_fails_alone(tmp_path: Path) -> None:
    with isolated(Odd(tmp_path / "noted"), 60.0, 1) as look:
        said = {
            name: look(*file(name)).picture
            for name in ("crashes", "good", "is killed", "fills", "torn", "is asked to end")
        }
    assert [name for name, one in said.items() if one.status == "ok"] == ["good", "is asked to end"]
    assert (
        said["crashes"].reason
        == "what looked at it broke down (status -11): the file may be damaged"
    )
    assert "not enough memory" in said["is killed"].reason
    assert said["fills"].reason == "not enough memory for this picture"
    assert said["torn"].reason == "could not be processed (ValueError: torn)"
    assert len(noted(tmp_path / "noted")) == 6


@LINUX
def test_ctrl_c_while_the_libraries_load_ends_no_process(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    with isolated(Odd(tmp_path / "noted"), 60.0, 2) as look:
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}
        for process in multiprocessing.active_children():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)
        assert look(*file("good")).picture.status == "ok"
    assert not multiprocessing.active_children()
    assert capfd.readouterr().err == ""


@LINUX
def test_a_signal_while_a_process_starts_is_answered_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch that is asked to end just then would go on for ever."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    start = module.get_context("spawn").Process.start

    def asked(process: multiprocessing.Process) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        start(process)

    monkeypatch.setattr(module.get_context("spawn").Process, "start", asked)
    try:
        with isolated(Odd(tmp_path / "noted"), 60.0, 1) as look:
            assert told == [signal.SIGTERM]
            assert look(*file("good")).picture.status == "ok"
    finally:
        signal.signal(signal.SIGTERM, before)


def test_without_a_limit_it_is_this_process_that_looks(tmp_path: Path) -> None:
    look = Odd(tmp_path / "noted")
    with isolated(look, 0.0, 2) as same:
        assert same is look


def test_a_process_that_cannot_start_ends_the_run_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_STARTED", 0.0)
    with (
        isolated(Odd(tmp_path / "noted"), 60.0, 1) as look,
        pytest.raises(CannotIsolate, match="does not begin.*--time-limit 0"),
    ):
        look(*file("good"))


ALONE = """
import sys
from pathlib import Path
from test_worklist_isolated import Odd, file, isolated
if __name__ == "__main__":
    with isolated(Odd(Path(sys.argv[1])), float(sys.argv[2]), 1) as look:
        look(*file("good"))
        print("looked", flush=True)
        look(*file(sys.argv[3]))
        input()
"""


@LINUX
@pytest.mark.parametrize(
    ("name", "most"), [("better", 5.0), pytest.param("holds on", 30.0, marks=pytest.mark.slow)]
)
def test_nothing_outlives_a_run_that_was_killed(name: str, most: float, tmp_path: Path) -> None:
    script, notes = tmp_path / "run.py", tmp_path / "noted"
    script.write_text(ALONE)
    paths = os.pathsep.join([str(Path(module.__file__).parents[2]), str(Path(__file__).parent)])
    process = subprocess.Popen(
        [sys.executable, script, notes, "3", name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == b"looked\n"
    while len(noted(notes)) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    process.stdin.close(), process.stdout.close()
    worker, end = int(notes.read_text().split()[1]), time.monotonic() + most
    while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_says_the_same_with_and_without_a_limit(tmp_path: Path) -> None:
    locator = Locator.of(load_bundle(default_bundle()))
    write_karyograms(tmp_path / "in", 2)
    (tmp_path / "in" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    tables = []
    for limit in (0.0, 60.0):
        settings = Settings(
            tmp_path / "in", tmp_path / f"out{limit}", "b" * 64, "fake", quiet=True,
            time_limit=limit,
        )  # fmt: skip
        assert screen_folder(settings, FakeScorer(), locator).exit_status == 3
        tables.append((settings.out / "triage.csv").read_bytes())
    assert tables[0] == tables[1]


@dataclass(frozen=True)
class SlowLocator:
    """Never comes back from a page."""

    def locate(self, page: object) -> None:
        time.sleep(100)


def test_a_run_goes_on_behind_a_page_that_takes_too_long(tmp_path: Path) -> None:
    """Of three pictures the second is refused before anything is located on it."""
    write_karyograms(tmp_path / "in", 1)
    (tmp_path / "in" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    settings = Settings(
        tmp_path / "in", tmp_path / "out", "b" * 64, "fake", quiet=True, time_limit=1.0
    )
    locator: Locator = SlowLocator()  # type: ignore[assignment]
    with looking(settings, FakeScorer(), locator) as look:
        summary = screen_folder(settings, FakeScorer(), locator, look=look)
    assert summary.statuses == {"failed": 2}
    with (settings.out / "triage.csv").open(newline="") as rows:
        reasons = [row["reasons"] for row in csv.DictReader(rows)]
    assert sum("took longer than 1 s" in reason for reason in reasons) == 1


def test_the_command_has_a_limit_and_refuses_an_impossible_one(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = str(tmp_path / "out")
    for word in ("-1", "0.2", "nan", "1e9"):
        assert main(["screen", str(demo_folder()), "--out", out, "--time-limit", word]) == 2
        assert "--time-limit expects 1 to 86400 seconds, or 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["watch", "--help"])
    assert "--time-limit SECONDS" in capsys.readouterr().out
