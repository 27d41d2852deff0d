"""Measure what the program makes of clusters: chromosomes alone, touching and overlapping ones.

    python scripts/measure_clusters.py --data DATA [--count 11] [--part validation]

Writes reports/clusters.md. Pages are composed from people whom the bundle never saw, in good and in
worn preparation and crowded; the composer knows each chromosome's own ink, so that the type of
every cluster, each outline and each overlap are true. What is found is what `screening screen`
finds, before and after the classifier chose between cuttings.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, zip_longest

import cv2
import numpy as np
from cluster_tables import report
from cluster_types import (
    FOUND,
    OVERLAPPING,
    Blob,
    Cluster,
    Member,
    Shown,
    best_limits,
    clusters,
    completed,
    darkness,
    hull,
    kind_of,
    matched,
    meetings,
    overlaps,
    owners,
    rim,
    type_of,
)
from measured_pages import MeasuredPages, add_page_arguments, pages_of
from report_header import begin, write

from screening.build.data import part_cells
from screening.data.pool import is_pooled
from screening.data.split import TEST, VALIDATION
from screening.images.ink import ink_window
from screening.images.page import Page
from screening.karyogram.gate import inspect
from screening.karyogram.locate import FoundChromosome, Located, Locator
from screening.predict.chromosomes import ChromosomeClassifier
from screening.predict.engine import engine_of
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.style import Style, unworn
from screening.train.karyogram_set import COMPOSED, SCRAMBLED, Entry, make

LAID_INK = 245
"""Darker is part of a chromosome's picture, as in the composer."""
LEAN = 0.5
"""Share of the homologs that lean on each other on crowded pages, at least."""
LOOKS: dict[str, tuple[str, Callable[[Style], Style]]] = {
    "good": (COMPOSED, unworn),
    "worn": (COMPOSED, lambda style: style),
    "crowded": (SCRAMBLED, lambda style: replace(style, lean=max(style.lean, LEAN))),
}
"""How a page is made: the kind of cell and the change of the random style. Crowded pages are no
preparation of a person's cell: without a third homolog no cluster has both kinds of meetings."""


class Judge:
    """Judges pages by a locator and a classifier."""

    def __init__(self, locator: Locator, classifier: ChromosomeClassifier) -> None:
        self.locator, self.classifier = locator, classifier

    def page(self, cell: Metaphase, look: str, seed: int) -> Shown:
        """Return what was measured on a page composed of a cell."""
        kind, style = LOOKS[look]
        entry = Entry(cell.source, cell.case, cell.cell, kind, seed)
        karyogram, _ = make(entry, cell, style)
        page = Page.of(karyogram.image)
        inspection = inspect(page, self.locator)
        page = inspection.page or page
        located = inspection.located or self.locator.locate(page)
        chosen, _ = self.classifier.read(located, page.paper)
        true = [Blob(x, y, image < LAID_INK) for image, x, y in karyogram.laid]
        person = f"{cell.case}/{cell.cell}" if is_pooled(cell.case) else cell.case
        own, spots, dark = self._clusters(true, located, chosen, page.paper)
        ok = inspection.quality.ok
        return Shown(cell.source, person, look, own, spots, dark, not ok)

    def _clusters(
        self, true: Sequence[Blob], before: Located, after: Located, paper: np.ndarray
    ) -> tuple[tuple[Cluster, ...], tuple, tuple]:
        standing = _standing(true)
        unit = float(np.median([each.width for each in standing]))
        pairs = meetings(true, unit)
        members = clusters(len(true), pairs)
        first, found = ([Blob(p.x, p.y, p.mask) for p in of.chromosomes] for of in (before, after))
        of_first, of_found = owners(first, true), owners(found, true)
        dark = _dark(found, paper, after.chromosome_width)
        told = {pair: kind for pair, there in dark.items() if (kind := kind_of(there))}
        ways = (hull, rim(after.chromosome_width))
        stages = [found, *(completed(found, told, way) for way in ways)]
        at, iou = matched(true, found)
        ious = [
            tuple(0.0 if k < 0 else float(matched([one], [of[k]])[1][0]) for of in stages)
            for one, k in zip(true, at, strict=True)
        ]
        length = [
            float("nan") if k < 0 else after.chromosomes[k].length / one.length
            for one, k in zip(standing, at, strict=True)
        ]
        made = []
        for own in members:
            inside = [k for k, owner in enumerate(of_found) if owner in own]
            made.append(Cluster(
                type_of(own, pairs), type_of(inside, told),
                tuple(Member(ious[m], length[m]) for m in own),
                sum(owner in own for owner in of_first), len(inside),
            ))  # fmt: skip
        spots = tuple(
            tuple(overlaps(true, [None if k < 0 else of[k] for k in at], pair)
                  for of in stages)
            for pair, kind in pairs.items() if kind == OVERLAPPING
        )  # fmt: skip
        true_of = {int(k): m for m, k in enumerate(at) if k >= 0 and iou[m] >= FOUND}
        near = []
        for (i, j), there in dark.items():
            if i in true_of and j in true_of:
                first_of, last_of = sorted((true_of[i], true_of[j]))
                near.append((pairs.get((first_of, last_of), ""), there))
        return tuple(made), spots, tuple(near)


