"""CSV tables read row by row, and a list of problems that is reported all at once."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from screening.errors import ManifestError

SHOWN = 20
"""How many problems an error message names before it only counts the rest."""


class Problems:
    """Collects what is wrong with `subject`, so that a user mends everything in one go."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.found: list[str] = []

    def add(self, problem: str) -> None:
        """Remember one problem (a clause in plain words)."""
        self.found.append(problem)

    def raise_if_any(self) -> None:
        """Raise ManifestError that counts all problems and names the first `SHOWN`."""
        if not self.found:
            return
        lines = [f"  {problem}" for problem in self.found[:SHOWN]]
        if len(self.found) > SHOWN:
            lines.append(f"  … and {len(self.found) - SHOWN} more")
        noun = "problem" if len(self.found) == 1 else "problems"
        raise ManifestError(
            "\n".join([f"{self.subject}: {len(self.found)} {noun} to mend:", *lines])
        )


def read_table(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a UTF-8 CSV file with a header, values stripped of blanks.

    Raises ManifestError when the file cannot be read, is not text, lacks a `required` column, or
    has rows whose required values are empty or that are longer than the header.
    """
    problems = Problems(str(path))
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in required if name not in header]
            if missing:
                raise ManifestError(
                    f"{path}: expected the columns {', '.join(required)}, "
                    f"missing {', '.join(missing)}, received {', '.join(header) or 'nothing'}"
                )
            for values in reader:
                if not any(value.strip() for value in values):
                    continue
                row = dict(zip(header, (value.strip() for value in values), strict=False))
                empty = [name for name in required if not row.get(name)]
                if empty:
                    problems.add(f"line {reader.line_num}: {', '.join(empty)} is empty")
                elif len(values) > len(header):
                    problems.add(
                        f"line {reader.line_num}: expected {len(header)} values, "
                        f"received {len(values)}"
                    )
                else:
                    yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(
            f"{path}: expected a readable CSV file in UTF-8, received {error}"
        ) from error
    problems.raise_if_any()
