"""A threshold with a guarantee: what labelled karyograms that a bundle never saw earn for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

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
from screening.assess.recognise import CALIBRATED as LOOKED_AT
from screening.assess.recognise import (
    RENAME,
    TRAINED,
    Sighting,
    files_of,
    recognise,
    refuse_relabelled,
    told,
)
from screening.bundle import MODEL_CARD, Bundle, rewrite_bundle
from screening.bundle_schema import BundleInfo, CalibrationInfo, CertificateInfo, Scope
from screening.classes import CALIBRATED, LABELLED, VOTES
from screening.data.tables import Problems
from screening.errors import ImageError, ScreeningError
from screening.images.read import read_image
from screening.promises import certificate_sentence
from screening.record import Picture
from screening.triage.rule import Rule, judge
from screening.uncertainty import calibration
from screening.uncertainty.certificate import data_hash
from screening.uncertainty.risk_control import (
    Certificate,
    NotCertified,
    Promise,
    certify,
    certify_pair,
    needed_units,
)
from screening.uncertainty.shift import kept_scores
from screening.uncertainty.venn_abers import VennAbers

LEAST = 10
"""Cases of each kind below which calibration says nothing."""
OWN: Literal["own"] = "own"


@dataclass(frozen=True)
class Terms:
    """What is to be promised, of which pictures, and how these are scored.

    `data`: manifest; `unit`: what a case is (see `labelled`); `recall`, `confidence`: the promise;
    `at_most`: highest threshold to choose, or `own`: the bundle's; `max_false_flags`: also certify
    a threshold for flag; `recalibrate`: take the confidences from these cases though the bundle has
    its own. The names are those of `screening tune`.
    """

    data: Path
    recall: float = 0.99
    confidence: float = 0.95
    unit: str = "auto"
    rule: str = CALIBRATED
    min_confidence: float | None = None
    max_false_flags: float | None = None
    at_most: float | Literal["own"] = OWN
    recalibrate: bool = False
    cluster: str = "bet"
    passes: int = 100
    seed: int = 0
    device: str = "auto"
    engine: str = "auto"
    batch_size: int = 8
    workers: int | None = None
    quiet: bool = True


class Earned(NamedTuple):
    """The bundle's info with a certified threshold and its calibration (None: nothing can be
    promised), the outcome in words, the cases, what the bundle says of their pictures, and which of
    them had calibrated it before."""

    info: BundleInfo | None
    words: str
    units: Sequence[LabelledCase]
    results: Mapping[str, Picture]
    sightings: Sequence[Sighting]


def earned(
    bundle: Bundle,
    args: Terms,
    folder: Path,
    before: BundleInfo | None = None,
    scope: Scope = LABELLED,
    more_looks: int = 0,
) -> Earned:
    """Return what the data earn for the bundle; `folder` keeps what was scored.

    The threshold for flag stays where it is and caps that for low priority, or what is flagged
    could be low-priority. `before`: of the bundle whose certificate may have looked at the same
    people (None: this one); `scope`: what is abnormal in the data, see `CertificateInfo`;
    `more_looks`: looks at these people that no bundle tells of. ScreeningError: data that cannot
    calibrate this bundle.
    """
    most = bundle.info.threshold if args.at_most == OWN else float(args.at_most)
    fused = bundle.info.fusion
    args = replace(args, at_most=min(most, (fused and fused.flag_threshold) or 1.0))
    pictures = read_pictures(args.data, args.unit)
    units = units_of(pictures)
    refuse_pooled(args.data, pictures)
    check_enough(units, LEAST, needs(args))
    sightings = refuse_training(bundle, pictures)
    refuse_two_names(args.data, pictures)
    # An earlier certificate's threshold for flag must not hide what a new one could be. Certified
    # are the votes; the calibrated rule makes low-priority and flags nothing that they would not.
    rule = replace(Rule.of(bundle.info, args.min_confidence, VOTES), flag_threshold=None)
    results = _scored(bundle, pictures, args, folder)
    kept = bundle.info.calibration
    new = args.recalibrate or kept is None or not kept.points
    shown = calibration_of(pictures, results, rule) if new or kept is None else kept
    before = before or bundle.info
    shown = _remembering(shown, before.calibration, pictures)
    venn_abers = VennAbers(shown.points) if args.rule == CALIBRATED else None
    looks = looks_at(before, pictures) + more_looks
    certificate, threshold, words = certificate_of(
        units, results, rule, args, venn_abers, scope=scope, looks=looks
    )
    if certificate is None:
        return Earned(None, words, units, results, sightings)
    changes = {
        "threshold": threshold, "min_confidence": rule.min_confidence, "rule": args.rule,
        "certificate": certificate, "calibration": shown,
    }  # fmt: skip
    return Earned(bundle.info.model_copy(update=changes), words, units, results, sightings)


def calibrated(bundle: Bundle, args: Terms, folder: Path) -> Bundle:
    """Return the bundle with confidences from the pages of `args.data`, several of each person.

    ScreeningError: data that cannot calibrate this bundle.
    """
    pictures = read_pictures(args.data, args.unit)
    refuse_pooled(args.data, pictures)
    refuse_training(bundle, pictures)
    results = _scored(bundle, pictures, args, folder)
    shown = calibration_of(pictures, results, Rule.of(bundle.info, args.min_confidence, VOTES))
    known = {"calibration": _remembering(shown, None, pictures)}
    return replace(bundle, info=bundle.info.model_copy(update=known))


def scored(
    bundle: Bundle, args: Terms, folder: Path
) -> tuple[list[LabelledPicture], list[Picture]]:
    """Return the labelled pictures and what the bundle says of each; `folder` keeps the latter."""
    pictures = read_pictures(args.data, args.unit)
    results = _scored(bundle, pictures, args, folder)
    return pictures, [results[picture.id] for picture in pictures]


def _scored(
    bundle: Bundle, pictures: Sequence[LabelledPicture], args: Terms, folder: Path
) -> dict[str, Picture]:
    from screening.worklist.scorer import BundleScorer

    scorer = BundleScorer(bundle, args.passes, args.seed, args.device, args.batch_size, args.engine)
    return score_pictures(pictures, bundle, scorer, folder, args)


def _remembering(
    shown: CalibrationInfo, kept: CalibrationInfo | None, pictures: Sequence[LabelledPicture]
) -> CalibrationInfo:
    """Return the calibration with all that it or `kept` has seen, and these pictures."""
    seen = [known for known in (shown, kept) if known is not None]
    labels = {name: label for known in seen for name, label in known.labels.items()}
    labels |= files_of(pictures)["labels"]
    images = {name for known in seen for name in known.images} | labels.keys()
    cases = {name for known in seen for name in known.cases} | {p.hash for p in pictures}
    sources = {name for known in seen for name in known.sources} | {p.source for p in pictures}
    changes = {
        "images": tuple(sorted(images)), "labels": dict(sorted(labels.items())),
        "cases": tuple(sorted(cases)), "sources": tuple(sorted(sources - {""})),
    }  # fmt: skip
    return shown.model_copy(update=changes)


def needs(args: Terms) -> str:
    """Return what the promise asked for takes, in words that an error can begin with."""
    promise = Promise(args.recall, args.confidence)
    none, one = needed_units(promise), needed_units(promise, 1)
    return (
        f"a recall of {args.recall:g} takes {none} abnormal cases of different patients without a "
        f"miss ({one} with one); tuning"
    )


def refuse_training(bundle: Bundle, pictures: Sequence[LabelledPicture]) -> list[Sighting]:
    """Return what has calibrated the bundle before; ScreeningError when pictures or patients have
    trained it, or a manifest calls a known file by another label or case."""
    sightings = recognise(bundle.info, pictures)
    trained = [s for s in sightings if s.role == TRAINED]
    if trained:
        raise ScreeningError(
            f"{told(trained)}; a promise takes patients that it never saw: leave them out. {RENAME}"
        )
    refuse_relabelled(sightings)
    return sightings


def refuse_pooled(location: Path, pictures: Sequence[LabelledPicture]) -> None:
    """Raise ManifestError that names the pooled cells: a promise counts people, they are none."""
    problems = Problems(str(location))
    for picture in pictures:
        if picture.pooled:
            problems.add(f"{picture.id} shows a cell pooled from several people, no patient's")
    problems.raise_if_any()


def refuse_two_names(location: Path, pictures: Sequence[LabelledPicture]) -> None:
    """Raise ManifestError that names the pictures which show the very same under two patients."""
    problems = Problems(str(location))
    first: dict[bytes, LabelledPicture] = {}
    for picture in pictures:
        try:
            grey = read_image(picture.path, frame=picture.frame)
        except ImageError:
            continue  # scoring says so, and sends it to a person
        content = hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).digest()
        other = first.setdefault(content, picture)
        if other.patient != picture.patient:
            problems.add(
                f"{picture.id} of {picture.patient} and {other.id} of {other.patient} show the "
                "same: one person would count twice"
            )
    problems.raise_if_any()


def looks_at(before: BundleInfo, pictures: Sequence[LabelledPicture]) -> int:
    """Return how often people of these have been looked at for a promise, this time included."""
    certificate = before.certificate
    known = any(s.role == LOOKED_AT for s in recognise(before, pictures))
    return certificate.looks + 1 if certificate is not None and known else 1


def certificate_of(
    units: Sequence[LabelledCase],
    results: Mapping[str, Picture],
    rule: Rule,
    args: Terms,
    venn_abers: VennAbers | None = None,
    scope: Scope = LABELLED,
    looks: int = 1,
) -> tuple[CertificateInfo | None, float, str]:
    """Return the certificate or None, the threshold it is for, and the outcome in words.

    `rule`: of votes, which is certified; with `venn_abers` the low-priority normal cases are
    counted by the calibrated rule. People are told apart by their names whatever the source: one
    who stands under two sources counts once, and two who share a name count less than they could.
    """
    at_most = rule.threshold if args.at_most == OWN else float(args.at_most)
    thresholds = sorted({*THRESHOLDS, *([at_most] if at_most < 1 else [])})
    last, flagged = routes_along(units, results, rule, thresholds)
    # Testing goes up the path and stops at the first threshold that fails: this one must.
    last[:, np.asarray(thresholds) > at_most] = True
    abnormal = np.array([unit.abnormal for unit in units])
    patients = [unit.pictures[0].patient for unit in units]
    ill = [p for p, yes in zip(patients, abnormal, strict=True) if yes]
    well = [p for p, yes in zip(patients, abnormal, strict=True) if not yes]
    promise = Promise(args.recall, args.confidence)
    flag: Certificate | NotCertified | None = None
    if args.max_false_flags is None:
        low = certify(last[abnormal], thresholds, promise, ill, args.cluster)
    else:
        low, flag = certify_pair(
            last[abnormal], flagged[~abnormal], thresholds, promise, args.max_false_flags,
            (ill, well), args.cluster,
        )  # fmt: skip
    if isinstance(low, NotCertified):
        return None, 0.0, f"{low}. Nothing is promised."
    flagging = flag if isinstance(flag, Certificate) else None
    runs = replace(rule, venn_abers=venn_abers)
    normal = [unit for unit in units if not unit.abnormal]
    low_priority, _ = routes_along(normal, results, runs, [low.threshold])
    info = CertificateInfo(
        recall=args.recall,
        confidence=args.confidence,
        threshold=low.threshold,
        min_confidence=rule.min_confidence,
        passes=args.passes,
        flag_threshold=flagging.threshold if flagging else None,
        most_false_flags=args.max_false_flags if flagging else None,
        normal=len(normal),
        abnormal=low.cases,
        patients=len(set(ill)),
        simulated=sum(unit.abnormal and unit.simulated for unit in units),
        composed=sum(all(p.composed for p in unit.pictures) for unit in normal),
        missed=round(low.missed, 6),
        low_priority=int(low_priority.sum()),
        bound=low.bound,
        scope=scope,
        looks=looks,
        method=low.method,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        data_hash=data_hash(
            (p.sha256, "abnormal" if p.abnormal else "normal", unit.name)
            for unit in units
            for p in unit.pictures
        ),
    )
    words = certificate_sentence(info)
    if isinstance(flag, NotCertified):
        words += (
            f"\nNo threshold for flag: at most {args.max_false_flags:g} of normal cases flagged "
            f"cannot be certified with {flag.units} of them, {flag.needed} without one would do."
        )
    if not info.low_priority:
        words += "\nThe promise is kept with no normal case of low priority: it saves no work."
    return info, low.threshold, words


def calibration_of(
    pictures: Sequence[LabelledPicture], results: Mapping[str, Picture], rule: Rule
) -> CalibrationInfo:
    """Return what the calibration cases showed; ScreeningError when one label was never judged."""
    verdicts = [(p, judge(rule, results[p.id])) for p in pictures]
    judged = [(p, verdict) for p, verdict in verdicts if verdict.p_abnormal is not None]
    scores = [v.p_abnormal for _, v in verdicts if v.p_abnormal is not None]
    labels = [int(p.abnormal) for p, _ in judged]
    if len(set(labels)) < 2:
        raise ScreeningError("no picture of one label could be judged: nothing to calibrate on")
    patients = [p.patient for p, _ in judged]
    try:
        choice = calibration.choose(scores, labels, patients)
    except ValueError as error:  # a fold of patients holds all of one label
        ill, well = ({q for q, y in zip(patients, labels, strict=True) if y == x} for x in (1, 0))
        raise ScreeningError(
            f"{len(ill)} abnormal and {len(well)} normal patients are too few to calibrate on: "
            f"expected {LEAST} of each"
        ) from error
    kept = {
        name: {
            label: kept_scores([getattr(v, name) for p, v in judged if p.abnormal == yes])
            for label, yes in (("normal", False), ("abnormal", True))
        }
        for name in ("p_abnormal", "p_std")
    }
    return CalibrationInfo(
        scaling=calibration.to_json(choice.scaling),
        prevalence=sum(labels) / len(labels),
        points=VennAbers.fit(scores, labels, patients).points,
        scores=kept,
        unread=len(verdicts) - len(judged),
        pictures=len(verdicts),
        images=(),
        cases=(),
    )


def write_tuned(bundle: Bundle, info: BundleInfo, folder: Path, routes: str = "") -> Path:
    """Write the bundle with another `info` to `folder`, whole or not at all; return `folder`.

    `routes`: for its card, how it routes the cases that earned the promise (markdown).
    """
    try:
        path = bundle.folder / MODEL_CARD
        before = path.read_text("utf-8").split("\n## Certificate\n")[0] if path.is_file() else ""
        said = certificate_sentence(info.certificate)
        card = f"{before.rstrip()}\n\n## Certificate\n\n{said}\n{routes}"
        rewrite_bundle(bundle, info, folder, card=card)
    except OSError as error:
        raise ScreeningError(f"cannot write the bundle {folder} ({error.strerror})") from error
    return folder
