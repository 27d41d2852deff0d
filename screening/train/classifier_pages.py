"""Training crops of the classifier as screening itself sees them: composed, found and cut again.

A karyogram is composed from a training cell in a random look, normalised and located exactly as a
picture from a laboratory would be, and every piece that comes out is labelled by the composer's
boxes. What was cut wrongly, and the other cuttings that `locate` holds possible, teach class 24, so
that the classifier can choose between them later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME_INDEX, class_index
from screening.images.normalise import normalise
from screening.images.page import Page
from screening.karyogram.crops import CANVAS, relative_lengths, scale_between, standardised
from screening.karyogram.locate import FoundChromosome, Locator
from screening.synthesis.compose import Box, compose
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.simulate import random_abnormality, simulate
from screening.synthesis.style import clinical_style, random_style
from screening.train.classifier_crops import Crops
from screening.train.karyogram_set import widen

WHOLE, PART = 0.78, 0.6
"""Overlap (intersection over union of boxes) from which a piece is the whole chromosome, and below
which it is not; between them it teaches nothing."""

_OTHER_SHARE = 0.25
_ABNORMAL_SHARE = 0.3
_SOFT = 0.35


def page_crops(
    cells: Sequence[Metaphase],
    rng: np.random.Generator,
    locator: Locator,
    size: tuple[int, int] = CANVAS,
) -> Crops:
    """Return the labelled pieces of one composed karyogram per cell (complete normal cells)."""
    parts = [_one_page(cell, rng, locator, size) for cell in cells]
    return Crops.joined([part for part in parts if len(part)])


def _one_page(
    cell: Metaphase, rng: np.random.Generator, locator: Locator, size: tuple[int, int]
) -> Crops:
    style = clinical_style(rng) if rng.random() < 0.4 else random_style(rng)
    if rng.random() < _SOFT:
        style = replace(style, chromosome_blur=rng.uniform(1.0, 4.0) * style.width / 900)
    if rng.random() < _ABNORMAL_SHARE:
        cell = simulate(cell, random_abnormality(rng, cell.sex), rng)
    karyogram = compose(widen(cell, rng), style, rng)
    paper = normalise(karyogram.image)
    located = locator.locate(Page(paper))
    chosen = list(located.chromosomes)
    others = [piece for doubt in located.doubts for cut in doubt.alternatives for piece in cut]
    marks = _marks(paper, located.print_boxes, rng)
    crops = [piece.crop(paper) for piece in (*chosen, *others)] + marks
    labels = [label_of(piece, karyogram.boxes) for piece in (*chosen, *others)]
    labels += [NOT_A_CHROMOSOME_INDEX] * len(marks)
    images, lengths, _ = standardised(crops, size)
    # The scale of a page comes from the pieces taken for chromosomes, as in screening.
    found = lengths[: len(chosen)]
    relative = lengths * scale_between(found, relative_lengths(found))
    kept = np.array([label is not None for label in labels], bool)
    return Crops(
        images[kept],
        np.array([label for label in labels if label is not None], np.uint8),
        relative[kept].astype(np.float32),
        np.zeros(int(kept.sum()), np.int32),
    )


def label_of(piece: FoundChromosome, boxes: Sequence[Box]) -> int | None:
    """Return the class of a found piece by the true boxes; None where it should teach nothing."""
    x, y, w, h = piece.box
    best, whole, inside = 0.0, None, 0.0
    for box in boxes:
        across = min(x + w, box.x + box.w) - max(x, box.x)
        along = min(y + h, box.y + box.h) - max(y, box.y)
        if across <= 0 or along <= 0:
            continue
        shared = across * along
        overlap = shared / (w * h + box.w * box.h - shared)
        inside = max(inside, shared / (w * h))
        if overlap > best:
            best, whole = overlap, box.name
    if best >= WHOLE:
        return class_index(whole) if whole in CHROMOSOMES else None
    return NOT_A_CHROMOSOME_INDEX if best < PART else None


def _marks(
    paper: np.ndarray, boxes: Sequence[tuple[int, int, int, int]], rng: np.random.Generator
) -> list[np.ndarray]:
    """Some of what was found to be print or rules."""
    crops = []
    for x, y, w, h in boxes:
        window = paper[max(y, 0) : y + h, max(x, 0) : x + w]
        if min(window.shape) > 1 and rng.random() < _OTHER_SHARE:
            crops.append(window)
    return crops
