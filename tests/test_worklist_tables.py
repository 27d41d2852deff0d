"""Tables and files: stable text, no formula runs in a spreadsheet, never half a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from screening.worklist import files
from screening.worklist.files import replace_files
from screening.worklist.tables import csv_text, jsonl_text

HOSTILE = ["=1+1", "+x", "-x", "@x", "\tx", "a,b", 'say "hi"', "two\nlines", "ü 染", ""]


def test_csv_reads_back_and_never_begins_a_formula() -> None:
    text = csv_text(["image"], [{"image": value} for value in HOSTILE])
    cells = [row["image"] for row in csv.DictReader(io.StringIO(text))]
    assert [cell.removeprefix("'") for cell in cells] == HOSTILE
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    lines = [json.loads(line) for line in jsonl_text(["image"], [{"image": v} for v in HOSTILE])
             .splitlines()]  # fmt: skip
    assert [line["image"] for line in lines] == HOSTILE


def test_numbers_have_six_decimals_and_twins_agree() -> None:
    row = {"p": 1 / 3, "n": 46, "unknown": None}
    assert csv_text(row, [row]) == "p,n,unknown\n0.333333,46,\n"
    assert json.loads(jsonl_text(row, [row])) == {"p": 0.333333, "n": 46, "unknown": None}


def test_missing_columns_are_an_error() -> None:
    with pytest.raises(ValueError, match="columns"):
        csv_text(["a", "b"], [{"a": 1}])


def test_a_failed_write_leaves_the_old_files_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_files(tmp_path, {"a": "old a", "b": "old b"})
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_files(tmp_path, {"a": "new a", "b": "new b"})
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "old a", "b": "old b"}
