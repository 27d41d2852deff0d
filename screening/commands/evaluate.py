"""`screening evaluate`: what a bundle does on labelled cases that it never saw."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from screening.commands.scoring_arguments import add_rule, add_scoring_arguments
from screening.commands.screen import check as check_scoring
from screening.errors import ScreeningError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from screening.assess.evaluation import CaseRecord, Evaluation, PictureRecord
    from screening.assess.labelled import LabelledCase, LabelledPicture
    from screening.bundle import Bundle
    from screening.record import Picture
    from screening.triage.rule import Rule

LEAST = 5
"""Cases of each kind below which no interval says anything."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command, with their defaults in the help text."""
    parser.add_argument(
        "--bundle", type=Path, help="trained model to measure (default: the one that ships with it)"
    )
    add_scoring_arguments(parser)
    add_rule(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--prevalence",
        type=float,
        default=0.1,
        help="share of abnormal cases where the tool is to be used (%(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        nargs=2,
        default=(20.0, 10.0),
        metavar=("FIRST", "LAST"),
        help="your minutes for a case opened first, and for one put last (20 10)",
    )
    parser.add_argument(
        "--by", nargs="*", metavar="COLUMN", help="columns of the manifest to group by"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="measure although the bundle has seen some of the cases; every page says so",
    )


def run(args: argparse.Namespace) -> int:
    """The exit status: 0 when the pages are written.

    Raises ScreeningError for wrong values, an unusable bundle or manifest, or cases seen before.
    """
    check(args)
    import numpy as np

    from screening.assess.cost import Minutes
    from screening.assess.evaluation import evaluate
    from screening.assess.labelled import (
        THRESHOLDS,
        check_enough,
        read_pictures,
        routes_along,
        score_pictures,
        units_of,
    )
    from screening.bundle import default_bundle, load_bundle
    from screening.triage.rule import Rule
    from screening.uncertainty.calibration import from_json
    from screening.worklist.scorer import BundleScorer

    bundle = load_bundle(args.bundle or default_bundle())
    pictures = read_pictures(args.data, args.unit, args.by)
    units = units_of(pictures)
    check_enough(units, LEAST, "an evaluation")
    warnings = seen_before(bundle, pictures, args.force)
    rule = Rule.of(bundle.info, args.min_confidence, args.rule)
    scorer = BundleScorer(bundle, args.passes, args.seed, args.device, args.batch_size)
    results = score_pictures(pictures, bundle, scorer, args.out, args)
    shown, cases = records(units, results, rule)
    last, _ = routes_along(units, results, rule)
    calibration = bundle.info.calibration
    labels = {picture.abnormal for picture in shown if len(picture.p)}
    if len(labels) < 2:
        raise ScreeningError("no picture of one label could be judged: nothing to measure")
    evaluation = evaluate(
        shown,
        cases,
        last,
        THRESHOLDS,
        bundle.info,
        from_json(calibration.scaling) if calibration else None,
        args.prevalence,
        Minutes(*args.minutes),
    )
    starts = [THRESHOLDS[int(np.argmax(row))] if row.any() else None for row in last]
    write(args, bundle, rule, evaluation, shown, cases, starts, warnings)
    if not args.quiet:
        here = evaluation.here
        print(f"Abnormal cases not put last: {here.recall}")
        print(f"Normal cases put last: {here.cleared}")
        print(f"Page: {args.out / 'evaluation.html'}")
    return 0


def check(args: argparse.Namespace) -> None:
    """Raises one ScreeningError that names every value out of range."""
    problems = []
    if not 0 < args.prevalence < 1:
        problems.append(f"--prevalence expects 0 to 1, received {args.prevalence}")
    first, last = args.minutes
    if not 0 <= last <= first:
        problems.append(f"--minutes expects FIRST >= LAST >= 0, received {first} {last}")
    if args.out.exists() and not args.out.is_dir():
        problems.append(f"--out expects a folder, {args.out} is a file")
    try:
        check_scoring(args)
    except ScreeningError as error:
        problems.append(str(error))
    if problems:
        raise ScreeningError("; ".join(problems))


