"""`screening watch`: pictures as they arrive, half-written ones, drives that go away, stopping."""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from screening.cli import main
from screening.errors import ScreeningError
from screening.karyogram.locate import Located
from screening.worklist import content, pipeline, watch
from screening.worklist.ledger import FILE_NAME, Ledger, LedgerInUse
from screening.worklist.run import Settings, Summary, screen_folder
from test_screen_command import fake_model
from worklist_fakes import FakeScorer, accepted_with, write_karyograms

assert fake_model  # a fixture
TABLES = ("triage.csv", "triage.jsonl", "cases.csv")


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))


def settings(folder: Path, out: Path) -> Settings:
    return Settings(folder, out, "b" * 64, "fake", quiet=True, batch_size=3)


class Day:
    """A watch whose looks are its clock: before look n, what is planned for n happens; it ends
    after the last."""

    def __init__(self, folder: Path, out: Path, plan: dict[int, Callable[[], object]]) -> None:
        self.plan, self.look, self.said = plan, 0, list[str]()
        self.scorer = FakeScorer()
        self.watch = watch.Watch(
            settings(folder, out), self.scorer, None, None,
            every=0.0, stop=self.over, say=self.said.append,
        )  # fmt: skip
        self.watch._pause = self.next  # type: ignore[method-assign]

    def over(self) -> bool:
        return self.look > max(self.plan)

    def next(self) -> None:
        self.look += 1
        self.plan.get(self.look, lambda: None)()

    def run(self) -> Summary | None:
        self.next()
        return self.watch.run()


def listed(out: Path) -> list[str]:
    with (out / "triage.csv").open(encoding="utf-8", newline="") as file:
        return sorted(row["image"] for row in csv.DictReader(file))


@pytest.fixture
def arrived(tmp_path: Path) -> Iterator[Path]:
    write_karyograms(tmp_path / "camera", 6)
    (tmp_path / "in").mkdir()
    yield tmp_path / "in"


def drop(arrived: Path, *numbers: int, most: int | None = None) -> None:
    for i in numbers:
        content = next((arrived.parent / "camera").rglob(f"k{i:03d}.png")).read_bytes()
        path = arrived / f"case{i // 2}" / f"k{i}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content[:most])


def nothing() -> None:
    """Let a look pass."""


def test_the_list_grows_as_pictures_arrive_and_equals_one_run(arrived: Path) -> None:
    out = arrived.parent / "out"
    sizes = []
    plan = {
        1: nothing, 2: lambda: drop(arrived, 0, 1), 4: lambda: sizes.append(len(listed(out))),
        5: lambda: drop(arrived, 2, 3, 4), 7: lambda: sizes.append(len(listed(out))),
        8: lambda: drop(arrived, 5), 10: nothing,
    }  # fmt: skip
    day = Day(arrived, out, plan)
    summary = day.run()
    assert sizes == [2, 5] and len(listed(out)) == 6
    assert summary is not None and summary.exit_status == 0
    assert len(day.scorer.keys) == len(set(day.scorer.keys)) == 6
    screen_folder(settings(arrived, arrived.parent / "once"), FakeScorer(), None)  # type: ignore[arg-type]
    for name in TABLES:
        assert (out / name).read_bytes() == (arrived.parent / "once" / name).read_bytes()


def test_a_picture_that_is_still_written_is_waited_for(arrived: Path) -> None:
    out = arrived.parent / "out"
    seen = []
    plan: dict[int, Callable[[], object]] = {1: lambda: drop(arrived, 0)}
    for look in range(2, 8):
        plan[look] = lambda n=look: drop(arrived, 1, most=200 * n)  # type: ignore[misc]
    plan[8] = lambda: (seen.append(listed(out)), drop(arrived, 1))
    plan[10] = nothing
    Day(arrived, out, plan).run()
    assert seen == [["case0/k0.png"]]
    assert listed(out) == ["case0/k0.png", "case0/k1.png"]
    assert "failed" not in (out / "triage.csv").read_text()


