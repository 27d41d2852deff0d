"""The page of a run: rows, thumbnails and facts brought into the report's view."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from screening import __version__
from screening.classes import LOW_PRIORITY
from screening.evidence.record import PictureEvidence, Placed
from screening.report.counts import UNNAMED, count_groups
from screening.report.page import MOST_THUMBNAILS, render
from screening.report.view import (
    CaseView,
    ChromosomeView,
    CropView,
    EvidenceView,
    ReportView,
    RowView,
)
from screening.worklist.guard import reason_of
from screening.worklist.ledger import Ledger, Result
from screening.worklist.rows import Row, cases_of

if TYPE_CHECKING:
    from screening.worklist.outputs import RunFacts, Trust

MOST_CROPS = 12
CROP_BYTES = 24_000  # base64, all crops of one picture: a page of 1,000 pictures still opens
MOST_KARYOTYPES = 5
PARTS = {
    "network": "whole-picture network",
    "reading": "reading of chromosomes",
    "layout": "order of the chromosomes",
    "count": "number of chromosomes",
    "doubtful": "doubtful chromosomes",
    "missorted": "chromosomes in another’s slot",
    "homologs": "differences within pairs",
}
"""Feature of the fusion -> what the page calls it; others go by their own name."""


def page_text(rows: Sequence[Row], ledger: Ledger, facts: RunFacts, trust: Trust) -> str:
    """Return report.html for `rows`, which are in the order of the work list."""
    # Those at the end of a very long list are never shown: only the others are kept in memory.
    shown = {
        row.image for i, row in enumerate(rows) if row.route != LOW_PRIORITY or i < MOST_THUMBNAILS
    }
    results = {r.image: r for r in ledger.results() if r.image in shown}
    venn_abers = facts.rule.venn_abers
    view = ReportView(
        title="Karyogram screening: work list",
        rows=tuple(_row(row, results.get(row.image)) for row in rows),
        cases=tuple(
            CaseView(case.case, case.route, case.images, case.summary)
            for case in cases_of(rows)
            if case.images > 1
        ),
        facts=_facts(facts, len(rows)),
        notes=facts.notes,
        threshold=facts.rule.threshold,
        min_confidence=facts.rule.min_confidence,
        certificate=trust.certificate,
        warnings=trust.warnings,
        prevalence=venn_abers.prevalence if venn_abers is not None else None,
    )
    return render(view)


def evidence_view(
    evidence: PictureEvidence, contributions: Sequence[tuple[str, float]] = ()
) -> EvidenceView:
    """Return what the page shows of a picture's reading.

    `contributions`: parts of the fused score, (feature, change of log-odds). Crops are taken in the
    order given until `MOST_CROPS` or `CROP_BYTES` is reached.
    """
    crops: list[CropView] = []
    size = 0
    for caption, picture in evidence.crops[:MOST_CROPS]:
        size += len(picture)
        if size > CROP_BYTES:
            break
        crops.append(CropView(caption, base64.b64decode(picture)))
    return EvidenceView(
        karyotype=evidence.iscn,
        karyotypes=tuple(evidence.karyotypes[:MOST_KARYOTYPES]),
        counts=count_groups(evidence.counts),
        chromosomes=tuple(_chromosome(p, evidence.gains_and_losses) for p in evidence.chromosomes),
        crops=tuple(crops),
        crops_left_out=len(evidence.crops) - len(crops),
        contributions=tuple(
            (PARTS.get(name, name.replace("_", " ")), value)
            for name, value in contributions
            if abs(value) >= 0.05
        ),
    )


def _chromosome(placed: Placed, changes: Sequence[str]) -> ChromosomeView:
    # A chromosome without a name may be the marker that the karyotype speaks of.
    name = "mar" if placed.name == UNNAMED else placed.name
    change = "gain" if f"+{name}" in changes else "loss" if f"-{name}" in changes else ""
    return ChromosomeView(**vars(placed), change=change)


def _row(row: Row, result: Result | None) -> RowView:
    try:
        return _row_with(row, result)
    except Exception as error:  # the decision stands, whatever cannot be drawn of it
        told = _row_with(row, None)
        return replace(told, reasons=(*told.reasons, f"not shown here: {reason_of(error)}"))


def _row_with(row: Row, result: Result | None) -> RowView:
    thumbnail = result.thumbnail if result is not None else b""
    evidence = result.evidence if result is not None else None
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
        thumbnail_size=_size(thumbnail) if evidence is not None else (0, 0),
        evidence=evidence_view(evidence, row.contributions) if evidence is not None else None,
    )


def _size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in px from the header alone; (0, 0) when there is no picture."""
    if not jpeg:
        return 0, 0
    with Image.open(io.BytesIO(jpeg)) as picture:
        return picture.size


def _facts(facts: RunFacts, images: int) -> tuple[tuple[str, str], ...]:
    return (
        ("screening", __version__),
        ("bundle", f"{facts.bundle_name}, sha256 {facts.bundle_hash}"),
        ("pictures", f"{images}, of which {facts.new} were judged in this run"),
        ("rule", facts.rule.name),
        ("votes abnormal", f"a pass with p(abnormal) of {facts.rule.threshold:.2g} or more"),
        ("minimum confidence", f"{facts.rule.min_confidence:.2f}"),
        ("passes", str(facts.passes)),
        ("seed", str(facts.options.get("seed", ""))),
        ("device", facts.device),
        ("started, finished (UTC)", f"{facts.started}, {facts.finished}"),
        ("other files ignored", str(facts.ignored)),
    )
