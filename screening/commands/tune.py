"""`screening tune`: a threshold with a guarantee, into the bundle."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from screening.commands.scoring_arguments import add_rule, add_scoring_arguments
from screening.commands.screen import check as check_scoring
from screening.errors import ScreeningError
from screening.triage.policy import CALIBRATED, VOTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from screening.assess.labelled import LabelledCase, LabelledPicture
    from screening.bundle import Bundle
    from screening.bundle_schema import BundleInfo, CalibrationInfo, CertificateInfo
    from screening.record import Picture
    from screening.triage.rule import Rule
    from screening.uncertainty.risk_control import Certificate, NotCertified
    from screening.uncertainty.venn_abers import VennAbers

NOT_CERTIFIED = 3
"""Exit status when nothing could be promised; the bundle stays as it was."""
LEAST = 10
"""Cases of each kind below which calibration says nothing."""
OWN = "own"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command, with their defaults in the help text."""
    parser.add_argument("bundle", type=Path, help="bundle, or the folder of a run that holds one")
    add_scoring_arguments(parser)
    add_rule(parser, CALIBRATED)
    parser.add_argument(
        "--recall",
        type=float,
        default=0.99,
        help="least share of abnormal cases not to be put last (%(default)s)",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.95,
        help="certainty of that promise (%(default)s)",
    )
    parser.add_argument(
        "--max-false-flags",
        type=float,
        help="also certify a threshold for flag: most normal cases flagged, e.g. 0.05 (takes half "
        "of the allowed error)",
    )
    parser.add_argument(
        "--at-most",
        type=_limit,
        default=1.0,
        metavar="THRESHOLD",
        help="choose no threshold above this one, or above the bundle's (own), whatever the "
        "promise would allow: calibration cases may lack an abnormality that yours have "
        "(default: no limit)",
    )
    parser.add_argument(
        "--cluster",
        choices=("bet", "mean", "any"),
        default="bet",
        help="how several abnormal cases of a patient count: by the share missed (bet; mean: a "
        "simpler bound), or as missed when any is (%(default)s)",
    )
    parser.add_argument("--out", type=Path, help="folder for the tuned bundle (default: in place)")
    parser.add_argument(
        "--keep", type=Path, help="folder that keeps what was scored, for another --recall"
    )


