"""Measure what several cells of one person say of structural changes, against one cell.

    python scripts/measure_cells.py --data DATA [--parts test calibration]

Writes reports/cells.md. The cells of each person who taught the bundle nothing are composed as
pages, normal, cut and joined without a change, or all with the same structural change; each cell
looks its own way. What `screen` makes of the case is told for one cell of it, for two as it has
them by itself, and with --cells-together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from measure_structure import people_cells, settings
from report_header import add_report_arguments, begin, write

from screening.assess.certification import Terms
from screening.assess.labelled import LabelledPicture, score_pictures
from screening.assess.structural import without_structure
from screening.build.data import records_of
from screening.bundle import Bundle, default_bundle, load_bundle, sha256_of
from screening.classes import LOW_PRIORITY
from screening.data.chromosomes import CellRecord
from screening.data.split import CALIBRATION, TEST, VALIDATION
from screening.errors import ScreeningError
from screening.metrics import markdown_table, proportion
from screening.record import Picture
from screening.synthesis.compose import compose
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.random_structural import random_structural
from screening.synthesis.structural import structural, structural_sham
from screening.synthesis.style import clinical_style
from screening.triage.cases import summarise_cases, without_doubt, without_outvoted
from screening.triage.rule import Rule, judge
from screening.worklist.scorer import BundleScorer

ROBERTSONIAN = "rob"
"""Kind of change that alters the number: what counts finds it."""
_TRIES = 6


@dataclass(frozen=True)
class Made:
    """The cells of a person on a page each: the ISCN name of their `change`, "" when normal."""

    person: str
    source: str
    change: str
    pages: tuple[Path, ...]

    @property
    def kind(self) -> str:
        """Return the kind of the change, "del"."""
        return self.change.partition("(")[0]


def made(job: tuple[tuple[int, int, int], list[Metaphase]], folder: Path) -> Made | None:
    """Return pages of a person's cells: (person, case, normal cases), the first `normal` cases of a
    person without a change, every second of these cut and joined; None where none can be made."""
    (person, number, normal), cells = job
    cv2.setNumThreads(1)
    rng = np.random.default_rng((29, person, number))
    sex = "XY" if cells[0].counts()["Y"] else "XX"
    for _ in range(_TRIES):
        name = random_structural(rng, sex)
        try:
            if number >= normal:
                changed = [structural(cell, name, rng) for cell in cells]
            else:
                joined = structural_sham if number % 2 else lambda cell, name, rng: cell
                changed = [joined(cell, name, rng) for cell in cells]
        except (ScreeningError, cv2.error):  # bands or a piece that this cell does not have
            continue
        paths = []
        for at, cell in enumerate(changed):
            paths.append(folder / f"{person:03d}-{number:02d}-{at}.png")
            cv2.imwrite(str(paths[-1]), compose(cell, clinical_style(rng), rng).image)
        case = f"{cells[0].source}/{cells[0].case}"
        return Made(case, cells[0].source, name if number >= normal else "", tuple(paths))
    return None


def several(cells: Sequence[Metaphase]) -> list[list[Metaphase]]:
    """Return the cells of each person who has two or more."""
    people: dict[tuple[str, str], list[Metaphase]] = defaultdict(list)
    for cell in cells:
        people[cell.source, cell.case].append(cell)
    return [people[who] for who in sorted(people) if len(people[who]) > 1]


@dataclass(frozen=True, eq=False)
class Case:
    """A case and what the bundle saw on its pages."""

    made: Made
    pictures: tuple[Picture, ...]


def looked(
    cases: Sequence[Made], bundle: Bundle, folder: Path, args: argparse.Namespace
) -> Iterator[Case]:
    """Yield the cases with what the bundle sees of them, as `screen` would."""
    pictures = [
        LabelledPicture(
            path.name, path, False, path.name, one.source, one.person, False, sha256_of(path)
        )
        for one in cases for path in one.pages
    ]  # fmt: skip
    terms = Terms(args.data, passes=args.passes, workers=args.workers)
    scorer = BundleScorer(bundle, args.passes)
    seen = score_pictures(pictures, bundle, scorer, folder / "seen", terms)
    for one in cases:
        yield Case(
            one, tuple(replace(seen[path.name], case=one.pages[0].name) for path in one.pages)
        )


def route(pictures: Sequence[Picture], rule: Rule) -> str:
    """Return the route of a case of these pictures."""
    judged = [replace(one, verdict=judge(rule, one)) for one in pictures]
    bare = {one.image: without_doubt(one) for one in pictures}
    others = {name: replace(o, verdict=judge(rule, o)) for name, o in bare.items() if o is not None}
    (case,) = summarise_cases(without_outvoted(judged, others, rule), rule)
    return case.route


def uncompared(picture: Picture, bundle: Bundle) -> Picture:
    """Return a picture as if nothing had compared its homologs, for its case either."""
    bare, reading = without_structure(picture, bundle.info.reading), picture.reading
    return bare if reading is None else replace(bare, reading=replace(reading, structure=None))


def table(cases: Sequence[Case], bundle: Bundle, count: int) -> str:
    """Return what becomes of cases by their first `count` cells, as Markdown."""
    apart, together = (Rule.of(bundle.info, together=both) for both in (False, True))
    ways = [("the first cell", 1, apart), (f"{count} cells, by themselves", count, apart),
            (f"{count} cells, --cells-together", count, together)]  # fmt: skip
    usable = [one for one in cases if len(one.pictures) >= count]

    def otherwise_low(case: Case) -> bool:
        return (
            route([uncompared(one, bundle) for one in case.pictures[:count]], apart) == LOW_PRIORITY
        )

    low = [one for one in usable if otherwise_low(one)]
    normal = [one for one in low if not one.made.change]
    changed = [one for one in low if one.made.change and one.made.kind != ROBERTSONIAN]
    kinds = sorted({one.made.kind for one in changed})
    rows = []
    for name, cells, rule in ways:
        raised = {id(one): route(one.pictures[:cells], rule) != LOW_PRIORITY for one in low}
        found = [raised[id(one)] for one in changed]
        by_kind = [[raised[id(one)] for one in changed if one.made.kind == kind] for kind in kinds]
        rows.append([
            name, proportion(sum(raised[id(one)] for one in normal), len(normal)),
            proportion(sum(found), len(found)), *(f"{sum(own)}/{len(own)}" for own in by_kind),
        ])  # fmt: skip
    heads = ["judged by", "normal cases that lose low priority", "changed cases raised", *kinds]
    people = len({one.made.person for one in low})
    said = (
        f"{len(low)} of {len(usable)} cases would be of low priority had nothing compared the "
        f"homologs, of {people} people; the others go to a person anyway."
    )
    return f"{said}\n\n{markdown_table(heads, rows)}"


def in_one_of_two(cases: Sequence[Case], bundle: Bundle) -> str:
    """Return what becomes of a change that only the first of two cells has, beside a normal second
    one of the same person, as Markdown."""
    normal = {one.made.person: one for one in cases if not one.made.change}
    mixed = [
        (replace(one.pictures[0], case="a"), replace(normal[one.made.person].pictures[1], case="a"))
        for one in cases
        if one.made.change and one.made.kind != ROBERTSONIAN and one.made.person in normal
    ]
    rows = []
    for name, both in (("2 cells, by themselves", False), ("2 cells, --cells-together", True)):
        rule = Rule.of(bundle.info, together=both)
        found = sum(route(two, rule) != LOW_PRIORITY for two in mixed)
        rows.append([name, proportion(found, len(mixed))])
    return markdown_table(["judged by", "cases raised, for whatever reason"], rows)


def section(
    part: str, records: Sequence[CellRecord], bundle: Bundle, args: argparse.Namespace
) -> str:
    """Return what is measured on the people of a part of the split, as Markdown."""
    people = several(people_cells(list(records), bundle, part))
    numbers = range(args.normal + args.changed)
    jobs = [((p, n, args.normal), cells) for p, cells in enumerate(people) for n in numbers]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as pool:
            composed = [one for one in pool.map(partial(made, folder=folder), jobs) if one]
        print(f"{part}: {sum(len(one.pages) for one in composed)} pages", flush=True)
        cases = list(looked(composed, bundle, folder, args))
    return (
        f"\n## People of the {part} part\n\n{len(people)} with two cells or more.\n\n"
        f"### Two cells\n\n{table(cases, bundle, 2)}\n"
        f"### Three cells\n\n{table(cases, bundle, 3)}\n"
        f"### A change that only one of two cells has\n\n{in_one_of_two(cases, bundle)}"
    )


def main() -> int:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument(
        "--parts", nargs="+", choices=(TEST, VALIDATION, CALIBRATION), default=[TEST, CALIBRATION],
        help="of the split: whose cells (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--normal", type=int, default=3, help="cases of a person (%(default)s)")
    parser.add_argument("--changed", type=int, default=5, help="cases of a person (%(default)s)")
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    add_report_arguments(parser)
    args = parser.parse_args()
    commit = begin(args)
    bundle = load_bundle(args.bundle)
    records = records_of(args.data, settings(bundle).sources)
    body = (
        "Cases of people who taught the bundle nothing (those of the calibration part are its "
        f"certificate's), of each {args.normal} normal ones, a third of them cut and joined "
        f"without a change, and {args.changed} with a change of 20 megabases or more in every "
        "cell, the same one. Each cell is composed as a page of its own look; "
        f"{args.passes} passes. Robertsonian translocations are left out: they change the number.\n"
        + "".join(section(part, records, bundle, args) for part in args.parts)
    )
    write(args, "cells.md", "Several cells of one person", commit, bundle, args.data, body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
