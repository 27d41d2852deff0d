"""Which confidence finds the errors: one table over evaluations, by laboratory or by model.

    python scripts/measure_selective.py --evaluated runs/known runs/unseen [--report selective]

Reads pictures.csv of folders that `screening evaluate` wrote, each a group of its own; ranks every
confidence over all of them and in each, and writes reports/NAME.md. Columns of other sources of
confidence (an ensemble's, a distance to training) can be joined with `--extra FILE.csv` (columns
image and one for each confidence, higher is surer).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from report_sections import ROOT, commit

from screening.uncertainty.selective import best_confidence, selective_rows, selective_table

KNOWN = ("image", "case", "patient", "abnormal", "route", "p_abnormal", "predicted")


def read(folder: Path) -> list[dict[str, str]]:
    """Return the judged pictures of an evaluation."""
    with (folder / "pictures.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["p_abnormal"]]


def joined(rows: list[dict[str, str]], extra: Path) -> list[dict[str, str]]:
    """Return the rows that the extra table knows, with its columns."""
    with extra.open(newline="", encoding="utf-8") as file:
        known = {row["image"]: row for row in csv.DictReader(file)}
    return [row | known[row["image"]] for row in rows if row["image"] in known]


def report(folders: Sequence[Path], extra: Path | None) -> str:
    """Return the report's text."""
    rows, groups = [], []
    for folder in folders:
        found = read(folder)
        found = joined(found, extra) if extra else found
        rows += found
        groups += [folder.name] * len(found)
    names = [name for name in rows[0] if name not in KNOWN]
    wrong = [int(row["abnormal"] != row["predicted"]) for row in rows]
    scores = {name: np.array([float(row[name]) for row in rows]) for name in names}
    table = selective_rows(wrong, scores, groups if len(folders) > 1 else None)
    listed = " ".join(folder.name for folder in folders)
    return (
        f"# Which confidence finds the errors\n\nCommand: `python scripts/measure_selective.py "
        f"--evaluated {listed}`; commit {commit()}.\n\n{len(rows)} pictures, "
        f"{sum(wrong)} errors. Lowest area under the risk–coverage curve over all: "
        f"**{best_confidence(table)}**. The fail rate is the share of errors among what the tool "
        f"keeps when a person takes over the least confident.\n\n{selective_table(table)}"
    )


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluated", type=Path, nargs="+", required=True)
    parser.add_argument("--extra", type=Path)
    parser.add_argument("--report", default="selective")
    parser.add_argument("--reports", type=Path, default=ROOT / "reports")
    args = parser.parse_args()
    to = args.reports / f"{args.report}.md"
    to.write_text(report(args.evaluated, args.extra), "utf-8")
    print(f"written to {to}")


if __name__ == "__main__":
    main()
