"""Complete cells pooled from the incomplete cells of several people.

A source of single crops (those that touch no neighbour) has no complete cell. A pooled cell is
composed of several people's chromosomes: two of each autosome and XX or XY, taken from as few and
as similar cells as will do, brought to one scale and nearly one stain. It shows what a laboratory's
pictures look like, never one person; say "pooled" wherever a figure rests on it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from screening.classes import AUTOSOMES, CHROMOSOMES, RELATIVE_LENGTH
from screening.data.chromosomes import INK, CellRecord, load_cell
from screening.errors import ManifestError
from screening.images.ink import crop_to_ink
from screening.synthesis.metaphase import Chromosome, Metaphase, length_unit

PLAUSIBLE_LENGTH = (0.6, 1.4)
"""Height over the height expected at the cell's scale: outside it a crop is bent double, cut, holds
two chromosomes or has the wrong class, and is not used."""

PLAUSIBLE_AREA = (0.6, 1.4)
"""Ink over the ink expected of the class at the cell's median: more means an overlapping pair."""

FEWEST_FOR_A_SCALE = 6
"""A cell with fewer usable chromosomes has no dependable scale and is left out."""

POOLED = "pooled-"
"""Stands before the case of a pooled cell's first person."""

STAIN_SHARE = 0.7
"""How much of the difference in darkness to the anchor cell is taken away: people's cells differ
within one laboratory too, and a perfect match would not look real."""


@dataclass(frozen=True)
class _Looks:
    """A decoded cell and how it looks: scale in pixels per percent of relative length, darkness
    (median of 255 - grey over the ink) and sharpness (mean grey step per pixel over darkness)."""

    cell: Metaphase
    scale: float
    darkness: float
    sharpness: float

    def vector(self) -> np.ndarray:
        return np.log([self.scale, self.darkness, self.sharpness])


def pool_cells(
    records: Sequence[CellRecord], count: int, rng: np.random.Generator, neighbours: int = 60
) -> list[Metaphase]:
    """Return `count` complete cells (46,XX or 46,XY) composed of the records' chromosomes.

    Each starts from a random anchor cell and takes what is missing from the cells that look most
    like it, near ones first; the order is shuffled a little among the nearest `neighbours`, so that
    one anchor does not always meet the same company. Both homologs come from one cell wherever a
    cell near enough shows both, since homologs are compared with each other. Chromosomes are
    resized to the anchor's scale and their darkness is moved most of the way to the anchor's. No
    picture stands twice in a cell.
    `records` must come from one part of a split: the pooled cell's case is the anchor's with
    "pooled-" before it, and its chromosomes' origins name everybody in it.
    Opens every picture of `records` once (about 3 ms per cell), keeps them only while it runs.
    Raises ManifestError when the records lack a class.
    """
    looks = [look for look in map(_looks, records) if look is not None]
    _check_enough(looks)
    vectors = np.array([look.vector() for look in looks])
    vectors /= np.maximum(vectors.std(axis=0), 1e-6)
    can_be_male = any(c.name == "Y" for look in looks for c in look.cell.chromosomes)
    last = min(neighbours, len(looks) - 1)
    cells = []
    for number in range(count):
        anchor = int(rng.integers(len(looks)))
        male = can_be_male and rng.random() < 0.5
        distance = np.linalg.norm(vectors - vectors[anchor], axis=1)
        # Half the distance to the last neighbour: near cells stay in front, not always the same.
        reach = np.partition(distance, last)[last]
        near = np.argsort(distance + rng.random(len(looks)) * reach / 2)
        order = [anchor, *(int(index) for index in near if index != anchor)]
        company = [looks[index] for index in order]
        cells.append(_compose(company, last + 1, male, number, rng))
    return cells


def is_pooled(case: str) -> bool:
    """Return whether a case's name is that of a pooled cell, which is nobody's."""
    return case.startswith(POOLED)


def _wanted(male: bool) -> Counter[str]:
    return Counter(dict.fromkeys(AUTOSOMES, 2) | ({"X": 1, "Y": 1} if male else {"X": 2}))


