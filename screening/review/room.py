"""What the reading room knows: cases of a run, found, sorted and searched, and their verdicts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from screening.classes import ROUTES
from screening.languages.spoken import said
from screening.record import Case
from screening.review.agreement import Disagreement, disagreements
from screening.review.originals import Originals
from screening.review.verdicts import FILE_NAME, PersonVerdict, Verdicts, content_of, latest
from screening.worklist.kept import KeptRun, read_run, stamp_of

CASES_A_PAGE = 100
SORTS = ("urgency", "case", "probability", "cells", "unread first")
STATES = ("unread", "read", "readers differ")


def key_of(name: str) -> str:
    """Return what stands for a case or a picture in an address: 16 hexadecimal digits."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Query:
    """What the list is asked to show; each stands in the address unless it is as here."""

    q: str = ""
    route: str = ""
    state: str = ""
    sort: str = SORTS[0]
    page: int = 1

    @staticmethod
    def of(values: Mapping[str, str]) -> Query:
        """Return the query of an address; what makes no sense there is as if it were not there."""
        page = values.get("page", "1")
        chosen = {
            "route": values.get("route", "") if values.get("route") in ROUTES else "",
            "state": values.get("state", "") if values.get("state") in STATES else "",
            "sort": values.get("sort", "") if values.get("sort") in SORTS else SORTS[0],
        }
        number = int(page) if page.isdecimal() and len(page) < 7 else 1
        return Query(q=values.get("q", "")[:200], page=max(1, number), **chosen)

    def address(self, **other: object) -> str:
        """Return the part of an address behind "?" with some values changed, "" for none."""
        values = {each.name: getattr(self, each.name) for each in fields(Query)} | other
        plain = {each.name: each.default for each in fields(Query)}
        told = {name: value for name, value in values.items() if value != plain.get(name)}
        return f"?{urlencode(told)}" if told else ""


@dataclass(frozen=True, eq=False)
class CaseLine:
    """One case of the list: its `number` by urgency, its cells' lines of triage.jsonl, and what the
    search looks through."""

    case: Case
    number: int
    cells: tuple[Mapping[str, Any], ...]
    text: str = field(repr=False)

    @property
    def key(self) -> str:
        """Return what stands for the case in an address."""
        return key_of(self.case.case)

    @property
    def finding(self) -> str:
        """Return in words what the cells show."""
        return self.case.findings or self.case.summary

    @property
    def unjudged(self) -> str:
        """Return why the first picture of a case could not be judged, "" where any could."""
        return "" if self.case.ok else str(self.cells[0]["reasons"])

    @property
    def karyotypes(self) -> str:
        """Return the suggested karyotypes of the cells that the finding does not name."""
        every, told = dict.fromkeys(one["karyotype"] for one in self.cells), f" {self.finding}"
        return ", ".join(each for each in every if each and f" {each} in " not in told)

    @cached_property
    def content(self) -> str:
        """Return what stands for the pictures of the case as they were screened."""
        return content_of(one["sha256"] for one in self.cells)

    def is_of(self, verdict: PersonVerdict) -> bool:
        """Return whether a verdict was given on these very pictures: none came since, or is
        another now. Where a file of an earlier version does not say, it is taken so."""
        if not verdict.image:
            return verdict.sha256 in ("", self.content)
        hashes = [one["sha256"] for one in self.cells if one["image"] == verdict.image]
        return bool(hashes) and verdict.sha256 in ("", *hashes)


