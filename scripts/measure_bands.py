"""Measure how pages with G bands are told from those without, with reversed or blurred ones.

    python scripts/measure_bands.py --data DATA [--limit 10]

Composes normal cells of people whom the bundle has not seen (the test part of the split, the
laboratory left out, Q bands), draws some, takes the whole karyograms of --data, changes stain,
focus and file of each, and sends all through `screen`'s pipeline. Writes reports/bands.md: who is
told to be unreadable, and who is low-priority with and without that doubt.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from measured_pages import MeasuredPages, add_page_arguments, pages_of
from report_header import begin, write

from screening import words
from screening.assess.certification import Terms, scored
from screening.atomic import replace_files
from screening.build.pages import MANIFEST
from screening.bundle import Bundle
from screening.classes import LOW_PRIORITY, NORMAL, OK
from screening.data.chromosomes import load_cell, read_cells
from screening.evidence.banding import doubts_of_bands
from screening.images.page import Page
from screening.images.read import read_image
from screening.karyogram.locate import Located, Locator
from screening.metrics import markdown_table, proportion
from screening.record import Picture
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.stains import reversed_bands, unbanded
from screening.synthesis.style import unworn
from screening.train.karyogram_set import COMPOSED, Entry, make
from screening.triage.rule import Rule, judge

UNREADABLE = {
    words.NO_BANDS, words.REVERSED_BANDS, words.BLURRED_BANDS, words.POOR_BANDS,
    words.UNREADABLE_STRUCTURE,
}  # fmt: skip
Change = Callable[[np.ndarray, Located, np.random.Generator], np.ndarray]


def stained(stain: Callable[..., np.ndarray]) -> Change:
    """Return the change that stains every chromosome of a page anew."""

    def change(paper: np.ndarray, found: Located, rng: np.random.Generator) -> np.ndarray:
        page = paper.copy()
        for one in found.chromosomes:
            window = page[one.y : one.y + one.h, one.x : one.x + one.w]
            window[one.mask] = stain(one.crop(paper), rng)[one.mask]
        return page

    return change


def blurred(widths: float) -> Change:
    """Return the change that puts a page out of focus, by a Gaussian of chromosome widths."""
    return lambda paper, found, _: cv2.GaussianBlur(paper, (0, 0), widths * found.chromosome_width)


def jpeg(paper: np.ndarray, *_: object) -> np.ndarray:
    """Return the page after JPEG of quality 20."""
    return cv2.imdecode(cv2.imencode(".jpg", paper, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 0)


def small(paper: np.ndarray, found: Located, _: np.random.Generator) -> np.ndarray:
    """Return the page shrunk until its chromosomes are 6 pixels wide."""
    scale = 6 / found.chromosome_width
    return cv2.resize(paper, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


CHANGES: dict[str, Change] = {
    "as it is": lambda paper, *_: paper,
    "JPEG of quality 20": jpeg,
    "6 pixels wide": small,
    "solid stain": stained(unbanded),
    "a quarter of the bands left": stained(partial(unbanded, left=0.25)),
    "reversed bands": stained(lambda image, _: reversed_bands(image)),
} | {f"blur of {widths} widths": blurred(widths) for widths in (0.15, 0.25, 0.4)}


def cells_of(people: MeasuredPages) -> Iterator[tuple[str, Metaphase]]:
    """Yield each source with a normal cell that taught the bundle nothing."""
    sources, every = people.config.sources, read_cells(people.args.data)
    test = people.split.select(people.records, "test")
    own = [r for r in test if r.source == sources.train_on[0]]
    other = [r for r in every if r.source in sources.leave_out]
    q_bands = [r for r in every if r.chromosomes[0].stain == "Q"]
    groups = ((own, 1, ""), (other, 1, ", unseen"), (q_bands, 4, ", Q"))
    for group, share, what in groups:
        for record in [r for r in group[::share] if r.label == NORMAL][: people.args.most]:
            yield record.source + what, load_cell(record)
    for number in range(10):
        yield "drawn", draw_cell(np.random.default_rng(number), ("XX", "XY")[number % 2])


def pages(people: MeasuredPages) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each source with a page; every other composed one is of a good preparation."""
    args = people.args
    for number, (source, cell) in enumerate(cells_of(people)):
        entry = Entry(cell.source, cell.case, cell.cell, COMPOSED, args.seed + number)
        yield source, make(entry, cell, unworn if number % 2 else lambda style: style)[0].image
    for path in sorted((args.data / "karyograms").iterdir()):
        if path.suffix != ".csv":
            yield "whole karyograms", read_image(path)


