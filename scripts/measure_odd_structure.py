"""Measure what is said of structure where nothing can be: cells and pictures that are not usual.

    python scripts/measure_odd_structure.py --data DATA [--cells 16]

Writes reports/odd_structure.md. Normal cells of unseen people with chromosomes too many or too few,
the same change in both homologs, folded or cut by the picture's edge, small, without or with
reversed bands, negative or badly compressed go through the whole of `screen`, and single ones
through `classify`. A doubt or silence is right, a name for a change is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from measure_structure import test_cells
from report_header import add_report_arguments, begin, write

from screening.assess.certification import Terms
from screening.assess.labelled import LabelledPicture, score_pictures
from screening.bundle import Bundle, default_bundle, load_bundle, sha256_of
from screening.classes import CHROMOSOMES, LOW_PRIORITY, OK
from screening.errors import ScreeningError
from screening.images.single import single_chromosome
from screening.metrics import markdown_table
from screening.predict.chromosomes import ChromosomeClassifier
from screening.predict.engine import engine_of
from screening.predict.structure import StructureReader
from screening.record import Picture
from screening.synthesis.compose import compose
from screening.synthesis.metaphase import Chromosome, Metaphase
from screening.synthesis.stains import reversed_bands, unbanded
from screening.synthesis.structural import structural
from screening.synthesis.style import clinical_style
from screening.synthesis.warp import Hinge, curl, warp
from screening.train.structure_pages import random_change
from screening.triage.rule import Rule, judge
from screening.worklist.scorer import BundleScorer
from screening.worklist.singles import MIN_SIDE
from screening.worklist.singles_structure import changes_of

SMALL = 19
"""Pixels that half of the chromosomes of a small page are longer than."""

OfCell = Callable[[Metaphase, np.random.Generator], Metaphase]
OfPicture = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def fewer(cell: Metaphase, rng: np.random.Generator) -> Metaphase:
    """Return the cell without two chromosomes of two classes: 44."""
    return _without(cell, 2, rng)


def one_homolog(cell: Metaphase, rng: np.random.Generator) -> Metaphase:
    """Return the cell without one homolog: 45."""
    return _without(cell, 1, rng)


def more(cell: Metaphase, rng: np.random.Generator) -> Metaphase:
    """Return the cell with a copy of two chromosomes, a little bent: 48."""
    chosen = rng.choice(len(cell.chromosomes), 2, replace=False)
    copies = [
        replace(one, image=warp(one.image, bend=0.08, mirror=True), origin=f"{one.origin}~copy")
        for one in (cell.chromosomes[i] for i in chosen)
    ]
    return replace(cell, chromosomes=(*cell.chromosomes, *copies))


def both_changed(cell: Metaphase, rng: np.random.Generator) -> Metaphase:
    """Return the cell with the same change within both homologs of a class.

    ScreeningError when none of the drawn ones can be made of both.
    """
    two = [name for name in CHROMOSOMES if cell.counts()[name] == 2]
    for _ in range(40):
        name = random_change(rng, two)
        if name.partition("(")[0] not in ("del", "dup", "inv"):
            continue
        made: dict[str, Chromosome] = {}
        for _ in range(6):
            changed = structural(cell, name, rng)
            (one,) = (c for c in changed.chromosomes if c.derived)
            made[one.origin.rpartition("~")[0]] = one
        if len(made) == 2:
            chromosomes = tuple(made.get(c.origin, c) for c in cell.chromosomes)
            return replace(cell, chromosomes=chromosomes)
    raise ScreeningError("expected homologs that are straight enough to be cut: take another cell")


def folded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a chromosome folded back by most of a half turn."""
    hinge = Hinge(rng.uniform(0.35, 0.65), rng.choice([-1, 1]) * rng.uniform(110, 160), 0.05)
    return curl(image, [hinge], lead=1.0)


