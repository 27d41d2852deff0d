"""From a result of the ledger to a row of the outputs: the decision, taken anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from screening.evidence.record import PictureEvidence
from screening.triage.cases import Case, Cell, summarise_cases
from screening.triage.findings import CellKaryotype
from screening.triage.rule import Rule, judge
from screening.worklist.ledger import Result
from screening.worklist.tables import TRIAGE_COLUMNS
from screening.worklist.tables import Cell as TableCell

HISTOGRAM_BINS = 20
_MOST_PROBABLE = 0.5
CASE_COLUMNS = tuple(Case.__dataclass_fields__)


@dataclass(frozen=True)
class Row:
    """One line of triage.csv; `histogram` counts the passes in bins of p(abnormal) from 0 to 1,
    `contributions` are the parts of the fused score (see `triage.rule.Judgement`), `read` what the
    chromosomes amount to, for the case."""

    image: str
    case: str
    status: str
    route: str
    prediction: str
    p_abnormal: float | None
    p_std: float | None
    votes: float | None
    confidence: float | None
    passes: int
    chromosomes: int | None
    karyotype: str
    reasons: tuple[str, ...]
    sha256: str
    histogram: tuple[int, ...]
    contributions: tuple[tuple[str, float], ...]
    read: CellKaryotype | None = None

    def cells(self) -> dict[str, TableCell]:
        """Return the row as triage.csv has it."""
        cells: dict[str, TableCell] = {name: getattr(self, name) for name in TRIAGE_COLUMNS}
        return cells | {"reasons": "; ".join(self.reasons)}


def row_of(result: Result, rule: Rule) -> Row:
    """Return the row of a result, decided by `rule`."""
    judged = judge(
        rule, result.status, result.p, result.evidence, result.objects, result.reason,
        result.warnings,
    )  # fmt: skip
    decision, evidence = judged.decision, result.evidence
    histogram: tuple[int, ...] = ()
    if len(judged.p):
        counts, _ = np.histogram(judged.p, bins=HISTOGRAM_BINS, range=(0, 1))
        histogram = tuple(int(n) for n in counts)
    return Row(
        image=result.image,
        case=result.case,
        status=result.status,
        route=decision.route,
        prediction=decision.prediction,
        p_abnormal=judged.p_abnormal,
        p_std=judged.p_std,
        votes=decision.votes,
        confidence=decision.confidence,
        passes=len(judged.p),
        chromosomes=result.objects,
        karyotype=evidence.iscn if evidence is not None else "",
        reasons=decision.reasons,
        sha256=result.sha256,
        histogram=histogram,
        contributions=tuple(judged.contributions.items()),
        read=_read(evidence, rule),
    )


def _read(evidence: PictureEvidence | None, rule: Rule) -> CellKaryotype | None:
    """What the cell shows, None unless its page is in order and one karyotype stands out."""
    if evidence is None or not evidence.karyotypes or evidence.layout_score < rule.min_layout:
        return None
    karyotype, probability = evidence.karyotypes[0]
    if probability < _MOST_PROBABLE:
        return None
    return CellKaryotype(karyotype, evidence.gains_and_losses)


def case_table(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[dict[str, TableCell]]]:
    """Return the columns and lines of cases.csv, in the order of the rows."""
    return CASE_COLUMNS, [asdict(case) for case in cases_of(rows)]


def cases_of(rows: Sequence[Row]) -> list[Case]:
    """Return the cases of the rows, in their order."""
    return summarise_cases(
        [Cell(r.case, r.status, r.route, r.prediction, r.p_abnormal, r.read) for r in rows]
    )