def test_an_empty_file_is_waited_for_and_fails_in_the_end(
    arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = arrived.parent / "out"
    drop(arrived, 0)
    drop(arrived, 1, most=0)
    without = []

    def late() -> None:
        without.append(listed(out))
        monkeypatch.setattr(watch, "PATIENCE", 0.0)

    summary = Day(arrived, out, {1: nothing, 4: late, 5: nothing}).run()
    assert without == [["case0/k0.png"]] and len(listed(out)) == 2
    assert summary is not None and summary.exit_status == 3


def test_a_drive_that_goes_away_takes_nothing_from_the_list(arrived: Path) -> None:
    out, away = arrived.parent / "out", arrived.parent / "away"
    drop(arrived, 0, 1)

    def unmounted() -> None:
        arrived.rename(away)
        arrived.mkdir()

    def back() -> None:
        arrived.rmdir() if arrived.exists() else None
        away.rename(arrived)

    plan = {
        1: nothing, 3: unmounted, 6: back, 8: lambda: arrived.rename(away),
        10: lambda: sizes.append(len(listed(out))), 11: back, 13: nothing,
    }  # fmt: skip
    sizes: list[int] = []
    day = Day(arrived, out, plan)
    day.run()
    assert sizes == [2] and len(listed(out)) == 2 and len(day.scorer.keys) == 2
    assert sum("does not exist" in line for line in day.said) == 1


def test_a_watch_goes_on_where_another_was_stopped(arrived: Path) -> None:
    out = arrived.parent / "out"
    drop(arrived, 0, 1, 2)
    Day(arrived, out, {1: nothing, 2: nothing}).run()
    drop(arrived, 3)
    again = Day(arrived, out, {1: nothing, 2: nothing})
    again.run()
    assert len(again.scorer.keys) == 1 and len(listed(out)) == 4


def test_files_that_stayed_are_not_read_again(
    arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    digest = content._digest
    monkeypatch.setattr(content, "_digest", lambda path: (read.append(path), digest(path))[1])
    drop(arrived, 0, 1)
    plan = {1: nothing, 3: lambda: drop(arrived, 2), 5: nothing}
    Day(arrived, arrived.parent / "out", plan).run()
    assert len(read) == 3


def test_out_in_the_folder_is_no_arrival(arrived: Path) -> None:
    drop(arrived, 0)
    day = Day(arrived, arrived / "out", {1: nothing, 6: nothing})
    day.run()
    assert sum("read anew" in line for line in day.said) == 1


def test_another_run_in_the_folder_is_refused_first_and_waited_for_later(arrived: Path) -> None:
    out = arrived.parent / "out"
    out.mkdir()
    drop(arrived, 0)
    with Ledger(out / FILE_NAME, "b", "o"), pytest.raises(LedgerInUse):
        Day(arrived, out, {1: nothing, 3: nothing}).run()
    other: list[Ledger] = []
    plan = {
        1: nothing, 3: lambda: (other.append(Ledger(out / FILE_NAME, "b", "o")), drop(arrived, 1)),
        6: lambda: other[0].close(), 7: nothing,
    }  # fmt: skip
    day = Day(arrived, out, plan)
    day.run()
    assert sum("another run" in line for line in day.said) == 1
    assert len(listed(out)) == 2


def test_what_is_wrong_from_the_start_is_said_at_once(arrived: Path) -> None:
    with pytest.raises(ScreeningError, match="does not exist"):
        Day(arrived / "no", arrived.parent / "out", {1: nothing}).run()


class Asking(FakeScorer):
    """Gets a signal in the midst of the second batch."""

    def score(self, images: object, keys: object) -> list:
        if len(self.batches) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().score(images, keys)  # type: ignore[arg-type]


def words(arrived: Path, *more: str) -> list[str]:
    out = str(arrived.parent / "out")
    return ["watch", str(arrived), "--out", out, "--every", "0.1", "--batch-size", "2", *more]


def interrupt_once_listed(out: Path, count: int) -> None:
    for _ in range(600):
        time.sleep(0.1)
        if len(listed(out)) == count and json.loads((out / "run.json").read_text())["new"]:
            break
    os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_ends_the_round_with_its_outputs(
    arrived: Path, fake_model: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    drop(arrived, 0, 1, 2, 3, 4, 5)
    monkeypatch.setattr("screening.worklist.scorer.BundleScorer", lambda *a, **k: Asking())
    assert main(words(arrived)) == 0
    assert len(listed(arrived.parent / "out")) == 4  # whole batches
    assert "4 of 6 pictures are judged" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    monkeypatch.setattr("screening.worklist.scorer.BundleScorer", lambda *a, **k: FakeScorer())
    threading.Thread(target=interrupt_once_listed, args=(arrived.parent / "out", 6)).start()
    assert main(words(arrived)) == 0
    assert len(listed(arrived.parent / "out")) == 6


def test_stopped_before_any_picture_came(
    arrived: Path, fake_model: dict, capsys: pytest.CaptureFixture
) -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert main(words(arrived)) == 0
    assert "no picture came" in capsys.readouterr().err


@pytest.mark.parametrize("every", ["0", "nan", "1e9"])
def test_a_pause_out_of_range_is_refused(arrived: Path, every: str) -> None:
    assert main([*words(arrived), "--every", every]) == 2


KILLED = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from worklist_fakes import FakeScorer, accepted_with
from screening.karyogram.locate import Located
from screening.worklist import content, pipeline, watch
from screening.worklist.run import Settings
pipeline.inspect = accepted_with(Located(()))
settings = Settings(Path(sys.argv[1]), Path(sys.argv[2]), "b" * 64, "fake", quiet=True,
                    batch_size=3)
watch.Watch(settings, FakeScorer(delay=0.05), None, None, every=0.05, stop=lambda: False,
            say=lambda line: print(line, flush=True)).run()
"""


def test_killed_while_pictures_arrive_and_started_again_nothing_is_lost(arrived: Path) -> None:
    out = arrived.parent / "out"
    command = [sys.executable, "-c", KILLED, str(arrived), str(out), str(Path(__file__).parent)]
    for turn in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            drop(arrived, 2 * turn, 2 * turn + 1)
            assert running.stdout is not None
            if turn != 1:
                running.stdout.readline()
            time.sleep(0.05 * turn)
            running.kill()
    Day(arrived, out, {1: nothing, 2: nothing}).run()
    screen_folder(settings(arrived, arrived.parent / "once"), FakeScorer(), None)  # type: ignore[arg-type]
    for name in TABLES:
        assert (out / name).read_bytes() == (arrived.parent / "once" / name).read_bytes()


def test_the_arguments_of_a_run_are_those_of_screen() -> None:
    from screening.commands import screen, watch

    asked = []
    for module in (screen, watch):
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        asked.append(set(parser._option_string_actions))
    once = {"--resume", "--overwrite", "--shard", "--cluster", "--dicom", "--dicom-identified"}
    assert asked[0] - asked[1] == once
    assert asked[1] - asked[0] == {"--every"}
