"""Measure how much larger chromosomes are in the compact view, and that none is lost in it.

    python scripts/measure_compact.py --data DATA [--count 40]

Writes reports/compact.md: pixels of a chromosome 21, as a network sees it, in the plain and in the
compact view, on pages composed from people whom the bundle never saw and from a source that taught
nothing, in every look that the composer has.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from measure_locate import LOCATOR, cells_of
from measured_pages import add_page_arguments, pages_of
from report_header import begin, write

from screening.build.config import UNSEEN
from screening.images.normalise import letterbox
from screening.images.page import Page
from screening.karyogram.compact import compact
from screening.karyogram.gate import inspect
from screening.metrics import markdown_table
from screening.synthesis.compose import compose
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.simulate import sham
from screening.synthesis.style import random_style

SIZES = (150, 224, 416)
"""Input sides: the thesis', the usual one of the bases, the shipped bundle's."""
SMALLEST = "21"


@dataclass(frozen=True)
class Line:
    """One page at one input size: pixels of a chromosome 21 along and across in either view,
    objects found, those in the compact picture, pixels of ink outside their boxes, seconds."""

    size: int
    plain: tuple[float, float]
    compact: tuple[float, float]
    found: int
    shown: int
    strange: int
    seconds: float


def measured(cell: Metaphase, seed: int, folder: Path | None) -> list[Line]:
    """Return the lines of one page, none where the gate refuses it or finds no chromosome 21;
    `folder`: both views are kept there as a picture."""
    rng = np.random.default_rng(seed)
    karyogram = compose(sham(cell, rng), random_style(rng), rng)
    page = Page.of(karyogram.image)
    inspection = inspect(page, LOCATOR)
    page, located = inspection.page or page, inspection.located
    truth = [box for box in karyogram.boxes if box.name == SMALLEST]
    if not inspection.quality.ok or located is None or not truth:
        return []
    middles = np.array([(box.x + box.w / 2, box.y + box.h / 2) for box in truth])
    found = np.array([each.box for each in located.chromosomes])
    inside = (middles[:, None] >= found[:, :2]) & (middles[:, None] < found[:, :2] + found[:, 2:])
    own = np.flatnonzero(inside.all(2).any(0))
    if not own.size:
        return []
    lines = []
    for size in SIZES:
        start = time.thread_time()
        view = compact(page.paper, located, size)
        seconds = time.thread_time() - start
        shown = [box for box in view.boxes if box is not None]
        bare = view.picture.copy()
        for x, y, w, h in shown:
            bare[y : y + h, x : x + w] = 255
        plain = size / max(page.cropped.shape)
        seen = np.array([view.boxes[i] for i in own if view.boxes[i] is not None])
        lines.append(Line(
            size,
            (plain * np.median([b.h for b in truth]), plain * np.median([b.w for b in truth])),
            (float(np.median(seen[:, 3])), float(np.median(seen[:, 2]))),
            len(view.boxes), len(shown), int(np.count_nonzero(bare < 255)), seconds,
        ))  # fmt: skip
        if folder is not None and size == SIZES[-1]:
            folder.mkdir(parents=True, exist_ok=True)
            both = np.hstack([letterbox(page.cropped, size), view.picture])
            cv2.imwrite(str(folder / f"{seed:03d}.png"), both)
    return lines


HEADER = ("pages of", "input, px", "pages", "21 along: plain", "compact", "across: plain",
          "compact", "times as long (10–90 %)", "ms, median")  # fmt: skip


def table_row(part: str, size: int, lines: Sequence[Line]) -> tuple[object, ...]:
    """Return the report's row for the pages of a part at one input size."""
    plain, seen = (
        np.array([getattr(line, name) for line in lines]) for name in ("plain", "compact")
    )
    ratio = seen[:, 0] / plain[:, 0]
    low, middle, high = np.percentile(ratio, (10, 50, 90))
    along, across = np.median(plain, 0), np.median(seen, 0)
    return (
        part, size, len(lines), f"{along[0]:.1f}", f"{across[0]:.1f}", f"{along[1]:.1f}",
        f"{across[1]:.1f}", f"{middle:.2f} ({low:.2f}–{high:.2f})",
        f"{1e3 * np.median([line.seconds for line in lines]):.0f}",
    )  # fmt: skip


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument("--count", type=int, default=40, help="pages of each part")
    parser.add_argument("--pictures", type=Path, help="folder in which both views are kept")
    args = parser.parse_args()
    commit, people = begin(args), pages_of(args)
    cv2.setNumThreads(1)
    rows, every = [], list[Line]()
    for part in people.with_people(["test", UNSEEN]):
        cells = cells_of(people, part)
        folder = args.pictures and args.pictures / part
        pages = [
            measured(cells[n * len(cells) // args.count], n, folder) for n in range(args.count)
        ]
        every += [line for lines in pages for line in lines]
        for at, size in enumerate(SIZES):
            rows.append(table_row(part, size, [lines[at] for lines in pages if lines]))
            print(*rows[-1], sep=" | ", flush=True)
    body = report(rows, every, args.count)
    write(args, "compact.md", "The compact view", commit, people.bundle, args.data, body)


def report(rows: Sequence[tuple[object, ...]], lines: Sequence[Line], count: int) -> str:
    """Return the report as markdown."""
    lost = sum(line.found - line.shown for line in lines)
    strange = sum(line.strange for line in lines)
    return f"""
{count} composed normal pages of each part, every look of the composer; those that the gate refuses,
or on which no 21 is found, are left out. Lengths of a chromosome 21 are medians over pages, in
pixels of the network's input: in the plain view of the true box, in the compact view
(`screening/karyogram/compact.py`) of what was drawn. The time is of laying out alone, on one core;
what was found on the page is known by then, and after the first size the chromosomes' outlines,
which the classifier uses too.

{markdown_table(HEADER, rows)}

In {len(lines)} compact pictures {lost} of {sum(line.found for line in lines)} objects found are
missing, and {strange} pixels of ink lie outside the places of the objects. What a network does
that sees this view: reports/fused.md.
"""


if __name__ == "__main__":
    main()
