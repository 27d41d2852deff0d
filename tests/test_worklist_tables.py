"""Tables and files: stable text, no formula runs in a spreadsheet, never half a file."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from pictures import picture, reading
from screening.record import Picture
from screening.triage.cases import summarise_cases
from screening.triage.rule import Rule, judge
from screening.worklist.rows import CASE_COLUMNS, TRIAGE_COLUMNS, case_row, triage_row
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


def _read(image: str, karyotype: str, change: str = "", layout: float = 1.0) -> Picture:
    seen = reading(change, karyotypes=((karyotype, 0.95),), p_normal=0.9, layout_score=layout)
    return picture(image, case="case", reading=seen)


def test_the_findings_of_a_case_stand_in_its_line() -> None:
    rule = Rule(min_layout=0.5)
    pictures = [
        _read("a", "46,XX"),
        _read("b", "47,XX,+21", "+21"),
        _read("c", "47,XX,+21", "+21"),
        _read("d", "45,XX,-1", "-1", layout=0.1),
    ]
    judged = [replace(one, verdict=judge(rule, one)) for one in pictures]
    (line,) = map(case_row, summarise_cases(judged, rule))
    columns = CASE_COLUMNS
    assert columns[-1] == "findings" and set(columns) == set(line)
    assert line["findings"] == (
        "2 of 3 cells show +21; possible mosaic: 47,XX,+21 in 2 of 3, 46,XX in 1 of 3; "
        "1 cell not read"
    )
    assert line["route"] == "review"
    text = csv_text(columns, [line])
    assert list(csv.DictReader(io.StringIO(text)))[0]["findings"] == line["findings"]


def test_the_line_of_a_picture_holds_its_verdict_and_its_reading() -> None:
    one = picture(
        "a", around=0.9, noise=0.02, reading=reading("+21", p_normal=0.9), notes=("+21", "b")
    )
    one = replace(one, objects=47)
    one = replace(one, verdict=judge(Rule(), one))
    line = triage_row(one)
    assert tuple(line) == TRIAGE_COLUMNS
    verdict = one.judged
    assert (line["route"], line["prediction"]) == ("flag", "abnormal")
    assert (line["p_abnormal"], line["p_std"]) == (verdict.p_abnormal, verdict.p_std)
    assert (line["votes"], line["confidence"], line["passes"]) == (1.0, 1.0, 20)
    assert (line["chromosomes"], line["karyotype"]) == (47, "47,XX,+21")
    assert line["reasons"] == "looks abnormal in 20 of 20 passes; +21; b"


def test_the_line_of_a_failed_picture_has_no_numbers() -> None:
    one = Picture("x", "c", "s", reason="torn")
    line = triage_row(replace(one, verdict=judge(Rule(), one)))
    assert (line["status"], line["route"], line["prediction"]) == ("failed", "review", "")
    unknown = ("p_abnormal", "p_std", "votes", "confidence", "chromosomes")
    assert all(line[name] is None for name in unknown)
    assert (line["passes"], line["karyotype"], line["reasons"]) == (0, "", "torn")
