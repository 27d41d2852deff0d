"""What the page shows, as plain values: no model, no ledger, no files."""

from __future__ import annotations

from dataclasses import dataclass

from screening.report.counts import CountGroup


@dataclass(frozen=True)
class ChromosomeView:
    """One chromosome found: its box as fractions (0–1) of the thumbnail's width and height.

    `name` is one of classes.CHROMOSOMES or "?"; `slot` is where it stands, '' when unknown.
    `change` is "gain" or "loss" when the cell has more or fewer of its class than a normal one.
    """

    x: float
    y: float
    w: float
    h: float
    name: str
    probability: float
    slot: str = ""
    doubtful: bool = False
    missorted: bool = False
    change: str = ""


@dataclass(frozen=True)
class CropView:
    """A noteworthy chromosome, or several side by side: a JPEG and what it is."""

    caption: str
    picture: bytes


@dataclass(frozen=True)
class EvidenceView:
    """What was read of one cell, chromosome by chromosome.

    `karyotype`: suggested ISCN, '' when none is probable enough; `karyotypes`: (ISCN, probability),
    most probable first; `counts`: how many of each class, in groups; `contributions`: (part of the
    fused score in words, change of log-odds towards abnormal); `crops_left_out`: how many more
    noteworthy chromosomes there are than the page has room for. What the reading says in sentences
    stands among the row's reasons.
    """

    karyotype: str
    karyotypes: tuple[tuple[str, float], ...]
    counts: tuple[CountGroup, ...]
    chromosomes: tuple[ChromosomeView, ...]
    crops: tuple[CropView, ...] = ()
    crops_left_out: int = 0
    contributions: tuple[tuple[str, float], ...] = ()

    def doubtful(self) -> int:
        """Return how many chromosomes are doubtful to read."""
        return sum(one.doubtful for one in self.chromosomes)

    def missorted(self) -> int:
        """Return how many chromosomes stand in another class's slot."""
        return sum(one.missorted for one in self.chromosomes)


@dataclass(frozen=True)
class RowView:
    """One picture of the work list; numbers are None when it was not judged.

    `histogram` counts the passes by p(abnormal) in equal bins from 0 to 1; `thumbnail` is JPEG of
    `thumbnail_size` (width, height) in px. `evidence` is None where the
    chromosomes were not read one by one.
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
    thumbnail_size: tuple[int, int] = (0, 0)
    evidence: EvidenceView | None = None


@dataclass(frozen=True)
class CaseView:
    """One case with several pictures: its route and what its cells show, in words.

    `karyotypes`: what was suggested for its cells, in words, '' when nothing was.
    """

    case: str
    route: str
    images: int
    summary: str
    karyotypes: str = ""


@dataclass(frozen=True)
class ReportView:
    """The whole page. `facts` are (name, value) pairs about the run and the bundle; `warnings`
    stand at the top. `prevalence`: confidences are calibrated where that share is abnormal (None:
    they are shares of votes)."""

    title: str
    rows: tuple[RowView, ...]
    cases: tuple[CaseView, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    threshold: float
    min_confidence: float
    certificate: str = ""
    warnings: tuple[str, ...] = ()
    prevalence: float | None = None

    def count(self, route: str) -> int:
        """Return the number of pictures with this route."""
        return sum(row.route == route for row in self.rows)

    def any_read(self) -> bool:
        """Return whether the chromosomes of any picture were read one by one."""
        return any(row.evidence is not None for row in self.rows)

    def unjudged(self) -> list[RowView]:
        """Return the rows that were rejected or failed."""
        return [row for row in self.rows if row.status != "ok"]
