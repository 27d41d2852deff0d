"""Tables and files: stable text, no formula runs in a spreadsheet, never half a file."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from screening.evidence.record import PictureEvidence
from screening.triage.rule import Rule
from screening.worklist.ledger import Result
from screening.worklist.rows import case_table, row_of
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


def _read(image: str, karyotype: str, changes: tuple[str, ...], layout: float = 1.0) -> Result:
    evidence = PictureEvidence(
        {}, karyotypes=((karyotype, 0.95),), p_normal=0.9, layout_score=layout,
        gains_and_losses=changes,
    )  # fmt: skip
    p = np.full(10, 0.1, np.float32)
    return Result(image, "case", "0" * 64, "ok", objects=46, p=p, evidence=evidence)


def test_the_findings_of_a_case_stand_in_its_line() -> None:
    results = [
        _read("a", "46,XX", ()),
        _read("b", "47,XX,+21", ("+21",)),
        _read("c", "47,XX,+21", ("+21",)),
        _read("d", "45,XX,-1", ("-1",), layout=0.1),
    ]
    rows = [row_of(result, Rule(min_layout=0.5)) for result in results]
    assert [row.read is None for row in rows] == [False, False, False, True]
    columns, (line,) = case_table(rows)
    assert columns[-1] == "findings" and set(columns) == set(line)
    assert line["findings"] == (
        "2 of 3 cells show +21; possible mosaic: 47,XX,+21 in 2 of 3, 46,XX in 1 of 3; "
        "1 cell not read"
    )
    assert line["route"] == "review"
    text = csv_text(columns, [line])
    assert list(csv.DictReader(io.StringIO(text)))[0]["findings"] == line["findings"]
