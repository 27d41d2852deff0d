"""Measure what `screen` does with structural changes, on pages of people whom the bundle never saw.

    python scripts/measure_structural_pages.py --data DATA [--most 200]

Composes the pages that are not there, lets the bundle look at them and writes
reports/structural_pages.md: how many cells with a change of each kind and size are not of low
priority, with and without the witness of structure; what becomes of cells cut and joined without a
change; and whether the pair and the translocation that are named are the true ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from measured_pages import Part, add_page_arguments, pages_of
from report_header import begin, write

from screening.assess.structural import (
    BANDS,
    Shown,
    Tried,
    counted,
    covers,
    without_structure,
)
from screening.classes import LOW_PRIORITY, OK
from screening.iscn import chromosomes_of
from screening.metrics import markdown_table, proportion
from screening.reading_settings import ReadingSettings
from screening.record import Structure
from screening.triage.rule import Rule, judge

PARTS = ("test-structural", "unseen-structural")
BCR_ABL = "t(9;22)"


@dataclass(frozen=True, eq=False)
class Routed:
    """A page, its route, and the route had nothing been said about structure."""

    page: Shown
    route: str
    without: str

    @property
    def raised(self) -> bool:
        """Return whether a person looks at it before those of low priority."""
        return self.route != LOW_PRIORITY


def routed(part: Part, rule: Rule, settings: ReadingSettings) -> list[Routed]:
    """Return the pages of a part with their routes."""
    found = []
    for row, picture in zip(part.rows, part.pictures, strict=True):
        bare = judge(rule, without_structure(picture, settings)).route
        page = Shown(row["case"], row["abnormality"], picture)
        found.append(Routed(page, judge(rule, picture).route, bare))
    return found


def tables(name: str, pages: Sequence[Routed]) -> Iterator[str]:
    """Yield one part's markdown."""
    yield f"## {name}\n"
    yield markdown_table(
        ["kind", "changed", "pages", "not of low priority", "without the witness", "not judged",
         "a changed pair told first", "told at all"],
        list(_by_kind(pages)),
    )  # fmt: skip
    sham = [one for one in pages if not one.page.change]
    lost = sum(one.raised and one.without == LOW_PRIORITY for one in sham)
    low = sum(one.without == LOW_PRIORITY for one in sham)
    yield (
        f"\nNormal cells, cut and joined without a change: {len(sham)}, of low priority "
        f"{proportion(low, len(sham))} without the witness, of these "
        f"{proportion(lost, low) if low else 'none'} not with it.\n"
    )
    found = counted(
        [Tried(one.page.person, one.page.kind, one.page.size, one.raised) for one in pages
         if one.page.change]
    )  # fmt: skip
    covered = covers(found)
    yield (
        "Changed part from which on four fifths of the changes of each kind are surely not of low "
        "priority (exact bounds, 95 % each, over people): "
        f"{'none' if covered is None else f'{100 * covered:.0f} %'}.\n"
    )
    named = [(one, _structure(one).suggestion) for one in pages if _structure(one)]
    told = [(one, said) for one, said in named if said]
    right = sum(one.page.change.partition(")")[0] == said.partition(")")[0] for one, said in told)
    yield f"A translocation is named on {len(told)} pages, on {right} of them the true one.\n"


def _by_kind(pages: Sequence[Routed]) -> Iterator[list[object]]:
    kinds = sorted({one.page.kind for one in pages if one.page.change})
    for kind in kinds:
        own = [one for one in pages if one.page.kind == kind]
        for low, high in BANDS:
            here = [one for one in own if low <= one.page.size < high]
            if here:
                yield _row(kind, f"{100 * low:.0f}–{min(100 * high, 100):.0f} %", here)
    known = [one for one in pages if one.page.change.startswith(BCR_ABL)]
    if known:
        yield _row(BCR_ABL, "", known)


def _row(kind: str, size: str, pages: Sequence[Routed]) -> list[object]:
    n = len(pages)
    first = sum(_told(one, 1) for one in pages)
    every = sum(_told(one, 3) for one in pages)
    return [
        kind, size, n, proportion(sum(one.raised for one in pages), n),
        sum(one.without != LOW_PRIORITY for one in pages),
        sum(one.page.picture.status != OK for one in pages), first, every,
    ]  # fmt: skip


def _told(one: Routed, most: int) -> bool:
    """Whether a changed class is among the first pairs told."""
    seen = _structure(one)
    changed = chromosomes_of(one.page.change)
    return seen is not None and any(pair.name in changed for pair in seen.pairs[:most])


def _structure(one: Routed) -> Structure | None:
    reading = one.page.picture.reading
    return reading.structure if reading is not None else None


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument("--parts", nargs="+", default=PARTS)
    args = parser.parse_args()
    commit, pages = begin(args), pages_of(args)
    info = pages.bundle.info
    rule, limits = Rule.of(info), info.reading.structure
    text = [
        f"A cell is doubted from log-odds of {limits.doubt:g} on, and called unreadable under "
        f"{limits.readable:g}. Changes are simulated, half of them those that laboratories meet, "
        f"of at least 20 megabases; the changed part is the largest of one chromosome. "
        f"{pages.said()} Intervals are exact, 95 %, over pictures.\n",
    ]
    for part in pages.with_people(args.parts):
        text += tables(part, routed(pages.part(part), rule, info.reading))
    title = "Structural changes: what `screen` does with them"
    write(args, "structural_pages.md", title, commit, pages.bundle, args.data, "\n".join(text))


if __name__ == "__main__":
    main()
