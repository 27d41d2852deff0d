"""The text of triage.csv, triage.jsonl and cases.csv: the same bytes for the same rows.

CSV is UTF-8 without a byte order mark, lines end in \\n, numbers have six decimals, an unknown
value is an empty cell (null in JSON). A text cell that a spreadsheet would run as a formula (it
begins with = + - @, tab or return) gets an apostrophe before it; the JSON twin has the exact text.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping

CsvValue = str | int | float | None

_DECIMALS = 6
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_text(columns: Iterable[str], rows: Iterable[Mapping[str, CsvValue]]) -> str:
    """Return a CSV with a header line; every row must hold exactly `columns`."""
    names = tuple(columns)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        if set(row) != set(names):
            raise ValueError(f"expected the columns {names}, received {tuple(row)}")
        writer.writerow([_cell(row[name]) for name in names])
    return buffer.getvalue()


def jsonl_text(columns: Iterable[str], rows: Iterable[Mapping[str, CsvValue]]) -> str:
    """Return one JSON object a line, with the numbers of the CSV."""
    names = tuple(columns)
    lines = (
        json.dumps({name: _value(row[name]) for name in names}, ensure_ascii=False, allow_nan=False)
        for row in rows
    )
    return "".join(line + "\n" for line in lines)


def _cell(value: CsvValue) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{_DECIMALS}f}"
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA_STARTS) else value
    return str(value)


def _value(value: CsvValue) -> CsvValue:
    return round(value, _DECIMALS) if isinstance(value, float) else value
