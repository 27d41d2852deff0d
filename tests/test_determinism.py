"""A picture's row is the same whatever its name, batch, workers, company, shard or resuming."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from screening.cli import main
from screening.demo import demo_folder
from screening.karyogram.locate import Located
from screening.triage.rule import Rule
from screening.worklist import pipeline
from screening.worklist.join import join
from screening.worklist.rebuild import rebuild
from screening.worklist.run import Settings, screen_folder
from screening.worklist.shard import Shard
from test_worklist_outputs import calibrated
from worklist_fakes import FakeScorer, accepted_with, write_karyograms

INFO = calibrated(0.1)
COUNT = 14


class SmallNetwork(FakeScorer):
    """Two layers with dropout on the pixels, in float32: the mask is seeded by picture and pass."""

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[np.ndarray]:
        self.batches.append(len(images))
        return [self._of(image, key) for image, key in zip(images, keys, strict=True)]

    def _of(self, image: np.ndarray, key: int) -> np.ndarray:
        rng = np.random.default_rng(5)
        first = rng.normal(0, 0.02, (self.size**2, 32)).astype(np.float32)
        last = rng.normal(0, 0.4, 32).astype(np.float32)
        hidden = np.tanh((image.reshape(-1).astype(np.float32) / 255 - 0.5) @ first)
        masks = np.random.default_rng(key).random((self.passes, 32)) < 0.5
        return 1 / (1 + np.exp(-(masks * hidden * 2) @ last))


class Stopping(SmallNetwork):
    """Is stopped as by Ctrl-C once it has scored `batches_done` batches."""

    def __init__(self, batches_done: int) -> None:
        super().__init__()
        self.batches_done = batches_done

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[np.ndarray]:
        if len(self.batches) == self.batches_done:
            raise KeyboardInterrupt
        return super().score(images, keys)


def screen(folder: Path, out: Path, network: FakeScorer | None = None, **changes: object) -> str:
    settings = Settings(
        folder, out, "b" * 64, "c", Rule.of(INFO), quiet=True, resume=True, info=INFO
    )
    screen_folder(replace(settings, **changes), network or SmallNetwork(), None)  # type: ignore
    return table(out)


def table(out: Path) -> str:
    return (out / "triage.csv").read_text("utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pipeline, "inspect", accepted_with(Located(())))
    write_karyograms(tmp_path / "in", COUNT)
    return tmp_path / "in"


def test_batch_workers_resuming_shards_and_order_of_arrival_change_no_byte(
    folder: Path, tmp_path: Path
) -> None:
    expected = screen(folder, tmp_path / "whole", batch_size=COUNT, workers=1)
    assert len({row["p_abnormal"] for row in rows(tmp_path / "whole")}) == COUNT
    rng = random.Random(3)
    for number in range(6):
        out = tmp_path / f"out{number}"
        how = {"batch_size": rng.randint(1, COUNT + 1), "workers": rng.randint(1, 5)}
        stopped = rng.randint(0, COUNT // how["batch_size"])
        try:
            screen(folder, out, Stopping(stopped), **how)
        except KeyboardInterrupt:
            pass
        assert screen(folder, out, batch_size=rng.randint(1, 5), workers=2) == expected, how
    away = tmp_path / "away"
    away.mkdir()
    for path in rng.sample(sorted(folder.rglob("*.png")), 9):
        path.rename(away / f"{path.parent.name}-{path.name}")
    screen(folder, tmp_path / "arriving", batch_size=4)
    for path in away.iterdir():
        path.rename(folder / path.name.replace("-", "/"))
    assert screen(folder, tmp_path / "arriving", batch_size=3) == expected
    outs = [tmp_path / f"part{n}" for n in (1, 2, 3)]
    for n, out in enumerate(outs, 1):
        screen(folder, out, batch_size=n, workers=n, shard=Shard(n, 3))
    join(outs, tmp_path / "joined")
    rebuild(tmp_path / "joined")
    assert table(tmp_path / "joined") == expected


def test_another_seed_or_bundle_is_another_result(folder: Path, tmp_path: Path) -> None:
    """What the tests of equality stand on: each of these reaches the ledger's key."""
    screen(folder, tmp_path / "out")
    for changes in ({"seed": 1}, {"bundle_hash": "c" * 64}):
        again = SmallNetwork()
        screen(folder, tmp_path / "out", again, **changes)
        assert sum(again.batches) == COUNT


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "triage.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def screened(folder: Path, out: Path, *words: str) -> None:
    asked = ["screen", str(folder), "--out", str(out), "--passes", "7", "--quiet", *words]
    assert main(asked) in (0, 3)


def by_content(out: Path) -> dict[str, dict[str, str]]:
    """The rows of the work list by content, without what the names decide."""
    return {row["sha256"]: {**row, "image": "", "case": ""} for row in rows(out)}


@pytest.mark.slow
def test_the_shipped_bundle_says_the_same_in_any_order_batch_shard_and_after_resuming(
    tmp_path: Path,
) -> None:
    pictures = sorted(path for path in demo_folder().rglob("*.jpg"))[:5]
    forwards, backwards = tmp_path / "forwards", tmp_path / "backwards"
    for folder in (forwards, backwards):
        folder.mkdir()
    for number, path in enumerate(pictures):
        (forwards / f"{number}.jpg").write_bytes(path.read_bytes())
    screened(forwards, tmp_path / "a", "--batch-size", "8", "--workers", "1")
    at_once = by_content(tmp_path / "a")
    assert len(at_once) == 5
    many = ("--batch-size", "2", "--workers", "3", "--resume")
    for some in (pictures[3:], pictures[:3]):
        for path in some:
            name = f"{9 - pictures.index(path)}.jpg"
            (backwards / name).write_bytes(path.read_bytes())
        screened(backwards, tmp_path / "b", *many)
    assert by_content(tmp_path / "b") == at_once
    parts = [str(tmp_path / f"part{n}") for n in (1, 2)]
    for n, part in enumerate(parts, 1):
        screened(forwards, Path(part), "--batch-size", str(n + 2), "--shard", f"{n}/2")
    assert main(["report", *parts, "--out", str(tmp_path / "joined"), "--quiet"]) in (0, 3)
    assert table(tmp_path / "joined") == table(tmp_path / "a")