def seen_before(bundle: Bundle, pictures: Sequence[LabelledPicture], force: bool) -> list[str]:
    """The warning when cases trained or calibrated the bundle, which `force` lets through.

    Raises ScreeningError without `force`.
    """
    from screening.uncertainty.certificate import overlap

    images, patients = overlap(
        bundle.info, [p.sha256 for p in pictures], [p.hash for p in pictures]
    )
    if not images and not patients:
        return []
    seen = f"{patients} patients and {images} pictures here have trained or calibrated this bundle"
    if not force:
        raise ScreeningError(
            f"{seen}: its figures would be too good. Leave them out, or use --force, and every "
            "page says so"
        )
    return [f"Forced: {seen}. These figures are too good and prove nothing."]


def records(
    units: Sequence[LabelledCase], results: Mapping[str, Picture], rule: Rule
) -> tuple[list[PictureRecord], list[CaseRecord]]:
    """The pictures and the cases as they are routed, with their labels."""
    from screening.assess.evaluation import CaseRecord, PictureRecord
    from screening.triage.cases import summarise_cases
    from screening.triage.rule import judge

    shown, cells = [], []
    for unit in units:
        for picture in unit.pictures:
            verdict = judge(rule, results[picture.id])
            shown.append(
                PictureRecord(
                    picture.id, unit.name, picture.hash, picture.abnormal, verdict.route,
                    verdict.p, picture.groups, verdict.prediction, verdict.confidence,
                )
            )  # fmt: skip
            # Routed by the verdicts alone: what cells show together is for a person.
            cells.append(
                replace(results[picture.id], case=unit.name, verdict=verdict, reading=None)
            )
    routed = {case.case: case for case in summarise_cases(cells, rule)}
    cases = [
        CaseRecord(
            unit.name, unit.patient, unit.abnormal, unit.simulated, routed[unit.name].route,
            routed[unit.name].p_abnormal, unit.pictures[0].groups,
        )
        for unit in units
    ]  # fmt: skip
    return shown, cases


def write(
    args: argparse.Namespace,
    bundle: Bundle,
    rule: Rule,
    evaluation: Evaluation,
    shown: Sequence[PictureRecord],
    cases: Sequence[CaseRecord],
    starts: Sequence[float | None],
    warnings: Sequence[str],
) -> None:
    """Writes metrics.json, the tables, the figures and the pages; the page last."""
    from screening import __version__
    from screening.assess.evaluation import as_json, promise_kept
    from screening.assess.evaluation_figures import draw_figures
    from screening.assess.evaluation_page import html_page, markdown_page, sections
    from screening.atomic import replace_files

    date = datetime.now(UTC).isoformat(timespec="seconds")
    facts = (
        ("screening", __version__),
        ("bundle", f"{bundle.info.name}, sha256 {bundle.hash}"),
        ("cases", f"{len(cases)}, {sum(c.abnormal for c in cases)} of them abnormal"),
        ("patients", str(len({c.patient for c in cases}))),
        ("pictures", f"{len(shown)}, {sum(bool(len(p.p)) for p in shown)} of them judged"),
        ("rule", rule.name),
        ("threshold, minimum confidence", f"{rule.threshold:.4f}, {rule.min_confidence:.2f}"),
        ("passes, seed", f"{args.passes}, {args.seed}"),
        ("date (UTC)", date),
    )
    figures = draw_figures(evaluation, "; ".join(warnings))
    parts = sections(evaluation, bundle.info)
    told = [*warnings, *doubts(bundle, rule, args.passes, evaluation)]
    metrics = {
        "tool": "screening", "version": __version__, "intended_use": "research use only",
        "bundle": bundle.hash, "date": date, "forced": list(warnings),
        "warnings": told,
        "rule": rule.name, "threshold": rule.threshold, "min_confidence": rule.min_confidence,
        "passes": args.passes, "seed": args.seed, "cases": len(cases), "pictures": len(shown),
        "promise": promise_kept(evaluation, bundle.info), **as_json(evaluation),
    }  # fmt: skip
    try:
        (args.out / "figures").mkdir(parents=True, exist_ok=True)
        for name, png in figures.items():
            (args.out / "figures" / name).write_bytes(png)
        replace_files(
            args.out,
            {
                **tables(evaluation, shown, cases, starts),
                "metrics.json": json.dumps(metrics, indent=1, ensure_ascii=False) + "\n",
                "report.md": markdown_page(parts, facts, told),
                "evaluation.html": html_page(parts, facts, told, figures),
            },
        )
    except OSError as error:
        raise ScreeningError(
            f"cannot write the results into {args.out} ({error.strerror}): what was scored is kept "
            "there, so free space and run again"
        ) from error


