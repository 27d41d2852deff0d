"""The page of a run: rows, thumbnails and facts brought into the report's view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from screening import __version__
from screening.report.page import MOST_THUMBNAILS, render
from screening.report.view import CaseView, ReportView, RowView
from screening.triage.policy import LOW_PRIORITY
from screening.worklist.ledger import Ledger
from screening.worklist.rows import Row, cases_of

if TYPE_CHECKING:
    from screening.worklist.outputs import RunFacts


def page_text(rows: Sequence[Row], ledger: Ledger, facts: RunFacts) -> str:
    """Return report.html for `rows`, which are in the order of the work list."""
    # Those at the end of a very long list are never shown: only the others are kept in memory.
    shown = {
        row.image for i, row in enumerate(rows) if row.route != LOW_PRIORITY or i < MOST_THUMBNAILS
    }
    thumbnails = {r.image: r.thumbnail for r in ledger.results() if r.image in shown}
    view = ReportView(
        title="Karyogram screening: work list",
        rows=tuple(_row(row, thumbnails.get(row.image, b"")) for row in rows),
        cases=tuple(
            CaseView(case.case, case.route, case.images, case.summary)
            for case in cases_of(rows)
            if case.images > 1
        ),
        facts=_facts(facts, len(rows)),
        notes=facts.notes,
        threshold=facts.rule.threshold,
        min_confidence=facts.rule.min_confidence,
    )
    return render(view)


def _row(row: Row, thumbnail: bytes) -> RowView:
    return RowView(
        image=row.image,
        case=row.case,
        status=row.status,
        route=row.route,
        prediction=row.prediction,
        p_abnormal=row.p_abnormal,
        p_std=row.p_std,
        confidence=row.confidence,
        passes=row.passes,
        chromosomes=row.chromosomes,
        reasons=row.reasons,
        sha256=row.sha256,
        histogram=row.histogram,
        thumbnail=thumbnail,
    )


def _facts(facts: RunFacts, images: int) -> tuple[tuple[str, str], ...]:
    return (
        ("screening", __version__),
        ("bundle", f"{facts.bundle_name}, sha256 {facts.bundle_hash}"),
        ("pictures", f"{images}, of which {facts.new} were judged in this run"),
        ("votes abnormal", f"a pass with p(abnormal) of {facts.rule.threshold:.2f} or more"),
        ("minimum confidence", f"{facts.rule.min_confidence:.2f}"),
        ("passes", str(facts.passes)),
        ("seed", str(facts.options.get("seed", ""))),
        ("device", facts.device),
        ("started, finished (UTC)", f"{facts.started}, {facts.finished}"),
        ("other files ignored", str(facts.ignored)),
    )