def _looks(record: CellRecord) -> _Looks | None:
    cell = load_cell(record)
    alone = [_largest_piece(c) for c in cell.chromosomes]
    scale = length_unit(alone)
    areas = [np.count_nonzero(c.image < INK) / RELATIVE_LENGTH[c.name] for c in alone]
    area_unit = float(np.median(areas))
    usable = tuple(
        c
        for c, area in zip(alone, areas, strict=True)
        if PLAUSIBLE_AREA[0] <= area / area_unit <= PLAUSIBLE_AREA[1]
        and PLAUSIBLE_LENGTH[0]
        <= c.image.shape[0] / (scale * RELATIVE_LENGTH[c.name])
        <= PLAUSIBLE_LENGTH[1]
    )
    if len(usable) < FEWEST_FOR_A_SCALE:
        return None
    darkness, steps = [], []
    for chromosome in usable:
        image = chromosome.image.astype(np.float32)
        ink = image < INK
        darkness.append(255 - image[ink])
        # Only steps between two ink pixels: the cut edge is the publisher's mask, not focus.
        both = ink[1:] & ink[:-1]
        steps.append(np.abs(np.diff(image, axis=0))[both])
    median = float(np.median(np.concatenate(darkness)))
    step = float(np.concatenate(steps).mean())
    return _Looks(
        Metaphase(usable, cell.source, cell.case, cell.cell), scale, median, max(step, 0.1) / median
    )


def _largest_piece(chromosome: Chromosome) -> Chromosome:
    """Return the chromosome without bits of its neighbours that fell inside the same box."""
    ink = (chromosome.image < INK).astype(np.uint8)
    number, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    if number <= 2:
        return chromosome
    largest = 1 + int(boxes[1:, cv2.CC_STAT_AREA].argmax())
    image = crop_to_ink(np.where(labels == largest, chromosome.image, np.uint8(255)), INK)
    return Chromosome(image, chromosome.name, chromosome.origin)


def _check_enough(looks: Sequence[_Looks]) -> None:
    found: Counter[str] = Counter(c.name for look in looks for c in look.cell.chromosomes)
    short = [name for name in (*AUTOSOMES, "X") if found[name] < 2]
    if short:
        raise ManifestError(
            "expected at least two usable chromosomes of every class to pool cells, "
            f"received too few of {', '.join(short)}: give more cells"
        )


def _compose(
    looks: list[_Looks], near: int, male: bool, number: int, rng: np.random.Generator
) -> Metaphase:
    """Return a complete cell taken from `looks` in order; the first is the anchor. Both
    homologs come from one of the `near` first where one has them, the rest from wherever it is."""
    wanted = _wanted(male)
    anchor = looks[0]
    taken: dict[str, list[Chromosome]] = defaultdict(list)
    for whole, among in ((True, looks[:near]), (False, looks)):
        for look in among:
            shown = [look.cell.chromosomes[k] for k in rng.permutation(len(look.cell.chromosomes))]
            for name in [name for name, count in wanted.items() if count]:
                ones = [one for one in shown if one.name == name][: wanted[name]]
                if len(ones) == wanted[name] or not whole:
                    wanted[name] -= len(ones)
                    taken[name] += [_match(one, look, anchor) for one in ones]
            if not any(wanted.values()):
                break
    chromosomes = tuple(c for name in CHROMOSOMES for c in taken[name])
    cell = anchor.cell
    return Metaphase(chromosomes, cell.source, f"{POOLED}{cell.case}", f"{cell.cell}-{number}")


def _match(chromosome: Chromosome, own: _Looks, anchor: _Looks) -> Chromosome:
    """Return the chromosome at the anchor's scale and nearly its darkness; paper stays 255."""
    if own is anchor:
        return chromosome
    factor = anchor.scale / own.scale
    height, width = chromosome.image.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = cv2.resize(chromosome.image, size, interpolation=method)
    # Darkness is scaled, not shifted: white stays white, and soft edges stay soft.
    gain = (anchor.darkness / own.darkness) ** STAIN_SHARE
    ink = (255 - image.astype(np.float32)) * gain
    image = np.clip(255 - ink, 0, 255).round().astype(np.uint8)
    return Chromosome(image, chromosome.name, chromosome.origin)
