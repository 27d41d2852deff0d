"""What a bundle does on labelled cases: counts with exact intervals, ranking, calibration, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from math import isnan
from typing import Any

import numpy as np

from screening.assess.cost import Minutes, Workload, workload_curve
from screening.assess.recognise import Sighting
from screening.bundle_schema import BundleInfo
from screening.classes import ABNORMAL, LOW_PRIORITY
from screening.metrics import (
    Proportion,
    ReliabilityBin,
    RoutingSummary,
    auroc,
    brier,
    calibration_bias,
    calibration_error,
    debiased_calibration_error,
    log_loss,
    reliability,
    routing_summary,
)
from screening.uncertainty.calibration import Identity, Scaling
from screening.uncertainty.selective import SelectiveRow, confidences, selective_rows
from screening.uncertainty.shift import Drift, drift_from

ALL = "all"


@dataclass(frozen=True, eq=False)
class PictureRecord:
    """One labelled picture: `p` the fused p(abnormal) of each pass, (passes,), empty when it was
    not judged; `groups` column to value; `prediction` and `confidence` as the rule has them ("" and
    None: by the votes at the bundle's threshold)."""

    image: str
    case: str
    patient: str
    abnormal: bool
    route: str
    p: np.ndarray
    groups: Mapping[str, str] = field(default_factory=dict)
    prediction: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class CaseRecord:
    """One labelled case: `p_abnormal` the highest of its judged pictures, None without one;
    `pooled`: its chromosomes are of several people, so that it is no patient."""

    case: str
    patient: str
    abnormal: bool
    simulated: bool
    route: str
    p_abnormal: float | None
    groups: Mapping[str, str] = field(default_factory=dict)
    pooled: bool = False


@dataclass(frozen=True)
class Calibrated:
    """How far a score is from a probability. `ece` is biased upwards: a perfect score of as many
    pictures shows `ece_if_perfect`; `debiased` is the root mean squared error without that bias."""

    score: str
    pictures: int
    ece: float
    ece_if_perfect: float
    debiased: float
    brier: float
    log_loss: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything measured; see `evaluate`. `labels`, `scores`: of judged pictures, (n,), for the
    figures; `wrong` and `confidence` likewise. `sightings`: pictures that the bundle had seen,
    `compared`: with what, in words."""

    routing: list[RoutingSummary]
    ranking: list[tuple[str, float, int]]
    calibration: list[Calibrated]
    reliability: list[ReliabilityBin]
    selective: list[SelectiveRow]
    drift: list[Drift]
    cost: list[Workload]
    here: Workload
    prevalence: float
    minutes: Minutes
    simulated: int
    labels: np.ndarray
    scores: np.ndarray
    scaled: np.ndarray
    wrong: np.ndarray
    confidence: dict[str, np.ndarray]
    sightings: Sequence[Sighting] = ()
    compared: str = ""


def evaluate(
    pictures: Sequence[PictureRecord],
    cases: Sequence[CaseRecord],
    last: np.ndarray,
    thresholds: Sequence[float],
    info: BundleInfo,
    scaling: Scaling | None = None,
    prevalence: float = 0.1,
    minutes: Minutes | None = None,
) -> Evaluation:
    """Return what was measured on `cases` and `pictures`.

    `last`: bool (cases, thresholds), who is low-priority at each threshold; `scaling`: the bundle's
    (None: scores as they are); `prevalence`: share of abnormal cases where the tool is used. Both
    labels must be among the cases and among the judged pictures.
    """
    abnormal = np.array([case.abnormal for case in cases])
    judged = [picture for picture in pictures if len(picture.p)]
    labels = np.array([int(picture.abnormal) for picture in judged])
    p = np.array([picture.p for picture in judged], np.float64)
    scores = p.mean(axis=1)
    scaled = (scaling or Identity()).apply(scores)
    told = [q.confidence for q in judged]
    final = None if None in told else np.array(told, np.float64)
    predicted, confidence = confidences(
        p,
        info.threshold,
        scaled if scaling else None,
        [q.prediction == ABNORMAL for q in judged] if all(q.prediction for q in judged) else None,
    )
    if final is not None:
        confidence = {"final": final} | confidence
    wrong = (predicted != (labels == 1)).astype(int)
    grouped = _groups([case.groups for case in cases])
    here = workload_curve(
        _routed_last(cases)[abnormal], _routed_last(cases)[~abnormal], [info.threshold],
        prevalence, minutes,
    )[0]  # fmt: skip
    return Evaluation(
        routing=_routing(cases, grouped),
        ranking=_ranking(cases, grouped),
        calibration=[_calibrated("p(abnormal)", labels, scores)]
        + ([_calibrated("scaled by the bundle", labels, scaled)] if scaling else []),
        reliability=reliability(labels, scaled),
        selective=_selective(judged, wrong, confidence),
        drift=drift_from(info.calibration, scores, p.std(axis=1), len(pictures)),
        cost=workload_curve(last[abnormal], last[~abnormal], thresholds, prevalence, minutes),
        here=here,
        prevalence=prevalence,
        minutes=minutes or Minutes(),
        simulated=sum(case.simulated for case in cases),
        labels=labels,
        scores=scores,
        scaled=scaled,
        wrong=wrong,
        confidence=confidence,
    )


def promise_kept(evaluation: Evaluation, info: BundleInfo) -> str:
    """Return in words whether these cases speak against the bundle's certificate."""
    if info.certificate is None:
        return "The bundle holds no certificate."
    recall, promised = evaluation.here.recall, info.certificate.recall
    verdict = "contradict" if recall.high < promised else "do not contradict"
    return f"Promised recall {promised:g}; here {recall}: these cases {verdict} the promise."


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures as plain values for JSON; undefined ones are None."""
    keep = ("routing", "calibration", "reliability", "selective", "drift", "here")
    values = {name: _plain(getattr(evaluation, name)) for name in keep}
    values["ranking"] = [
        {"group": group, "auroc": _plain(area), "cases": n} for group, area, n in evaluation.ranking
    ]
    found = [_plain(sighting) for sighting in evaluation.sightings]
    values["recognised"] = {"compared": evaluation.compared, "pictures": found}
    return values | {"prevalence": evaluation.prevalence, "simulated": evaluation.simulated}


def _groups(groups: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    """Return "column: value" to who belongs to it, for columns that tell anything apart."""
    found: dict[str, np.ndarray] = {}
    for column in dict.fromkeys(name for group in groups for name in group):
        values = [group.get(column, "unknown") for group in groups]
        if len(set(values)) > 1:
            for value in sorted(set(values)):
                found[f"{column}: {value}"] = np.array([v == value for v in values])
    return found


def _routing(cases: Sequence[CaseRecord], grouped: dict[str, np.ndarray]) -> list[RoutingSummary]:
    everyone = {ALL: np.ones(len(cases), bool)} | grouped
    found = []
    for name, inside in everyone.items():
        members = [case for case, yes in zip(cases, inside, strict=True) if yes]
        found += routing_summary(
            [int(c.abnormal) for c in members], [c.route for c in members], [name] * len(members)
        )
    return found


def _ranking(
    cases: Sequence[CaseRecord], grouped: dict[str, np.ndarray]
) -> list[tuple[str, float, int]]:
    found = []
    for name, inside in ({ALL: np.ones(len(cases), bool)} | grouped).items():
        known = [
            (int(c.abnormal), c.p_abnormal)
            for c, yes in zip(cases, inside, strict=True)
            if yes and c.p_abnormal is not None
        ]
        area = float("nan")
        if known:
            area = auroc([label for label, _ in known], [p for _, p in known])
        found.append((name, area, len(known)))
    return found


def _calibrated(name: str, labels: np.ndarray, scores: np.ndarray) -> Calibrated:
    return Calibrated(
        name,
        len(labels),
        calibration_error(labels, scores),
        calibration_bias(scores),
        debiased_calibration_error(labels, scores),
        brier(labels, scores),
        log_loss(labels, scores),
    )


def _selective(
    judged: Sequence[PictureRecord], wrong: np.ndarray, confidence: dict[str, np.ndarray]
) -> list[SelectiveRow]:
    rows = selective_rows(wrong, confidence)
    for name, inside in _groups([picture.groups for picture in judged]).items():
        part = {score: values[inside] for score, values in confidence.items()}
        rows += selective_rows(wrong[inside], part, [name] * int(inside.sum()))[len(part) :]
    return rows


def _routed_last(cases: Sequence[CaseRecord]) -> np.ndarray:
    return np.array([case.route == LOW_PRIORITY for case in cases])[:, None]


def _plain(value: Any) -> Any:
    if isinstance(value, Proportion):
        return asdict(value) | {"value": _plain(value.value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return None if isnan(value) else float(value)
    return value