def run(args: argparse.Namespace) -> int:
    """The exit status: 0 when certified and written, 3 when nothing could be certified.

    Raises ScreeningError for wrong values, an unusable bundle, or data that cannot calibrate it.
    """
    check(args)
    from screening.assess.labelled import (
        check_enough,
        read_pictures,
        score_pictures,
        units_of,
    )
    from screening.bundle import load_bundle
    from screening.triage.rule import Rule
    from screening.uncertainty.venn_abers import VennAbers
    from screening.worklist.scorer import BundleScorer

    bundle = load_bundle(find_bundle(args.bundle))
    if args.at_most == OWN:
        args.at_most = bundle.info.threshold
    pictures = read_pictures(args.data, args.unit)
    units = units_of(pictures)
    check_enough(units, LEAST, needs(args))
    refuse_training(bundle, pictures)
    # An earlier certificate's threshold for flag must not hide what a new one could be. Certified
    # are the votes; the calibrated rule puts nothing last and flags nothing that they would not.
    rule = replace(Rule.of(bundle.info, args.min_confidence, VOTES), flag_threshold=None)
    scorer = BundleScorer(bundle, args.passes, args.seed, args.device, args.batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        results = score_pictures(pictures, bundle, scorer, args.keep or Path(scratch), args)
    calibration = calibration_of(pictures, results, rule)
    venn_abers = VennAbers(calibration.points) if args.rule == CALIBRATED else None
    certificate, threshold, words = certificate_of(units, results, rule, args, venn_abers)
    if certificate is None:
        say(args, words)
        return NOT_CERTIFIED
    info = bundle.info.model_copy(
        update={
            "threshold": threshold,
            "min_confidence": rule.min_confidence,
            "rule": args.rule,
            "certificate": certificate,
            "calibration": calibration,
        }
    )
    folder = write_tuned(bundle, info, args.out or bundle.folder)
    say(args, f"{words}\nThreshold {threshold:.4f} written to {folder}")
    return 0


def check(args: argparse.Namespace) -> None:
    """Raises one ScreeningError that names every value out of range."""
    problems = []
    for name in ("recall", "confidence", "max_false_flags", "at_most"):
        value = getattr(args, name)
        if value in (None, OWN) or (name, value) == ("at_most", 1):
            continue
        if not 0 < value < 1:
            problems.append(f"--{name.replace('_', '-')} expects 0 to 1, received {value}")
    try:
        check_scoring(args)
    except ScreeningError as error:
        problems.append(str(error))
    if problems:
        raise ScreeningError("; ".join(problems))


def _limit(text: str) -> float | str:
    return OWN if text == OWN else float(text)


def needs(args: argparse.Namespace) -> str:
    """What the promise asked for takes, in words that an error can begin with."""
    from screening.uncertainty.risk_control import Promise, needed_units

    promise = Promise(args.recall, args.confidence)
    none, one = needed_units(promise), needed_units(promise, 1)
    return (
        f"a recall of {args.recall:g} takes {none} abnormal cases of different patients without a "
        f"miss ({one} with one); tuning"
    )


def find_bundle(folder: Path) -> Path:
    """The bundle's folder: `folder` itself, or `bundle` inside the folder of a run."""
    inside = folder / "bundle"
    return inside if not (folder / "bundle.json").exists() and inside.is_dir() else folder


def refuse_training(bundle: Bundle, pictures: Sequence[LabelledPicture]) -> None:
    """Raises ScreeningError when pictures or patients have trained the bundle."""
    from screening.uncertainty.certificate import overlap

    images, cases = overlap(
        bundle.info, [p.sha256 for p in pictures], [p.hash for p in pictures], calibration=False
    )
    if images or cases:
        raise ScreeningError(
            f"{cases} patients and {images} pictures of the data have trained this bundle: a "
            "promise takes patients that it never saw; leave them out"
        )


def certificate_of(
    units: Sequence[LabelledCase],
    results: Mapping[str, Picture],
    rule: Rule,
    args: argparse.Namespace,
    venn_abers: VennAbers | None = None,
) -> tuple[CertificateInfo | None, float, str]:
    """The certificate or None, the threshold it is for, and the outcome in words.

    `rule`: of votes, which is certified; with `venn_abers` the normal cases put last are counted
    by the calibrated rule."""
    import numpy as np

    from screening.assess.labelled import THRESHOLDS, routes_along
    from screening.bundle_schema import CertificateInfo
    from screening.uncertainty.certificate import certificate_sentence, data_hash
    from screening.uncertainty.risk_control import NotCertified, Promise, certify, certify_pair

    thresholds = sorted({*THRESHOLDS, *([args.at_most] if args.at_most < 1 else [])})
    last, flagged = routes_along(units, results, rule, thresholds)
    # Testing goes up the path and stops at the first threshold that fails: this one must.
    last[:, np.asarray(thresholds) > args.at_most] = True
    abnormal = np.array([unit.abnormal for unit in units])
    patients = [unit.patient for unit in units]
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
        return None, 0.0, f"{low}. The bundle is left as it was."
    no_flag = flag is None or isinstance(flag, NotCertified)
    runs = replace(rule, venn_abers=venn_abers)
    cleared, _ = routes_along([u for u in units if not u.abnormal], results, runs, [low.threshold])
    info = CertificateInfo(
        recall=args.recall,
        confidence=args.confidence,
        threshold=low.threshold,
        min_confidence=rule.min_confidence,
        passes=args.passes,
        flag_threshold=None if no_flag else flag.threshold,
        most_false_flags=None if no_flag else args.max_false_flags,
        normal=int((~abnormal).sum()),
        abnormal=low.cases,
        patients=len(set(ill)),
        simulated=sum(unit.abnormal and unit.simulated for unit in units),
        missed=round(low.missed, 6),
        cleared=int(cleared.sum()),
        bound=low.bound,
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
    if not info.cleared:
        words += "\nThe promise is kept by putting no normal case last: it saves no work."
    return info, low.threshold, words


def calibration_of(
    pictures: Sequence[LabelledPicture], results: Mapping[str, Picture], rule: Rule
) -> CalibrationInfo:
    """What the calibration cases showed; ScreeningError when one label was never judged."""
    from screening.bundle_schema import CalibrationInfo
    from screening.triage.rule import judge
    from screening.uncertainty import calibration
    from screening.uncertainty.shift import kept_scores
    from screening.uncertainty.venn_abers import VennAbers

    verdicts = [(p, judge(rule, results[p.id])) for p in pictures]
    judged = [(p, verdict) for p, verdict in verdicts if verdict.p_abnormal is not None]
    labels = [int(p.abnormal) for p, _ in judged]
    if len(set(labels)) < 2:
        raise ScreeningError("no picture of one label could be judged: nothing to calibrate on")
    scores = [verdict.p_abnormal for _, verdict in judged]
    patients = [p.hash for p, _ in judged]
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
        images=tuple(sorted(p.sha256 for p in pictures)),
        cases=tuple(sorted({p.hash for p in pictures})),
    )


def write_tuned(bundle: Bundle, info: BundleInfo, folder: Path) -> Path:
    """Writes the bundle with another `info` to `folder`, whole or not at all; returns `folder`."""
    from screening.bundle import MODEL_CARD, rewrite_bundle
    from screening.uncertainty.certificate import certificate_sentence

    try:
        path = bundle.folder / MODEL_CARD
        before = path.read_text("utf-8").split("\n## Certificate\n")[0] if path.is_file() else ""
        said = certificate_sentence(info.certificate)
        card = f"{before.rstrip()}\n\n## Certificate\n\n{said}\n"
        rewrite_bundle(bundle, info, folder, card=card)
    except OSError as error:
        raise ScreeningError(f"cannot write the bundle {folder} ({error.strerror})") from error
    return folder


def say(args: argparse.Namespace, text: str) -> None:
    """Prints the outcome unless --quiet."""
    if not args.quiet:
        print(text)
