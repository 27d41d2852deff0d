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
from screening.bundle_schema import BundleInfo
from screening.classes import FAILED, LOW_PRIORITY, REJECTED, ROUTES, STATUSES
from screening.triage.rule import Rule
from screening.uncertainty.certificate import certificate_sentence, not_covered
from screening.uncertainty.shift import Drift, drift_from
from screening.worklist.guard import reason_of, shared_fault
from screening.worklist.ledger import Ledger
from screening.worklist.rows import Row, case_table, row_of
from screening.worklist.tables import TRIAGE_COLUMNS, csv_text, jsonl_text

OUTPUT_NAMES = ("triage.csv", "triage.jsonl", "cases.csv", "report.html", "run.json")
_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class RunFacts:
    """What run.json and the page tell about a run; times are UTC, ISO 8601. `info`: of the bundle,
    for its certificate and its calibration cases (None: it has neither)."""

    bundle_hash: str
    bundle_name: str
    options: dict[str, object]
    rule: Rule
    passes: int
    device: str
    started: str
    finished: str
    seconds: float
    new: int
    ignored: int
    notes: tuple[str, ...]
    info: BundleInfo | None = None


@dataclass(frozen=True)
class Trust:
    """How far the run may rely on the bundle's promise: the certificate in words, the run's scores
    against those of the calibration cases, and warnings."""

    certificate: str
    drift: tuple[Drift, ...]
    warnings: tuple[str, ...]


def urgency(row: Row) -> tuple[object, ...]:
    """Sort key: the smaller, the sooner a person should look."""
    p = round(row.p_abnormal, 6) if row.p_abnormal is not None else 0.0
    confidence = round(row.confidence, 6) if row.confidence is not None else 0.0
    sureness = confidence if row.route == LOW_PRIORITY else 0.0
    return (
        ROUTES.index(row.route), STATUSES.index(row.status), sureness, -p, row.image
    )  # fmt: skip


def write_outputs(
    out: Path, ledger: Ledger, facts: RunFacts
) -> tuple[dict[str, int], dict[str, int], tuple[str, ...]]:
    """Writes all outputs of the ledger's current run; returns pictures by status and by route, and
    the warnings on the page."""
    from screening.worklist.page import page_text  # Jinja2 is not needed to import this module

    rows = sorted(_rows(ledger, facts.rule), key=urgency)
    statuses = dict(Counter(row.status for row in rows))
    routes = dict(Counter(row.route for row in rows))
    cells = [row.cells() for row in rows]
    case_columns, cases = case_table(rows)
    trust = trust_in(rows, facts)
    replace_files(
        out,
        {
            "triage.csv": csv_text(TRIAGE_COLUMNS, cells),
            "triage.jsonl": jsonl_text(TRIAGE_COLUMNS, cells),
            "cases.csv": csv_text(case_columns, cases),
            "report.html": page_text(rows, ledger, facts, trust),
            "run.json": run_text(rows, facts, statuses, routes, trust),
        },
    )
    return statuses, routes, trust.warnings


def _rows(ledger: Ledger, rule: Rule) -> list[Row]:
    """The rows of the ledger; what cannot be routed is failed, in the ledger too."""
    rows, odd = [], []
    for result in ledger.results():
        try:
            rows.append(row_of(result, rule))
        except Exception as error:
            odd.append(
                replace(result, status="failed", reason=reason_of(error), p=None, evidence=None)
            )
    ledger.add(odd)
    return rows + [row_of(result, rule) for result in odd]


def trust_in(rows: Sequence[Row], facts: RunFacts) -> Trust:
    """How far these results may rely on the bundle's promise."""
    certificate = facts.info.certificate if facts.info is not None else None
    judged = [row for row in rows if row.p_abnormal is not None]
    drift = drift_from(
        facts.info.calibration if facts.info is not None else None,
        [row.p_abnormal for row in judged],
        [row.p_std for row in judged],
        len(rows),
    )
    outside = not_covered(
        certificate, facts.rule.threshold, facts.rule.min_confidence, facts.passes
    )
    warnings = [str(one) for one in drift if one.shifted] + ([outside] if outside else [])
    fault = _fault_of_all(rows)
    if fault:
        warnings.append(
            f"every picture failed by the same error ({fault}): a fault of this program or its "
            "installation rather than of the pictures; see `screening doctor`, and report it"
        )
    return Trust(certificate_sentence(certificate), tuple(drift), tuple(warnings))


def _fault_of_all(rows: Sequence[Row]) -> str:
    tried = [row for row in rows if row.status != REJECTED]
    if len(tried) < 2 or any(row.status != FAILED for row in tried):
        return ""
    return shared_fault(row.reasons[0] for row in tried)


def run_text(
    rows: Sequence[Row],
    facts: RunFacts,
    statuses: dict[str, int],
    routes: dict[str, int],
    trust: Trust,
) -> str:
    """run.json: who computed what, with which settings, how it went and what went wrong."""
    record = {
        "tool": "screening",
        "version": __version__,
        "intended_use": "research use only",
        **asdict(replace(facts, info=None, rule=replace(facts.rule, venn_abers=None))),
        "seconds": round(facts.seconds, 3),
        "images": len(rows),
        "images_per_second": round(facts.new / max(facts.seconds, 1e-9), 3),
        "status": statuses,
        "route": routes,
        "failures": [
            {"image": row.image, "status": row.status, "reasons": row.reasons}
            for row in rows
            if row.status != "ok"
        ],
        "outputs": list(OUTPUT_NAMES),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _versions(),
    }
    del record["info"], record["rule"]["venn_abers"]
    record["rule"]["name"] = facts.rule.name
    record["certificate"] = trust.certificate
    record["drift"] = [asdict(one) | {"said": str(one)} for one in trust.drift]
    record["warnings"] = list(trust.warnings)
    record["threshold"] = facts.rule.threshold
    record["min_confidence"] = facts.rule.min_confidence
    record["ignored_files"] = record.pop("ignored")
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
