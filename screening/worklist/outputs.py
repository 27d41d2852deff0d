"""The outputs of a run, rebuilt from the ledger and put in place together.

Order of the pictures, most urgent first: flagged ones, highest p(abnormal) first; then those for
review, of which the scored ones come first (highest p(abnormal) first), then the rejected, then
the failed; then low priority, least sure first. Equal ones go by name. Numbers are compared as
they are printed, so the order never depends on digits that nobody sees.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

from screening import __version__
from screening.atomic import replace_files
from screening.bundle_schema import BundleInfo, StructureInfo
from screening.classes import LOW_PRIORITY, OK, REJECTED, ROUTES, STATUSES
from screening.promises import certificate_sentence, structure_sentence
from screening.record import Picture
from screening.triage.cases import summarise_cases, without_doubt, without_outvoted
from screening.triage.rule import Rule, judge
from screening.uncertainty.certificate import not_covered
from screening.uncertainty.shift import Drift, drift_from
from screening.worklist.guard import reason_of, shared_fault
from screening.worklist.ledger import Ledger
from screening.worklist.left_out import LeftOut
from screening.worklist.rows import CASE_COLUMNS, TRIAGE_COLUMNS, case_row, triage_row
from screening.worklist.tables import csv_text, jsonl_text

OUTPUT_NAMES = ("triage.csv", "triage.jsonl", "cases.csv", "report.html", "run.json")
_PACKAGES = (
    "tensorflow", "tensorflow-cpu", "keras", "onnxruntime", "numpy", "opencv-python-headless",
    "pillow",
)  # fmt: skip
_CELLS = 50
"""Cells that are rarely karyotyped of one person: of more somebody may have forgotten the others'
names."""


@dataclass(frozen=True)
class RunFacts:
    """What run.json and the page tell about a run; times are UTC, ISO 8601. `info`: of the bundle,
    for its certificate and its calibration cases (None: it has neither); `warnings`: what went
    wrong with the run as a whole."""

    bundle_hash: str
    bundle_name: str
    options: dict[str, object]
    rule: Rule
    passes: int
    device: str
    engine: str
    started: str
    finished: str
    seconds: float
    new: int
    left_out: LeftOut
    notes: tuple[str, ...]
    info: BundleInfo | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trust:
    """How far the run may rely on the bundle's promise: the certificate in words, the run's scores
    against those of the calibration cases, warnings, and what is known of structural changes
    (None: they are not judged)."""

    certificate: str
    drift: tuple[Drift, ...]
    warnings: tuple[str, ...]
    structure: StructureInfo | None = None


def urgency(picture: Picture) -> tuple[object, ...]:
    """Return the sort key of a judged picture: the smaller, the sooner a person should look."""
    verdict = picture.judged
    p = round(verdict.p_abnormal, 6) if verdict.p_abnormal is not None else 0.0
    confidence = round(verdict.confidence, 6) if verdict.confidence is not None else 0.0
    sureness = confidence if verdict.route == LOW_PRIORITY else 0.0
    route, status = ROUTES.index(verdict.route), STATUSES.index(picture.status)
    return route, status, sureness, -p, picture.image


def write_outputs(
    out: Path, ledger: Ledger, facts: RunFacts
) -> tuple[dict[str, int], dict[str, int], tuple[str, ...]]:
    """Write all outputs of the ledger's current run; return pictures by status and by route, and
    the warnings on the page."""
    from screening.worklist.work_list_page import page_text  # Jinja2 is for this alone

    pictures = in_order(ledger, facts.rule)
    statuses = dict(Counter(picture.status for picture in pictures))
    routes = dict(Counter(picture.judged.route for picture in pictures))
    lines = [triage_row(picture) for picture in pictures]
    cases = summarise_cases(pictures, facts.rule)
    trust = trust_in(pictures, facts)
    replace_files(
        out,
        {
            "triage.csv": csv_text(TRIAGE_COLUMNS, lines),
            "triage.jsonl": jsonl_text(TRIAGE_COLUMNS, lines),
            "cases.csv": csv_text(CASE_COLUMNS, [case_row(case) for case in cases]),
            "report.html": page_text(pictures, cases, ledger, facts, trust),
            "run.json": run_text(pictures, facts, statuses, routes, trust),
        },
    )
    return statuses, routes, trust.warnings


def in_order(ledger: Ledger, rule: Rule) -> list[Picture]:
    """Return the pictures of `judged_pictures` in the order of the work list."""
    return sorted(judged_pictures(ledger, rule), key=urgency)


def judged_pictures(ledger: Ledger, rule: Rule) -> list[Picture]:
    """Return the judged pictures of the ledger without what only the page shows of them; what
    cannot be routed is failed, in the ledger too. The other cells of its case may take back that a
    picture is doubted for its structure."""
    pictures, odd, others = [], [], {}
    for picture in ledger.results():
        one = judged(picture, rule)
        if one.status != picture.status:
            odd.append(one)
        pictures.append(light(one))
        other = without_doubt(picture) if rule.together else None
        if other is not None:
            others[picture.image] = light(judged(other, rule))
    ledger.add(odd)
    return without_outvoted(pictures, others, rule)


def judged(picture: Picture, rule: Rule) -> Picture:
    """Return the picture with its verdict; one that cannot be routed is failed."""
    try:
        return replace(picture, verdict=judge(rule, picture))
    except Exception as error:
        blank = Picture(picture.image, picture.case, picture.sha256, reason=reason_of(error))
        blank = replace(blank, thumbnail=picture.thumbnail)
        return replace(blank, verdict=judge(rule, blank))


def light(picture: Picture) -> Picture:
    """Return a judged picture without pictures, the network's passes and chromosomes: thousands
    stay in memory until the tables are written. The verdict stays whole, the page shows it."""
    reading = picture.reading
    if reading is not None:
        reading = replace(reading, chromosomes=())
    return replace(picture, p=None, thumbnail=b"", crops=(), pairs=(), features={}, reading=reading)


def trust_in(pictures: Sequence[Picture], facts: RunFacts) -> Trust:
    """Return how far these results may rely on the bundle's promise."""
    certificate = facts.info.certificate if facts.info is not None else None
    verdicts = [picture.judged for picture in pictures]
    drift = drift_from(
        facts.info.calibration if facts.info is not None else None,
        [verdict.p_abnormal for verdict in verdicts if verdict.p_abnormal is not None],
        [verdict.p_std for verdict in verdicts if verdict.p_std is not None],
        len(pictures),
    )
    outside = not_covered(
        certificate, facts.rule.threshold, facts.rule.min_confidence, facts.passes
    )
    trial = facts.info.trial_warning if facts.info is not None else ""
    warnings = [*facts.warnings, *([trial] if trial else [])]
    warnings += [str(one) for one in drift if one.shifted] + ([outside] if outside else [])
    case, most = Counter(one.case for one in pictures).most_common(1)[0] if pictures else ("", 0)
    if facts.rule.together and most > _CELLS:
        warnings.append(
            f"{most} pictures of the case {case} were judged together (--cells-together): are all "
            "of them cells of one person?"
        )
    fault = _fault_of_all(pictures)
    if fault:
        warnings.append(
            f"every picture failed by the same error ({fault}): a fault of this program or its "
            "installation rather than of the pictures; see `screening doctor`, and report it"
        )
    structure = facts.info.structure if facts.info is not None else None
    return Trust(certificate_sentence(certificate), tuple(drift), tuple(warnings), structure)


