"""A bundle measured on labelled karyograms that it never saw, and what of it goes to disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from screening import __version__
from screening.assess.cost import Minutes
from screening.assess.evaluation import (
    CaseRecord,
    Evaluation,
    PictureRecord,
    as_json,
    evaluate,
    promise_kept,
)
from screening.assess.evaluation_figures import draw_figures
from screening.assess.evaluation_page import (
    html_page,
    markdown_page,
    sections,
    selective_header,
    selective_values,
)
from screening.assess.labelled import (
    THRESHOLDS,
    LabelledCase,
    LabelledPicture,
    check_enough,
    read_pictures,
    routes_along,
    score_pictures,
    units_of,
)
from screening.assess.recognise import (
    RENAME,
    Sighting,
    compared,
    recognise,
    refuse_relabelled,
    told,
)
from screening.atomic import replace_files
from screening.bundle import Bundle
from screening.errors import ScreeningError
from screening.record import Picture
from screening.triage.cases import summarise_cases
from screening.triage.rule import Rule, judge
from screening.uncertainty.calibration import from_json
from screening.uncertainty.certificate import not_covered
from screening.words import counted
from screening.worklist.scorer import BundleScorer
from screening.worklist.tables import CsvValue, csv_text

LEAST = 5
"""Cases of each kind below which no interval says anything."""


@dataclass(frozen=True)
class Settings:
    """What is measured, how pictures are scored, and where it goes. The names are the options of
    `screening evaluate`: `data` manifest, `unit` what a case is (see `labelled`), `by` columns to
    group by; `rule` and `min_confidence` None: the bundle's; `prevalence` where the tool is to be
    used; `minutes` for a case opened first and for one of low priority."""

    data: Path
    out: Path
    unit: str = "auto"
    by: Sequence[str] | None = None
    rule: str | None = None
    min_confidence: float | None = None
    passes: int = 100
    seed: int = 0
    device: str = "auto"
    engine: str = "auto"
    batch_size: int = 8
    workers: int | None = None
    prevalence: float = 0.1
    minutes: Sequence[float] = (20.0, 10.0)
    force: bool = False
    quiet: bool = False


def measure(bundle: Bundle, settings: Settings) -> Evaluation:
    """Return what the bundle does on the labelled karyograms; tables and pages are written.

    What was scored is kept in the folder `out`. Raises ScreeningError for an unusable manifest,
    cases seen before (unless `force`), too few, or a folder that cannot be written.
    """
    pictures = read_pictures(settings.data, settings.unit, settings.by)
    units = units_of(pictures)
    check_enough(units, LEAST, "an evaluation")
    sightings = seen_before(bundle, pictures, settings.force)
    rule = Rule.of(bundle.info, settings.min_confidence, settings.rule)
    scorer = BundleScorer(
        bundle, settings.passes, settings.seed, settings.device, settings.batch_size,
        settings.engine,
    )  # fmt: skip
    results = score_pictures(pictures, bundle, scorer, settings.out, settings)
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
        settings.prevalence,
        Minutes(*settings.minutes),
    )
    evaluation = replace(evaluation, sightings=sightings, compared=compared(bundle.info))
    starts = [THRESHOLDS[int(np.argmax(row))] if row.any() else None for row in last]
    write(settings, bundle, rule, evaluation, shown, cases, starts)
    return evaluation


def seen_before(bundle: Bundle, pictures: Sequence[LabelledPicture], force: bool) -> list[Sighting]:
    """Return the pictures that trained or calibrated the bundle, which only `force` lets through.

    Raises ScreeningError without `force`, and for known files that have another label or case here.
    """
    sightings = recognise(bundle.info, pictures)
    refuse_relabelled(sightings)
    if sightings and not force:
        raise ScreeningError(
            f"{told(sightings)}; its figures would be too good. Leave them out, or use --force, "
            f"and every page says so. {RENAME}"
        )
    return sightings


def records(
    units: Sequence[LabelledCase], results: Mapping[str, Picture], rule: Rule
) -> tuple[list[PictureRecord], list[CaseRecord]]:
    """Return the pictures and the cases as they are routed, with their labels."""
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
            any(picture.pooled for picture in unit.pictures),
        )
        for unit in units
    ]  # fmt: skip
    return shown, cases


def _patients(cases: Sequence[CaseRecord]) -> str:
    people = len({case.patient for case in cases if not case.pooled})
    pooled = sum(case.pooled for case in cases)
    return f"{people}" + (f", and {counted(pooled, 'case')} pooled, nobody's" if pooled else "")


def write(
    settings: Settings,
    bundle: Bundle,
    rule: Rule,
    evaluation: Evaluation,
    shown: Sequence[PictureRecord],
    cases: Sequence[CaseRecord],
    starts: Sequence[float | None],
) -> None:
    """Write metrics.json, the tables, the figures and the pages; the page last."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    facts = (
        ("screening", __version__),
        ("bundle", f"{bundle.info.name}, sha256 {bundle.hash}"),
        ("cases", f"{len(cases)}, {sum(c.abnormal for c in cases)} of them abnormal"),
        ("patients", _patients(cases)),
        ("pictures", f"{len(shown)}, {sum(bool(len(p.p)) for p in shown)} of them judged"),
        ("rule", rule.name),
        ("threshold, minimum confidence", f"{rule.threshold:.4f}, {rule.min_confidence:.2f}"),
        ("passes, seed", f"{settings.passes}, {settings.seed}"),
        ("date (UTC)", date),
    )
    found = evaluation.sightings
    warnings = [f"Forced: {told(found)}. These figures are too good and prove nothing."]
    warnings *= bool(found)
    figures = draw_figures(evaluation, "; ".join(warnings))
    parts = sections(evaluation, bundle.info)
    warned = [*warnings, *doubts(bundle, rule, settings.passes, evaluation)]
    metrics = {
        "tool": "screening", "version": __version__, "intended_use": "research use only",
        "bundle": bundle.hash, "date": date, "forced": warnings,
        "warnings": warned,
        "rule": rule.name, "threshold": rule.threshold, "min_confidence": rule.min_confidence,
        "passes": settings.passes, "seed": settings.seed,
        "cases": len(cases), "pictures": len(shown),
        "promise": promise_kept(evaluation, bundle.info), **as_json(evaluation),
    }  # fmt: skip
    try:
        (settings.out / "figures").mkdir(parents=True, exist_ok=True)
        for name, png in figures.items():
            (settings.out / "figures" / name).write_bytes(png)
        replace_files(
            settings.out,
            {
                **tables(evaluation, shown, cases, starts),
                "metrics.json": json.dumps(metrics, indent=1, ensure_ascii=False) + "\n",
                "report.md": markdown_page(parts, facts, warned),
                "evaluation.html": html_page(parts, facts, warned, figures),
            },
        )
    except OSError as error:
        raise ScreeningError(
            f"cannot write the results into {settings.out} ({error.strerror}): what was scored is "
            "kept there, so free space and run again"
        ) from error