def write_pages(folder: Path, people: MeasuredPages) -> None:
    """Write every page, the first ones of a source in every change, and their list; unless done."""
    if (folder / MANIFEST).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    args, locator = people.args, Locator.of(people.bundle)
    rows, so_far = list[tuple[str, ...]](), Counter[str]()
    for number, (source, image) in enumerate(pages(people)):
        paper = Page.of(image).paper
        found, rng = locator.locate(Page(paper)), np.random.default_rng([args.seed, number])
        so_far[source] += 1
        for name, change in [*CHANGES.items()][: None if so_far[source] <= args.limit else 1]:
            path = folder / f"{len(rows):05d}.png"
            cv2.imwrite(str(path), change(paper, found, rng))
            rows.append((path.name, NORMAL, path.stem, source, name))
    listed = io.StringIO(newline="")
    csv.writer(listed).writerows([("path", "label", "case", "source", "change"), *rows])
    replace_files(folder, {MANIFEST: listed.getvalue()})


def table(kinds: Sequence[tuple[str, str]], pictures: Sequence[Picture], bundle: Bundle) -> str:
    """Return the report's table."""
    rule, rows = Rule.of(bundle.info), []
    measures = ("agreement", "inverted", "detail")
    for kind in sorted(set(kinds), key=lambda k: ([*CHANGES].index(k[0]), kinds.index(k))):
        own = [p for p, k in zip(pictures, kinds, strict=True) if k == kind]
        read = [p.reading for p in own if p.status == OK and p.reading and p.reading.whole]
        told = sum(bool(doubts_of_bands(reading, bundle.info.reading)) for reading in read)
        bare = [replace(p, doubts=tuple(d for d in p.doubts if d not in UNREADABLE)) for p in own]
        last = [sum(judge(rule, p).route == LOW_PRIORITY for p in each) for each in (bare, own)]
        seen = np.array([vars(r.banding)[n] for r in read if r.banding for n in measures])
        middle = np.median(seen.reshape(-1, 3), 0) if len(seen) else [np.nan] * 3
        share = proportion(told, len(read)) if read else "–"
        rows.append((*kind, len(own), len(read), share, *last, *(f"{m:.2f}" for m in middle)))
    return markdown_table(
        ("change", "source", "pages", "read as a whole cell", "of these told unreadable",
         "low-priority without the doubt", "low-priority", *measures), rows,
    )  # fmt: skip


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument("--limit", type=int, default=10, help="pages of a source that are changed")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    commit, people = begin(args), pages_of(args)
    bundle = people.bundle
    folder = people.home / f"bands-{args.most}-{args.limit}-{args.seed}"
    write_pages(folder, people)
    terms = Terms(folder / MANIFEST, passes=args.passes, seed=args.seed, workers=args.workers)
    found, pictures = scored(bundle, terms, folder / f"seen-{bundle.hash[:12]}")
    with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
        listed = {row["path"]: (row["change"], row["source"]) for row in csv.DictReader(file)}
    kinds = [listed[picture.id] for picture in found]
    limits = bundle.info.reading.bands
    body = f"""{len(pictures)} pages, {terms.passes} passes, seed {args.seed}.
Composed normal cells of people whom the bundle has not seen, drawn cells and the whole karyograms
of the data folder. The changes are made on the page; widths are those of its chromosomes. The
measures are medians (`screening/evidence/banding.py`): a page is told unreadable with an agreement
under {limits.agreement:g}, inverted from {limits.inverted:g}, detail under {limits.detail:g}, or
where the classifier misreads a fifth of the chromosomes. No real page in solid stain or R bands is
at hand: these here are stained anew by `screening/synthesis/stains.py`. Pages that are no whole
cell to the reading, or that the gate refuses, go to a person for that reason.

{table(kinds, pictures, bundle)}"""
    title = "Pages whose bands can, and cannot, be read"
    write(args, "bands.md", title, commit, bundle, args.data, body)


if __name__ == "__main__":
    main()
