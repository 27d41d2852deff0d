"""How often an error is told with a confidence of 0.99 or more: by votes, and calibrated.

    python scripts/measure_confidence.py --data DATA [--most 200] [--repeats 40]

Again and again half of the patients of the calibration part, drawn at random, give the Venn–Abers
confidences and the other half is measured, under both rules and with the same votes. Writes
reports/confidence.md. An error is a picture named wrongly or an abnormal one made low-priority.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from measured_pages import add_page_arguments, pages_of
from report_header import begin, write

from screening.assess.labelled import LabelledPicture
from screening.classes import ABNORMAL, CALIBRATED, FLAG, LOW_PRIORITY, VOTES
from screening.metrics import markdown_table
from screening.record import Picture, Verdict
from screening.triage.rule import Rule, judge
from screening.uncertainty.selective import OVERSURE
from screening.uncertainty.venn_abers import VennAbers

COUNTED = ("pictures", "errors", "oversure errors", "abnormal", "flagged", "missed", "normal",
           "low-priority", "falsely flagged", "at 0.95 or more", "errors among these",
           "mean confidence")  # fmt: skip


def halves(
    pictures: Sequence[LabelledPicture],
    results: Mapping[str, Picture],
    rule: Rule,
    repeats: int,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return mean counts of COUNTED over `repeats` random halves of the patients, by rule, and the
    share of the errors of each half that are oversure, by rule (halves without an error left out).

    `rule` is that of votes.
    """
    by_votes = {p.id: judge(rule, results[p.id]) for p in pictures}
    judged = [p for p in pictures if by_votes[p.id].p_abnormal is not None]
    patients = sorted({p.hash for p in judged})
    counts: dict[str, list[np.ndarray]] = {CALIBRATED: [], VOTES: []}
    for _ in range(repeats):
        fitted = set(rng.permutation(patients)[: len(patients) // 2])
        inside = [p for p in judged if p.hash in fitted]
        if len({p.abnormal for p in inside}) < 2:
            continue
        venn_abers = VennAbers.fit(
            [by_votes[p.id].p_abnormal for p in inside],
            [int(p.abnormal) for p in inside],
            [p.hash for p in inside],
        )
        told = replace(rule, venn_abers=venn_abers)
        outside = [p for p in judged if p.hash not in fitted]
        calibrated = [judge(told, results[p.id]) for p in outside]
        counts[CALIBRATED].append(_counted(outside, calibrated))
        counts[VOTES].append(_counted(outside, [by_votes[p.id] for p in outside]))
    tables = {name: np.array(rows) for name, rows in counts.items()}
    some = {name: table[table[:, 1] > 0] for name, table in tables.items()}
    return (
        {name: table.mean(axis=0) for name, table in tables.items()},
        {name: table[:, 2] / table[:, 1] for name, table in some.items()},
    )


def _counted(pictures: Sequence[LabelledPicture], judged: Sequence[Verdict]) -> np.ndarray:
    total = np.zeros(len(COUNTED))
    for picture, decision in zip(pictures, judged, strict=True):
        missed = picture.abnormal and decision.route == LOW_PRIORITY
        wrong = missed or (decision.prediction == ABNORMAL) != picture.abnormal
        flagged, last = decision.route == FLAG, decision.route == LOW_PRIORITY
        confidence = decision.confidence or 0.0
        sure, rather = confidence >= OVERSURE - 1e-9, confidence >= 0.95 - 1e-9
        normal = not picture.abnormal
        total += [
            1, wrong, wrong and sure, not normal, flagged and not normal, missed, normal,
            last and normal, flagged and normal, rather, wrong and rather, confidence,
        ]  # fmt: skip
    total[-1] /= max(1, len(pictures))
    return total


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument("--repeats", type=int, default=40)
    args = parser.parse_args()
    commit, pages = begin(args), pages_of(args)
    part = pages.part("calibration")
    results = {one.id: found for one, found in zip(part.labelled, part.pictures, strict=True)}
    rule = Rule.of(pages.bundle.info, name=VOTES)
    counts, shown = halves(part.labelled, results, rule, args.repeats, np.random.default_rng(0))
    lines = []
    for name, row in counts.items():
        shares = shown[name]
        middle = f"{row[2] / row[1]:.3f} ({np.quantile(shares, 0.9):.3f})" if len(shares) else "–"
        numbers = [f"{value:.1f}" for value in row[:-1]]
        lines.append((name, *numbers, f"{row[-1]:.3f}", f"{1 - row[1] / row[0]:.3f}", middle))
    header = (
        "rule",
        *COUNTED,
        "share right",
        "share of errors that are oversure (9 of 10 halves: at most)",
    )
    text = (
        f"{pages.said()} {len(part.labelled)} karyograms of "
        f"{len({p.hash for p in part.labelled})} calibration patients; {args.repeats} times half "
        "of the patients calibrate and the other half is measured: mean counts. Oversure: a "
        f"confidence of {OVERSURE} or more. An error is a picture named wrongly or an abnormal one "
        "made low-priority. Half of the patients support no confidence above n / (n + 1), however "
        "clear it looks.\n\n"
    )
    title = "Errors told with great confidence"
    body = text + markdown_table(header, lines)
    write(args, "confidence.md", title, commit, pages.bundle, args.data, body)


if __name__ == "__main__":
    main()
