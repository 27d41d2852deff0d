"""Measure what `classify` says of the structure of single chromosomes, each by itself.

    python scripts/measure_singles.py --data ../shared/data --bundle BUNDLE

Writes reports/singles.md. Cells of unseen people and of an unseen laboratory get rearrangements
that are joined by structure_splicer.py, which no training saw, and as many shams; every picture is
then one of a folder. AUROC against the untouched chromosomes of the same cells, and against shams.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from measure_structure import test_cells
from report_header import add_report_arguments, begin, write
from structure_splicer import by_pictures

from screening.bundle import Bundle, default_bundle, load_bundle
from screening.classes import CHROMOSOMES, class_index
from screening.errors import ScreeningError
from screening.evidence.in_cell import classes_in_cell
from screening.evidence.single_lengths import likelihood_of_lengths, weighed
from screening.evidence.structure_path import read_path
from screening.images.single import single_chromosome
from screening.karyogram.crops import cell_scale, standardised
from screening.karyogram.strip import cell_strips
from screening.karyogram.whole import ink_mask
from screening.metrics import auroc, markdown_table, proportion
from screening.predict.chromosomes import ChromosomeClassifier
from screening.predict.engine import engine_of
from screening.predict.structure import StructureReader
from screening.synthesis.metaphase import Metaphase
from screening.train.structure_pages import SHAM, UNTOUCHED, Splicer, changed_cell
from screening.worklist.singles_structure import changes_of

_KINDS = ("del", "dup", "inv", "t", "i", "add")
_LARGE = 0.1
_CHANGES = 16
"""Rearrangements and shams of a cell."""


@dataclass(frozen=True, eq=False)
class Singles:
    """Pictures and the truth of each, (n,): class index, kind, changed part, cell, laboratory."""

    pictures: list[np.ndarray]
    classes: np.ndarray
    kinds: np.ndarray
    sizes: np.ndarray
    cells: np.ndarray
    sources: np.ndarray


def singles(cells: Sequence[Metaphase], splicer: Splicer = by_pictures) -> Singles:
    """Return the chromosomes of the cells, some of each rearranged, some cut and joined again."""
    pictures, told = [], []
    for number, cell in enumerate(cells):
        rng = np.random.default_rng((9, number, 0))
        try:
            changed, truths = changed_cell(cell, rng, _CHANGES, splicer)
        except (ScreeningError, cv2.error) as error:  # a piece without a row of pixels
            print(f"left out: {error}", flush=True)
            continue
        for one in changed.chromosomes:
            truth = truths[int(one.derived)] if one.derived else None
            pictures.append(np.ascontiguousarray(single_chromosome(one.image)))
            kind, size = (truth.kind, truth.size) if truth else (UNTOUCHED, 0.0)
            told.append((class_index(one.name), kind, size, number, cell.source))
    return Singles(pictures, *map(np.array, zip(*told, strict=True)))


ALONE, FOLDER, CELLS = "each picture alone", "one folder", "whole cells"
"""What `classify` may know of the scale."""


def classes_of(
    known: Singles, bundle: Bundle, classifier: ChromosomeClassifier
) -> dict[str, np.ndarray]:
    """Return what `classify` says of the classes (n, 25), by what it knows of the scale."""
    crops, lengths, _ = standardised(known.pictures)
    p = classifier.of_crops(crops, np.full(len(crops), np.nan, np.float32)).p
    likelihood = likelihood_of_lengths(p, lengths)
    together = p if likelihood is None else weighed(p, likelihood)
    return {ALONE: p, FOLDER: together, CELLS: _in_cells(known, bundle, classifier)}


def class_table(known: Singles, said: dict[str, np.ndarray]) -> str:
    """Return how many untouched chromosomes get their class, as Markdown."""
    untouched = known.kinds == UNTOUCHED
    groups = {"all": untouched}
    groups |= {name: untouched & (known.sources == name) for name in np.unique(known.sources)}
    rows = []
    for way, p in said.items():
        right = _top(p) == known.classes
        rows.append(
            [way, *(proportion(int(right[o].sum()), int(o.sum())) for o in groups.values())]
        )
    return markdown_table(["named rightly", *groups], rows)


def witnesses(
    known: Singles, said: dict[str, np.ndarray], bundle: Bundle, reader: StructureReader
) -> dict[str, np.ndarray]:
    """Return what each way of looking says of each picture (n,), the higher the more it looks
    changed. The first three are what `classify` does, by what it knows of the scale; `said`: as of
    `classes_of`."""
    reading, count = bundle.info.reading, len(known.pictures)
    p, together = said[ALONE], said[FOLDER]
    given = np.eye(len(CHROMOSOMES) + 1, dtype=np.float32)
    own, top = p[:, : len(CHROMOSOMES)], _top(p)

    def read(p: np.ndarray, at: np.ndarray, cell: bool, scale: bool) -> np.ndarray:
        shown = [known.pictures[i] for i in at]
        said = changes_of(shown, p[at], reader, reading.structure, cell, scale)
        return np.array([0.0 if isinstance(one, str) else one.p for one in said])

    def by_cell(p: np.ndarray) -> np.ndarray:
        found = np.zeros(count)
        for number in np.unique(known.cells):
            at = np.flatnonzero(known.cells == number)
            found[at] = read(p, at, True, True)
        return found

    every = np.arange(count)
    return {
        f"likely classes, {ALONE}": read(p, every, False, False),
        f"likely classes, {FOLDER}": read(together, every, False, True),
        f"likely classes, {CELLS}": by_cell(said[CELLS]),
        "likeliest class, alone": read(given[top], every, False, False),
        "likeliest class, one folder": read(given[_top(together)], every, False, True),
        "right class given, alone": read(given[known.classes], every, False, False),
        "right class given, whole cells": by_cell(given[known.classes]),
        "path of the likeliest class, alone": _gains(known, top, reader),
        "the classifier's doubt alone": 1 - own.max(1) / own.sum(1),
    }


def _top(p: np.ndarray) -> np.ndarray:
    return p[:, : len(CHROMOSOMES)].argmax(1)


def _in_cells(known: Singles, bundle: Bundle, classifier: ChromosomeClassifier) -> np.ndarray:
    """What `classify` says of the classes when the pictures of a cell are one case, (n, 25)."""
    found = np.zeros((len(known.pictures), len(CHROMOSOMES) + 1), np.float32)
    for number in np.unique(known.cells):
        at = np.flatnonzero(known.cells == number)
        shown = [known.pictures[i] for i in at]
        crops, lengths, _ = standardised(shown)
        scale = cell_scale(lengths)
        p = classifier.of_crops(crops, lengths * scale, bool(np.isfinite(scale))).p
        found[at] = classes_in_cell(p, bundle.info.reading) if np.isfinite(scale) else p
    return found


def _gains(known: Singles, classes: np.ndarray, reader: StructureReader) -> np.ndarray:
    """The gain of the best path with jumps, each picture as long as usual in its class."""
    gains = np.zeros(len(classes))
    for number, picture in enumerate(known.pictures):
        index = int(classes[number])
        mask = ink_mask(picture)
        if mask.any():
            strips = cell_strips([CHROMOSOMES[index]], [picture], [mask])
            said = reader.read(strips, np.array([[0, 0]]), np.array([index]))
            shown = said.places[0, 0][said.inked[0, 0]]
            gains[number] = read_path(shown, index).gain if len(shown) > 1 else 0.0
    return gains


def table(known: Singles, found: dict[str, np.ndarray]) -> str:
    """Return AUROC by witness and kind, then how often a change is told, as Markdown."""
    untouched, sham = known.kinds == UNTOUCHED, known.kinds == SHAM
    real = ~untouched & ~sham
    groups = {"all": (real, untouched), "all, against shams": (real, sham)}
    groups[f"{_LARGE:.0%} or more"] = (real & (known.sizes >= _LARGE), untouched)
    groups |= {kind: (known.kinds == kind, untouched) for kind in _KINDS}
    groups = {name: both for name, both in groups.items() if both[0].any() and both[1].any()}
    head = ["AUROC", *(f"{name} ({own.sum()})" for name, (own, _) in groups.items())]
    head += ["changed told", "untouched told"]
    rows = []
    for what, score in found.items():
        cells = [f"{_auroc(score, own, others):.3f}" for own, others in groups.values()]
        path = what.startswith("path")  # no probability
        told = ["" if path else f"{(score[of] >= 0.5).mean():.2f}" for of in (real, untouched)]
        rows.append([what, *cells, *told])
    return markdown_table(head, rows)


def _auroc(score: np.ndarray, own: np.ndarray, others: np.ndarray) -> float:
    both = own | others
    return auroc(own[both].astype(int), score[both])


def main() -> int:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--cells", type=int, default=24, help="cells of each place (%(default)s)")
    add_report_arguments(parser)
    given = parser.parse_args()
    commit = begin(given)
    cv2.setNumThreads(1)
    bundle = load_bundle(given.bundle)
    engine = engine_of(bundle).engine
    classifier = ChromosomeClassifier(bundle, engine, 20)
    reader = StructureReader(engine, passes=1)
    text = [
        "“One folder”: the pictures of all cells and laboratories in one, no scale known. “Told”: "
        "p_changed is at least 0.5. Of unseen people the laboratory is known.", "",
    ]  # fmt: skip
    for where, cells in test_cells(given.data, bundle).items():
        chosen = np.random.default_rng(3).permutation(len(cells))[: given.cells]
        known = singles([cells[i] for i in chosen])
        print(where, len(known.pictures), flush=True)
        right = f"{np.sum(known.kinds == UNTOUCHED)} untouched, {np.sum(known.kinds == SHAM)} shams"
        text += [f"## {where}: {len(chosen)} cells, {right}", ""]
        said = classes_of(known, bundle, classifier)
        text += [class_table(known, said), "",
                 table(known, witnesses(known, said, bundle, reader)), ""]  # fmt: skip
    write(given, "singles.md", "Single chromosomes that look rearranged", commit, bundle,
          given.data, "\n".join(text))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
