"""From judged pictures and cases to the lines of the tables."""

from __future__ import annotations

from dataclasses import asdict

from screening.record import Case, Picture
from screening.worklist.tables import CsvValue

TRIAGE_COLUMNS = (
    "image", "case", "status", "route", "prediction", "p_abnormal", "p_std", "votes",
    "confidence", "passes", "chromosomes", "karyotype", "reasons", "sha256",
)  # fmt: skip
"""Other people's scripts rely on these and on their order; further ones come behind."""
CASE_COLUMNS = tuple(Case.__dataclass_fields__)


def triage_row(picture: Picture) -> dict[str, CsvValue]:
    """Return the line of triage.csv of a judged picture."""
    verdict, reading = picture.judged, picture.reading
    return {
        "image": picture.image,
        "case": picture.case,
        "status": picture.status,
        "route": verdict.route,
        "prediction": verdict.prediction,
        "p_abnormal": verdict.p_abnormal,
        "p_std": verdict.p_std,
        "votes": verdict.votes,
        "confidence": verdict.confidence,
        "passes": len(verdict.p),
        "chromosomes": picture.objects,
        "karyotype": reading.iscn if reading is not None else "",
        "reasons": "; ".join(verdict.reasons),
        "sha256": picture.sha256,
    }


def case_row(case: Case) -> dict[str, CsvValue]:
    """Return the line of cases.csv of a case."""
    return asdict(case)
