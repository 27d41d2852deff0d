"""Which confidence finds the errors: one table over parts of pages, by laboratory.

    python scripts/measure_selective.py --data DATA [--most 200]

Ranks every confidence of `screening evaluate` over the pages of all parts and in each, and writes
reports/selective.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from measured_pages import add_page_arguments, pages_of
from report_header import begin, write

from screening.assess.evaluation import evaluate
from screening.assess.labelled import THRESHOLDS, routes_along, units_of
from screening.assess.measurement import records
from screening.triage.rule import Rule
from screening.uncertainty.calibration import from_json
from screening.uncertainty.selective import best_confidence, selective_rows, selective_table

Scored = tuple[np.ndarray, Mapping[str, np.ndarray]]
"""Of the judged pictures of a part: wrong (1) or right, and every confidence by name."""


def table_of(parts: Mapping[str, Scored]) -> str:
    """Return the table over all parts and in each, and what it says."""
    wrong = np.concatenate([part for part, _ in parts.values()])
    names = next(iter(parts.values()))[1]
    joined = {name: np.concatenate([c[name] for _, c in parts.values()]) for name in names}
    groups = [name for name, (part, _) in parts.items() for _ in part]
    table = selective_rows(wrong, joined, groups if len(parts) > 1 else None)
    return (
        f"{len(wrong)} judged pictures, {wrong.sum()} errors. Lowest area under the "
        f"risk–coverage curve over all: **{best_confidence(table)}**. The fail rate is the share "
        "of errors among what the tool keeps when a person takes over the least confident.\n\n"
        f"{selective_table(table)}"
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument("--parts", nargs="+", default=["test-plain", "unseen-plain"])
    args = parser.parse_args()
    commit, pages = begin(args), pages_of(args)
    info = pages.bundle.info
    rule, parts = Rule.of(info), {}
    for name in pages.with_people(args.parts):
        part = pages.part(name)
        results = {one.id: found for one, found in zip(part.labelled, part.pictures, strict=True)}
        units = units_of(part.labelled)
        shown, cases = records(units, results, rule)
        last, _ = routes_along(units, results, rule)
        scaling = from_json(info.calibration.scaling) if info.calibration else None
        found = evaluate(shown, cases, last, THRESHOLDS, info, scaling)
        parts[name] = (found.wrong, found.confidence)
    body = f"{pages.said()} {table_of(parts)}"
    title = "Which confidence finds the errors"
    write(args, "selective.md", title, commit, pages.bundle, args.data, body)


if __name__ == "__main__":
    main()