def halved(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return what an edge leaves of a chromosome: its upper 55 to 80 percent."""
    return image[: round(rng.uniform(0.55, 0.8) * len(image))]


def some_folded(cell: Metaphase, rng: np.random.Generator) -> Metaphase:
    """Return the cell with three of its ten longest chromosomes folded."""
    longest = sorted(range(len(cell.chromosomes)), key=lambda i: -len(cell.chromosomes[i].image))
    chosen = set(rng.choice(longest[:10], 3, replace=False).tolist())
    return _each(cell, lambda i, image: folded(image, rng) if i in chosen else image)


def cut_by_edge(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the page without its left edge, which runs through the first chromosomes."""
    left, right = _ink(page)
    return page[:, left + round(0.012 * (right - left)) :]


def small(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a chromosome of SMALL pixels."""
    return _scaled(image, SMALL / len(image))


def inverted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the negative."""
    return 255 - image


def jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture after JPEG of quality 20."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def solid(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a chromosome in solid stain."""
    return unbanded(image, rng)


def r_bands(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a chromosome with R bands."""
    return reversed_bands(image)


CELLS: Mapping[str, OfCell] = {
    "as it is": lambda cell, rng: cell, "44 chromosomes": fewer, "48 chromosomes": more,
    "one homolog missing": one_homolog, "both homologs changed": both_changed,
    "three folded": some_folded,
    "solid stain": lambda cell, rng: _each(cell, lambda i, image: solid(image, rng)),
    "R bands": lambda cell, rng: _each(cell, lambda i, image: r_bands(image, rng)),
}  # fmt: skip
PAGES: Mapping[str, OfPicture] = {
    "cut by the edge": cut_by_edge, "negative": inverted, "JPEG, quality 20": jpeg,
    f"chromosomes of {SMALL} pixels": lambda page, rng: page,
}  # fmt: skip
SINGLES: Mapping[str, OfPicture] = {
    "as it is": lambda image, rng: image, "folded": folded, "cut by the edge": halved,
    "solid stain": solid, "R bands": r_bands, "negative": inverted, "JPEG, quality 20": jpeg,
    f"{SMALL} pixels long": small,
}  # fmt: skip


def odd_page(cell: Metaphase, what: str, rng: np.random.Generator) -> np.ndarray:
    """Return the page of a cell, made odd as `what` says."""
    changed = CELLS[what](cell, rng) if what in CELLS else cell
    page = compose(changed, clinical_style(rng), rng)
    if what.endswith("pixels"):
        return _scaled(page.image, SMALL / float(np.median([box.h for box in page.boxes])))
    return PAGES[what](page.image, rng) if what in PAGES else page.image


def judged(
    cells: Sequence[Metaphase], what: str, scorer: BundleScorer, args: argparse.Namespace
) -> list[Picture]:
    """Return what `screen` sees on a page of each cell, made odd as `what` says."""
    with tempfile.TemporaryDirectory() as place:
        folder, made = Path(place), []
        for number, cell in enumerate(cells):
            rng = np.random.default_rng((11, number))
            path = folder / f"{number:03d}.png"
            try:
                cv2.imwrite(str(path), odd_page(cell, what, rng))
            except ScreeningError as error:
                print(f"left out: {error}", flush=True)
                continue
            made.append(LabelledPicture(
                path.name, path, False, path.name, cell.source, cell.case, False, sha256_of(path)
            ))  # fmt: skip
        terms = Terms(args.data, passes=args.passes, workers=2)
        seen = score_pictures(made, scorer.bundle, scorer, folder / "seen", terms)
        return [seen[one.id] for one in made]


def row(what: str, pictures: Sequence[Picture], bundle: Bundle) -> list[object]:
    """Return one line: how many were judged and put last, doubted, and named."""
    rule, doubt = Rule.of(bundle.info), bundle.info.reading.structure.doubt
    ok = [one for one in pictures if one.status == OK]
    seen = [one.reading.structure for one in ok if one.reading and one.reading.structure]
    doubted = [one for one in seen if one.log_odds >= doubt]
    named = [one for one in doubted if one.suggestion]
    said = [one for one in ok if any(s.suggestion and s.suggestion in d
            for s in [one.reading and one.reading.structure] if s for d in one.doubts)]  # fmt: skip
    last = sum(judge(rule, one).route == LOW_PRIORITY for one in pictures)
    return [what, len(pictures), len(ok), len(seen), last, len(doubted), len(named), len(said)]


def singles_row(
    what: str, cells: Sequence[Metaphase], classifier: ChromosomeClassifier,
    reader: StructureReader, bundle: Bundle,
) -> list[object]:  # fmt: skip
    """Return one line of single chromosomes: how many read, told as changed, and told how."""
    rng = np.random.default_rng(13)
    shown = [SINGLES[what](one.image, rng) for cell in cells for one in cell.chromosomes]
    pictures = [single_chromosome(np.ascontiguousarray(image)) for image in shown]
    pictures = [one for one in pictures if min(one.shape) >= MIN_SIDE]
    unknown = np.full(len(pictures), np.nan, np.float32)
    p = classifier.classify(pictures, unknown, False).p
    kept = np.flatnonzero(p[:, -1] <= 0.5)  # of the others `classify` says no more
    said = changes_of(
        [pictures[i] for i in kept], p[kept], reader, bundle.info.reading.structure, False, False
    )
    read = [one for one in said if not isinstance(one, str)]
    told = [one for one in read if one.p >= 0.5]
    kinds = ", ".join(
        f"{kind} {count}" for kind in ("del", "dup", "inv", "t")
        if (count := sum(one.kind == kind for one in told))
    )  # fmt: skip
    return [what, len(shown), len(read), len(told), sum(bool(one.kind) for one in told), kinds]


def main() -> int:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--cells", type=int, default=24, help="cells of each kind (%(default)s)")
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--only", nargs="*", choices=(*CELLS, *PAGES), help="of the pages")
    add_report_arguments(parser)
    args = parser.parse_args()
    commit = begin(args)
    cv2.setNumThreads(1)
    bundle = load_bundle(args.bundle)
    people = test_cells(args.data, bundle)["unseen people"]
    chosen = np.random.default_rng(3).permutation(len(people))[: args.cells]
    cells = [people[i] for i in chosen]
    scorer = BundleScorer(bundle, args.passes)
    rows = []
    for what in (*CELLS, *PAGES) if args.only is None else args.only:
        rows.append(row(what, judged(cells, what, scorer, args), bundle))
        print(*rows[-1], flush=True)
    engine = engine_of(bundle).engine
    classifier = ChromosomeClassifier(bundle, engine, 20)
    reader = StructureReader(engine, passes=1)
    alone = []
    for what in SINGLES:
        alone.append(singles_row(what, cells[:8], classifier, reader, bundle))
        print(*alone[-1], flush=True)
    body = (
        f"Cells of {len({cell.case for cell in cells})} people whom the bundle never saw, normal "
        f"but for what is said; {args.passes} passes. A name is an ISCN one that the reader "
        "suggests, of a doubted page; what is said to a person leaves it out where the bands or "
        "the number cannot carry it.\n\n## Pages through `screen`\n\n"
        + markdown_table(
            ["page", "pages", "judged", "pairs compared", "of low priority", "structure doubted",
             "a name suggested", "and said"], rows,
        )
        + "\n## Single chromosomes through `classify`, each picture alone\n\n"
        + markdown_table(
            ["picture", "pictures", "read", "told as changed", "told how", "as what"], alone
        )
    )  # fmt: skip
    write(args, "odd_structure.md", "Structure where nothing can be said", commit, bundle,
          args.data, body)  # fmt: skip
    return 0


def _without(cell: Metaphase, count: int, rng: np.random.Generator) -> Metaphase:
    """The cell without one chromosome of each of `count` classes that have two."""
    two = [name for name in CHROMOSOMES if cell.counts()[name] == 2]
    lost = set()
    for name in rng.choice(two, count, replace=False):
        own = [i for i, one in enumerate(cell.chromosomes) if one.name == name]
        lost.add(int(rng.choice(own)))
    kept = tuple(one for i, one in enumerate(cell.chromosomes) if i not in lost)
    return replace(cell, chromosomes=kept)


def _each(cell: Metaphase, change: Callable[[int, np.ndarray], np.ndarray]) -> Metaphase:
    changed = tuple(
        replace(one, image=change(i, one.image)) for i, one in enumerate(cell.chromosomes)
    )
    return replace(cell, chromosomes=changed)


def _scaled(image: np.ndarray, factor: float) -> np.ndarray:
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def _ink(page: np.ndarray) -> tuple[int, int]:
    """The columns between which there is ink."""
    columns = np.flatnonzero((page < 128).sum(0) > 2)
    return int(columns[0]), int(columns[-1]) + 1


if __name__ == "__main__":
    sys.exit(main())
