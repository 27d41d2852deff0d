"""From a result of the ledger to a row of the outputs: the decision, taken anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from screening.predict.statistics import summarise
from screening.triage.cases import Case, Cell, summarise_cases
from screening.triage.policy import OK, Evidence, Policy, decide
from screening.worklist.ledger import Result
from screening.worklist.tables import Cell as TableCell

HISTOGRAM_BINS = 20
CASE_COLUMNS = tuple(Case.__dataclass_fields__)


@dataclass(frozen=True)
class Row:
    """One line of triage.csv; `histogram` counts the passes in bins of p(abnormal) from 0 to 1."""

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
    reasons: tuple[str, ...]
    sha256: str
    histogram: tuple[int, ...]

    def cells(self) -> dict[str, TableCell]:
        """Return the row as triage.csv has it; `karyotype` is empty: nothing supports one yet."""
        cells: dict[str, TableCell] = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "histogram"
        }
        return cells | {"reasons": "; ".join(self.reasons), "karyotype": ""}


def row_of(result: Result, threshold: float, min_confidence: float) -> Row:
    """Return the row of a result; a pass votes abnormal at `threshold` or above."""
    judged = result.status == OK and result.p is not None and len(result.p) > 0
    evidence = Evidence(
        result.status, objects=result.objects, problem=result.reason, warnings=result.warnings
    )
    p_abnormal = p_std = None
    histogram: tuple[int, ...] = ()
    if judged:
        said = summarise(np.asarray(result.p)[None], threshold)[0]
        p_abnormal, p_std = said.mean, said.std
        share = said.votes if said.abnormal else 1 - said.votes
        evidence = Evidence(
            result.status, p_abnormal, p_std, round(share * said.passes), said.passes,
            result.objects, result.reason, result.warnings,
        )  # fmt: skip
        counts, _ = np.histogram(result.p, bins=HISTOGRAM_BINS, range=(0, 1))
        histogram = tuple(int(n) for n in counts)
    decision = decide(evidence, Policy(min_confidence))
    return Row(
        image=result.image,
        case=result.case,
        status=result.status,
        route=decision.route,
        prediction=decision.prediction,
        p_abnormal=p_abnormal,
        p_std=p_std,
        votes=decision.votes,
        confidence=decision.confidence,
        passes=evidence.passes,
        chromosomes=result.objects,
        reasons=decision.reasons,
        sha256=result.sha256,
        histogram=histogram,
    )


def case_table(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[dict[str, TableCell]]]:
    """Return the columns and lines of cases.csv, in the order of the rows."""
    return CASE_COLUMNS, [asdict(case) for case in cases_of(rows)]


def cases_of(rows: Sequence[Row]) -> list[Case]:
    """Return the cases of the rows, in their order."""
    return summarise_cases(
        [Cell(r.case, r.status, r.route, r.prediction, r.p_abnormal) for r in rows]
    )