class Standing:
    """The verdicts that stand, by case and by reader, with what follows from them."""

    def __init__(self, verdicts: Iterable[PersonVerdict], reader: str | None) -> None:
        every = latest(list(verdicts)).values()
        own = reader.casefold() if reader is not None else None
        self.verdicts = [one for one in every if own is None or one.initials.casefold() == own]
        self.by_case: dict[str, list[PersonVerdict]] = {}
        for one in self.verdicts:
            self.by_case.setdefault(one.case, []).append(one)

    @cached_property
    def differing(self) -> list[Disagreement]:
        """Return where readers differ."""
        return disagreements(self.verdicts)

    def differs(self, case: str) -> bool:
        """Return whether readers differ in a case or a cell of it."""
        return bool(disagreements(self.of_case(case)))

    def of_case(self, case: str) -> list[PersonVerdict]:
        """Return the verdicts on a case and on its cells."""
        return self.by_case.get(case, [])

    def is_read(self, line: CaseLine) -> bool:
        """Return whether there is a verdict on the case, or one on each of its cells, given on
        the pictures that are there now."""
        images = {one.image for one in self.of_case(line.case.case) if line.is_of(one)}
        return "" in images or (bool(images) and images >= {one["image"] for one in line.cells})

    def readers(self, line: CaseLine) -> list[tuple[str, str, bool]]:
        """Return the readers of a case, each with the decision on the case, else the last one on a
        cell of it, and whether it was given on the pictures that are there now."""
        told: dict[str, PersonVerdict] = {}
        for one in sorted(self.of_case(line.case.case), key=lambda v: (v.image == "", v.when)):
            told[one.initials.casefold()] = one
        return [(one.initials, one.decision, line.is_of(one)) for one in told.values()]

    def of_reader(self, initials: str | None, case: str, image: str) -> PersonVerdict | None:
        """Return what stands of a reader on a cell, else on its case; None for nothing."""
        own = (initials or "").casefold()
        found = {one.image: one for one in self.of_case(case) if one.initials.casefold() == own}
        return found.get(image) or found.get("")


class Room:
    """A run and the verdicts on it. Any thread may ask; a run that was written anew is told by
    LedgerError until `reload`."""

    def __init__(self, out: Path, pictures: Path | None = None, blind: bool = False) -> None:
        self.out, self.blind, self._pictures = out, blind, pictures
        self._lock = threading.Lock()
        self._standing: tuple[object, Standing] | None = None
        self.reload()
        self.verdicts = Verdicts(out / FILE_NAME)

    def close(self) -> None:
        """Close the file of verdicts."""
        self.verdicts.close()

    def reload(self) -> None:
        """Take the run that lies in the folder now."""
        run = read_run(self.out)
        cells: dict[str, list[Mapping[str, Any]]] = {}
        for line in run.lines:
            cells.setdefault(line["case"], []).append(line)
        ordered = sorted(run.cases, key=lambda case: ROUTES.index(case.route))
        lines = tuple(
            CaseLine(case, number, tuple(cells[case.case]), _searched(cells[case.case]))
            for number, case in enumerate(ordered, start=1)
        )
        hashes = {line["image"]: line["sha256"] for line in run.lines}
        with self._lock:
            self.run: KeptRun = run
            self.lines = lines
            self.by_key = {line.key: line for line in lines}
            self.images = {key_of(image): image for image in hashes}
            self.case_of = {line["image"]: line["case"] for line in run.lines}
            self.originals = Originals(self._pictures or run.folder, hashes)

    def is_current(self) -> bool:
        """Return whether the run is still the one that lies in the folder; LedgerError while
        another is being written."""
        return stamp_of(self.out) == self.run.stamp

    def standing(self, reader: str | None) -> Standing:
        """Return the verdicts that `reader` (None: nobody yet) may see: in a blind room only the
        reader's own."""
        every, own = self.verdicts.all(), (reader or "") if self.blind else None
        known = self._standing
        if known is None or known[0] != (len(every), own):
            self._standing = known = ((len(every), own), Standing(every, own))
        return known[1]

    def found(self, query: Query, standing: Standing) -> list[CaseLine]:
        """Return the cases that a query asks for, in its order."""
        words = query.q.casefold().strip()
        lines = [
            line
            for line in self.lines
            if (not query.route or line.case.route == query.route) and words in line.text
        ]
        if query.state == STATES[2]:
            lines = [line for line in lines if standing.differs(line.case.case)]
        elif query.state:
            wanted = query.state == STATES[1]
            lines = [line for line in lines if standing.is_read(line) == wanted]
        if query.sort == "case":
            lines.sort(key=lambda line: line.case.case.casefold())
        elif query.sort == "probability":
            lines.sort(key=lambda line: -(line.case.p_abnormal or 0.0))
        elif query.sort == "cells":
            lines.sort(key=lambda line: -line.case.images)
        elif query.sort == "unread first":
            lines.sort(key=standing.is_read)
        return lines


def _searched(cells: Iterable[Mapping[str, Any]]) -> str:
    """What a search looks through: names, case, reasons and suggested karyotypes."""
    parts = [
        part for one in cells for part in (one["image"], said(one["reasons"]), one["karyotype"])
    ]
    return "\n".join([*(one["case"] for one in cells), *parts]).casefold()
