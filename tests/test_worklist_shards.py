"""Parts of a run: cases stay whole, every picture in one, joined they equal a run over all."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from screening.cli import main
from screening.errors import ScreeningError
from screening.karyogram.locate import Located
from screening.triage.rule import Rule
from screening.worklist import pipeline
from screening.worklist.join import join
from screening.worklist.kept import read_run
from screening.worklist.outputs import OUTPUT_NAMES
from screening.worklist.rebuild import rebuild
from screening.worklist.run import Settings, screen_folder
from screening.worklist.shard import Shard
from test_worklist_outputs import calibrated
from worklist_fakes import FakeScorer, accepted_with, karyogram, write_karyograms

INFO = calibrated(0.1)
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+\d\d:\d\d")


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))


def settings(folder: Path, out: Path) -> Settings:
    return Settings(
        folder, out, "b" * 64, "c", Rule.of(INFO), quiet=True, batch_size=3, resume=True, info=INFO
    )


def screen(folder: Path, out: Path, shard: Shard | None = None) -> int:
    changed = replace(settings(folder, out), shard=shard)
    return screen_folder(changed, FakeScorer(), None).exit_status  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_karyograms(folder, 9)
    (folder / "bad.png").write_bytes(b"")
    (folder / "list.csv").write_text("x")
    pages = [karyogram(i) for i in range(20, 23)]
    pages[0].save(folder / "many.tif", save_all=True, append_images=pages[1:])
    Image.new("L", (100, 100), 255).save(folder / "many.tif#2.png")
    (folder / "many.tif#2.png").rename(folder / "many.tif#2")
    return folder


def test_every_case_is_in_one_part_whatever_else_there_is() -> None:
    cases = [f"case {i}" for i in range(2000)]
    sizes = [sum(Shard(n, 8).holds(case) for case in cases) for n in range(1, 9)]
    assert sum(sizes) == 2000 and min(sizes) > 200
    # Kept as it is: parts that run on machines with other versions must not overlap.
    parts = [next(n for n in range(1, 9) if Shard(n, 8).holds(case)) for case in ("a", "b", "ż")]
    assert parts == [3, 3, 7]


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "3/", "/8", "a/b", "-1/8", "1/99999", "1/8\n"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ScreeningError, match="--shard expects such as 3/8"):
        Shard.of(text)
    assert str(Shard.of("3/8")) == "3/8"


@pytest.mark.parametrize("count", [1, 3, 12])
def test_joined_parts_equal_one_run(folder: Path, tmp_path: Path, count: int) -> None:
    assert screen(folder, tmp_path / "whole") == 3
    outs = [tmp_path / f"part{n}" for n in range(1, count + 1)]
    statuses = {screen(folder, out, Shard(n, count)) for n, out in enumerate(outs, 1)}
    assert statuses <= {0, 1, 3}  # 1: the part of the bad picture alone
    join(outs[::-1], tmp_path / "joined")
    rebuild(tmp_path / "joined")
    for name in OUTPUT_NAMES[:4]:
        found, expected = ((tmp_path / d / name).read_text("utf-8") for d in ("joined", "whole"))
        assert TIMES.sub("", found) == TIMES.sub("", expected), name
    told, whole = (json.loads((tmp_path / d / "run.json").read_text()) for d in ("joined", "whole"))
    timed = ("started", "finished", "seconds", "images_per_second")
    assert {k: v for k, v in told.items() if k not in timed} == {
        k: v for k, v in whole.items() if k not in timed
    }
    assert len(read_run(tmp_path / "joined").lines) == told["images"]
    assert screen(folder, tmp_path / "joined") == 3  # goes on as a run of its own


def test_a_part_without_a_picture_is_an_empty_list(folder: Path, tmp_path: Path) -> None:
    empty = next(n for n in range(1, 500) if not _any(folder, Shard(n, 500)))
    assert screen(folder, tmp_path / "out", Shard(empty, 500)) == 0
    assert (tmp_path / "out" / "triage.csv").read_text().count("\n") == 1
    assert rebuild(tmp_path / "out")[0].exit_status == 0
    assert read_run(tmp_path / "out").lines == ()


def _any(folder: Path, shard: Shard) -> bool:
    from screening.images.kinds import SUPPORTED_SUFFIXES
    from screening.worklist.discover import discover

    return any(shard.holds(found.case) for found in discover(folder, SUPPORTED_SUFFIXES).images)


def test_what_cannot_become_one_list_is_named(folder: Path, tmp_path: Path) -> None:
    outs = [tmp_path / f"part{n}" for n in (1, 2, 3)]
    for n, out in enumerate(outs, 1):
        screen(folder, out, Shard(n, 3))
    joined = tmp_path / "joined"
    with pytest.raises(ScreeningError, match="missing: 2; part 1 is there 2 times"):
        join([outs[0], outs[2], outs[0]], joined)
    screen(folder, tmp_path / "whole")
    with pytest.raises(ScreeningError, match="holds no part of a run"):
        join([*outs, tmp_path / "whole"], joined)
    other = replace(settings(folder, tmp_path / "other"), shard=Shard(3, 3), case_from="stem")
    screen_folder(other, FakeScorer(), None)  # type: ignore[arg-type]
    with pytest.raises(ScreeningError, match="another case_from"):
        join([*outs[:2], tmp_path / "other"], joined)

    class Stopped(FakeScorer):
        def score(self, images: object, keys: object) -> list:
            raise KeyboardInterrupt

    half = replace(settings(folder, tmp_path / "half"), shard=Shard(2, 3))
    with pytest.raises(KeyboardInterrupt):
        screen_folder(half, Stopped(), None)  # type: ignore[arg-type]
    with pytest.raises(ScreeningError, match="2/3 .* did not come to its end"):
        join([outs[0], tmp_path / "half", outs[2]], joined)
    assert not joined.exists()
    join(outs, joined)
    with pytest.raises(ScreeningError, match="--overwrite"):
        join(outs, joined)
    join(outs, joined, overwrite=True)


def test_the_command_joins(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    outs = [tmp_path / f"part{n}" for n in (1, 2)]
    for n, out in enumerate(outs, 1):
        screen(folder, out, Shard(n, 2))
    parts = list(map(str, outs))
    assert main(["report", *parts]) == 2
    assert "expect --out" in capsys.readouterr().err
    assert main(["report", *parts, "--out", str(tmp_path / "joined")]) == 3
    assert str(tmp_path / "joined" / "report.html") in capsys.readouterr().out
