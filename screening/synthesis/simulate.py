"""Cells with a known numerical abnormality, and shams that keep the two labels honest.

A gained homolog has to come from somewhere: it is a re-sampled picture of a present homolog or of
another cell's. Re-sampling leaves traces that a network could learn instead of the karyotype. So a
sham does to a normal cell what the simulation of the very same abnormality would have done to it,
except that the new picture *replaces* a homolog. If every normal cell gets the sham of an
abnormality drawn like those of the abnormal cells, then how many chromosomes are re-sampled, of
which classes, from which donors, and how often a picture stands beside its own re-sampling, are
distributed alike under both labels. (Markers have no counterpart in a normal cell; losses
re-sample nothing in either.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening.classes import AUTOSOMES, CHROMOSOMES, MARKER, RELATIVE_LENGTH
from screening.errors import ScreeningError
from screening.synthesis.abnormalities import (
    ABNORMALITIES,
    Abnormality,
    random_abnormality,
    recipe_for,
)
from screening.synthesis.metaphase import Chromosome, Metaphase, length_unit
from screening.synthesis.resample import fragment, resample

DONOR_SHARE = 0.5
"""Share of new homologs that come from another cell, where donors are given."""


def simulate(
    cell: Metaphase, abnormality: str, rng: np.random.Generator, donors: Sequence[Metaphase] = ()
) -> Metaphase:
    """Return `cell`, a complete normal one, with the abnormality of that name.

    `donors`: other cells of the same data split; half of the new homologs then come from one of
    them, brought to this cell's size and stain. ScreeningError for an incomplete or aneuploid
    cell, an unknown name, or an abnormality that this cell's sex chromosomes do not allow.
    """
    check_complete(cell)
    chromosomes = list(cell.chromosomes)
    for name, change in recipe_for(abnormality, cell.sex).items():
        for _ in range(change):
            if name == MARKER:
                chromosomes.append(_marker(cell, rng))
            else:
                new, _ = _new_homolog(cell, name, rng, donors)
                chromosomes.append(new)
        for _ in range(-change):
            present = [i for i, c in enumerate(chromosomes) if c.name == name]
            del chromosomes[int(rng.choice(present))]
    return Metaphase(tuple(chromosomes), cell.source, cell.case, cell.cell)


def sham(
    cell: Metaphase,
    rng: np.random.Generator,
    donors: Sequence[Metaphase] = (),
    abnormality: str | None = None,
) -> Metaphase:
    """Return `cell` with the same karyotype, some homologs replaced by re-sampled ones.

    Which ones: those that `abnormality` (drawn as `random_abnormality` draws when None) would have
    added. Each replaces the homolog beside its original, as a gain would have stood there.
    """
    check_complete(cell)
    name = abnormality or random_abnormality(rng, cell.sex)
    chromosomes = list(cell.chromosomes)
    for gained, change in recipe_for(name, cell.sex).items():
        if gained == MARKER:
            continue
        for _ in range(min(change, cell.counts()[gained])):
            new, original = _new_homolog(cell, gained, rng, donors)
            present = [i for i, c in enumerate(chromosomes) if c.name == gained and not c.resampled]
            others = [i for i in present if chromosomes[i] is not original]
            chromosomes[int(rng.choice(others or present))] = new
    return Metaphase(tuple(chromosomes), cell.source, cell.case, cell.cell)


def check_complete(cell: Metaphase) -> None:
    """Raise ScreeningError unless `cell` has 46 chromosomes and no known abnormality."""
    counts = cell.counts()
    wrong = [f"{counts[n]} of {n}" for n in AUTOSOMES if counts[n] != 2]
    if cell.sex not in ("XX", "XY"):
        wrong.append(f"sex chromosomes {cell.sex or 'missing'}")
    if counts[MARKER]:
        wrong.append("a marker")
    wrong += cell.structural
    if wrong:
        raise ScreeningError(
            f"expected a complete normal cell of 46 chromosomes, received {cell.source}/"
            f"{cell.case}/{cell.cell} with {', '.join(wrong)}; leave incomplete cells out"
        )


def _new_homolog(
    cell: Metaphase, name: str, rng: np.random.Generator, donors: Sequence[Metaphase]
) -> tuple[Chromosome, Chromosome | None]:
    """The re-sampled picture, and the chromosome of this cell that it is made from, if it is."""
    if donors and rng.random() < DONOR_SHARE:
        donor = donors[int(rng.integers(len(donors)))]
        offered = [c for c in donor.chromosomes if c.name == name]
        if offered and donor is not cell:
            chosen = offered[int(rng.integers(len(offered)))]
            along = length_unit(cell.chromosomes) / length_unit(donor.chromosomes)
            across = _median_width(cell) / _median_width(donor)
            darkness = float(np.clip(_darkness(cell) / _darkness(donor), 0.6, 1.6))
            return resample(chosen, rng, stretch=(across, along), darkness=darkness), None
    present = [c for c in cell.chromosomes if c.name == name]
    original = present[int(rng.integers(len(present)))]
    return resample(original, rng), original


def _marker(cell: Metaphase, rng: np.random.Generator) -> Chromosome:
    large = [c for c in cell.chromosomes if RELATIVE_LENGTH[c.name] > 2.5]
    length = length_unit(cell.chromosomes) * RELATIVE_LENGTH["21"] * rng.uniform(0.45, 1.1)
    return fragment(large[int(rng.integers(len(large)))], rng, max(6, round(length)))


def _median_width(cell: Metaphase) -> float:
    return float(np.median([c.image.shape[1] for c in cell.chromosomes if c.name in CHROMOSOMES]))


def _darkness(cell: Metaphase) -> float:
    """Mean darkness of the cell's ink, from every eighth chromosome: an estimate is enough."""
    levels = [255.0 - c.image[c.image < 245].mean() for c in cell.chromosomes[::8]]
    return float(np.mean(levels))


__all__ = [
    "ABNORMALITIES",
    "DONOR_SHARE",
    "Abnormality",
    "check_complete",
    "random_abnormality",
    "sham",
    "simulate",
]