def doubts(bundle: Bundle, rule: Rule, passes: int, evaluation: Evaluation) -> list[str]:
    """Return why the bundle's promise may not be read from this evaluation, in words."""
    outside = not_covered(bundle.info.certificate, rule.threshold, rule.min_confidence, passes)
    drift = [str(one) for one in evaluation.drift if one.shifted]
    return [said for said in (bundle.info.trial_warning, *drift, outside) if said]


def tables(
    evaluation: Evaluation,
    shown: Sequence[PictureRecord],
    cases: Sequence[CaseRecord],
    starts: Sequence[float | None],
) -> dict[str, str]:
    """Return the CSV files by name: pictures, cases, confidences, cost.

    `starts`: the lowest threshold at which each case would be low-priority (None: at none).
    """
    confidence = {name: iter(values) for name, values in evaluation.confidence.items()}
    names = tuple(confidence)
    wrong = iter(evaluation.wrong)
    known = {s.picture: f"{s.role}: {s.by}" for s in evaluation.sightings}
    pictures: list[dict[str, CsvValue]] = []
    for p in shown:
        judged = bool(len(p.p))
        predicted = int(p.abnormal) ^ int(next(wrong)) if judged else None
        pictures.append(
            {"image": p.image, "case": p.case, "patient": p.patient, "abnormal": int(p.abnormal),
             "route": p.route, "p_abnormal": float(p.p.mean()) if judged else None,
             "predicted": predicted,
             **{name: float(next(confidence[name])) if judged else None for name in names},
             "recognised": known.get(p.image)}
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
         "recall_high": w.recall.high, "low_priority": w.low_priority.value, "opened": w.opened,
         "minutes": w.minutes, "npv": _cell(w.npv), "npv_low": _cell(w.npv_low)}
        for w in evaluation.cost
    ]  # fmt: skip
    return {
        "pictures.csv": csv_text(tuple(pictures[0]), pictures),
        "cases.csv": csv_text(tuple(routed[0]), routed),
        "confidences.csv": csv_text(header, ranked),
        "cost.csv": csv_text(tuple(cost[0]), cost),
    }


def _cell(value: object) -> str | int | float | None:
    if value is None or isinstance(value, float):
        return None if value != value else value
    return value if isinstance(value, int) else str(value)