def _standing(true: Sequence[Blob]) -> list[FoundChromosome]:
    """True chromosomes as if they had been found, each by itself."""
    pieces = []
    for one in true:
        window = ink_window(one.mask)
        assert window is not None, "the composer lays no empty picture"
        corner = one.x + window[1].start, one.y + window[0].start
        pieces.append((np.ascontiguousarray(one.mask[window]), *corner))
    depths = [
        cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3).max()
        for mask, _, _ in pieces
    ]
    return [FoundChromosome.of(*piece, 2 * float(np.median(depths))) for piece in pieces]


def _dark(found: Sequence[Blob], paper: np.ndarray, unit: float) -> dict[tuple[int, int], float]:
    """How dark it is where found pieces come near each other."""
    seen = {
        (i, j): darkness(found[i], found[j], paper, unit)
        for j in range(len(found))
        for i in range(j)
    }
    return {pair: there for pair, there in seen.items() if there == there}


def cells_of(people: MeasuredPages, part: str, count: int) -> Iterator[Metaphase]:
    """Yield `count` cells of each laboratory of a part: of as many people as there are."""
    normal = part_cells(people.records, people.split, part, people.config)[COMPOSED]
    for source in people.config.sources.train_on:
        of_person: dict[str, list[Metaphase]] = defaultdict(list)
        for cell in normal:
            if cell.source == source:
                of_person[cell.case].append(cell)
        turns = chain.from_iterable(zip_longest(*of_person.values()))
        cells = [cell for cell in turns if cell is not None]
        yield from (cells[k % len(cells)] for k in range(count if cells else 0))


def measured(people: MeasuredPages, part: str, count: int) -> list[Shown]:
    """Return what was measured on `count` pages of each laboratory and look."""
    bundle = people.bundle
    judge = Judge(
        Locator.of(bundle),
        # What is chosen hangs on no dropout pass.
        ChromosomeClassifier(bundle, engine_of(bundle).engine, passes=1),
    )
    shown = []
    for number, cell in enumerate(cells_of(people, part, count)):
        for place, look in enumerate(LOOKS):
            shown.append(judge.page(cell, look, 31_000_000 + len(LOOKS) * number + place))
        print(f"{number + 1} cells, {time.process_time():.0f} s of a processor", flush=True)
    return shown


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument(
        "--part",
        choices=(VALIDATION, TEST),
        default=TEST,
        help="validation: print the limits that tell touching from overlapping best, no report",
    )
    parser.add_argument("--count", type=int, default=11, help="pages of each laboratory and look")
    args = parser.parse_args()
    commit, people = begin(args), pages_of(args)
    cv2.setNumThreads(1)
    shown = measured(people, args.part, args.count)
    if args.part == VALIDATION:
        limits = best_limits([each for page in shown for each in page.meetings])
        print(f"apart under {limits[0]:.2f}, overlapping from {limits[1]:.2f}")
        return
    title = "Clusters: chromosomes alone, touching and overlapping"
    write(args, "clusters.md", title, commit, people.bundle, args.data, report(shown))


if __name__ == "__main__":
    main()
