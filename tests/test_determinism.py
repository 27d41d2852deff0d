"""The shipped bundle says the same of a picture whatever its name, batch, workers or company."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from screening.cli import main
from screening.demo import demo_folder


def screened(folder: Path, out: Path, *words: str) -> dict[str, dict[str, str]]:
    """The rows of the work list by content, without what the names decide."""
    asked = ["screen", str(folder), "--out", str(out), "--passes", "7", "--quiet", *words]
    assert main(asked) in (0, 3)
    with (out / "triage.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    return {row["sha256"]: {**row, "image": "", "case": ""} for row in found}


@pytest.mark.slow
def test_order_batch_workers_and_resuming_change_no_digit(tmp_path: Path) -> None:
    pictures = sorted(path for path in demo_folder().rglob("*.jpg"))[:5]
    forwards, backwards = tmp_path / "forwards", tmp_path / "backwards"
    for folder in (forwards, backwards):
        folder.mkdir()
    for number, path in enumerate(pictures):
        (forwards / f"{number}.jpg").write_bytes(path.read_bytes())
    at_once = screened(forwards, tmp_path / "a", "--batch-size", "8", "--workers", "1")
    assert len(at_once) == 5
    many = ("--batch-size", "2", "--workers", "3", "--resume")
    for some in (pictures[3:], pictures[:3]):
        for path in some:
            name = f"{9 - pictures.index(path)}.jpg"
            (backwards / name).write_bytes(path.read_bytes())
        in_parts = screened(backwards, tmp_path / "b", *many)
    assert in_parts == at_once