def doubts(bundle: Bundle, rule: Rule, passes: int, evaluation: Evaluation) -> list[str]:
    """Why the bundle's promise may not be read from this evaluation, in words."""
    from screening.uncertainty.certificate import not_covered

    outside = not_covered(bundle.info.certificate, rule.threshold, rule.min_confidence, passes)
    return [str(d) for d in evaluation.drift if d.shifted] + ([outside] if outside else [])


def tables(
    evaluation: Evaluation,
    shown: Sequence[PictureRecord],
    cases: Sequence[CaseRecord],
    starts: Sequence[float | None],
) -> dict[str, str]:
    """The CSV files by name: pictures, cases, confidences, cost.

    `starts`: the lowest threshold at which each case would be put last (None: at none).
    """
    from screening.assess.evaluation_page import selective_header, selective_values
    from screening.worklist.tables import csv_text

    confidence = {name: iter(values) for name, values in evaluation.confidence.items()}
    names = tuple(confidence)
    wrong = iter(evaluation.wrong)
    pictures = []
    for p in shown:
        judged = bool(len(p.p))
        predicted = int(p.abnormal) ^ int(next(wrong)) if judged else None
        pictures.append(
            {"image": p.image, "case": p.case, "patient": p.patient, "abnormal": int(p.abnormal),
             "route": p.route, "p_abnormal": float(p.p.mean()) if judged else None,
             "predicted": predicted}
            | {name: float(next(confidence[name])) if judged else None for name in names}
        )  # fmt: skip
    routed = [
        {"case": c.case, "patient": c.patient, "abnormal": int(c.abnormal),
         "simulated": int(c.simulated), "route": c.route, "p_abnormal": c.p_abnormal,
         "last_from": start}
        for c, start in zip(cases, starts, strict=True)
    ]  # fmt: skip
    header = selective_header()
    ranked = [
        dict(zip(header, (_cell(v) for v in selective_values(row)), strict=True))
        for row in evaluation.selective
    ]
    cost = [
        {"threshold": w.threshold, "recall": w.recall.value, "recall_low": w.recall.low,
         "recall_high": w.recall.high, "cleared": w.cleared.value, "opened": w.opened,
         "minutes": w.minutes, "npv": _cell(w.npv), "npv_low": _cell(w.npv_low)}
        for w in evaluation.cost
    ]  # fmt: skip
    columns = ("image", "case", "patient", "abnormal", "route", "p_abnormal", "predicted", *names)
    return {
        "pictures.csv": csv_text(columns, pictures),
        "cases.csv": csv_text(tuple(routed[0]), routed),
        "confidences.csv": csv_text(header, ranked),
        "cost.csv": csv_text(tuple(cost[0]), cost),
    }


def _cell(value: object) -> str | int | float | None:
    if value is None or isinstance(value, float):
        return None if value != value else value
    return value if isinstance(value, int) else str(value)
