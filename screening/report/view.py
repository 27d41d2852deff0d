"""What the page shows, as plain values: no model, no ledger, no files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RowView:
    """One picture of the work list; numbers are None when it was not judged.

    `histogram` counts the passes by p(abnormal) in equal bins from 0 to 1; `thumbnail` is JPEG.
    """

    image: str
    case: str
    status: str
    route: str
    prediction: str
    p_abnormal: float | None
    p_std: float | None
    confidence: float | None
    passes: int
    chromosomes: int | None
    reasons: tuple[str, ...]
    sha256: str
    histogram: tuple[int, ...] = ()
    thumbnail: bytes = b""


@dataclass(frozen=True)
class CaseView:
    """One case with several pictures: its route and what its cells show, in words."""

    case: str
    route: str
    images: int
    summary: str


@dataclass(frozen=True)
class ReportView:
    """The whole page. `facts` are (name, value) pairs about the run and the bundle."""

    title: str
    rows: tuple[RowView, ...]
    cases: tuple[CaseView, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    threshold: float
    min_confidence: float
    certificate: str = ""

    def count(self, route: str) -> int:
        """Return the number of pictures with this route."""
        return sum(row.route == route for row in self.rows)

    def unjudged(self) -> list[RowView]:
        """Return the rows that were rejected or failed."""
        return [row for row in self.rows if row.status != "ok"]