def _fault_of_all(pictures: Sequence[Picture]) -> str:
    reasons = [picture.judged.reasons[0] for picture in pictures if picture.status != REJECTED]
    return shared_fault(reasons) if len(reasons) > 1 else ""


def run_text(
    pictures: Sequence[Picture],
    facts: RunFacts,
    statuses: dict[str, int],
    routes: dict[str, int],
    trust: Trust,
) -> str:
    """Return run.json: who computed what, with which settings, how it went and what went wrong."""
    record = {
        "tool": "screening",
        "version": __version__,
        "intended_use": "research use only",
        **asdict(replace(facts, info=None, rule=replace(facts.rule, venn_abers=None))),
        "seconds": round(facts.seconds, 3),
        "images": len(pictures),
        "images_per_second": round(facts.new / max(facts.seconds, 1e-9), 3),
        "status": statuses,
        "route": routes,
        "failures": [
            {"image": each.image, "status": each.status, "reasons": each.judged.reasons}
            for each in pictures
            if each.status != OK
        ],
        "outputs": list(OUTPUT_NAMES),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _versions(),
    }
    del record["info"], record["rule"]["venn_abers"]
    record["rule"]["name"] = facts.rule.name
    record["certificate"] = trust.certificate
    record["structure"] = structure_sentence(trust.structure)
    record["drift"] = [asdict(one) | {"said": str(one)} for one in trust.drift]
    record["warnings"] = list(trust.warnings)
    record["threshold"] = facts.rule.threshold
    record["min_confidence"] = facts.rule.min_confidence
    del record["left_out"]
    record["ignored_files"] = facts.left_out.count
    record["ignored_kinds"] = facts.left_out.kinds
    record["ignored_names"] = list(facts.left_out.names)
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
