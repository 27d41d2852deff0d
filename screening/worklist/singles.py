"""A folder of single-chromosome pictures, named one by one: the job of `screening classify`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME
from screening.evidence.in_cell import classes_in_cell
from screening.evidence.single_lengths import likelihood_of_lengths, weighed
from screening.evidence.structure_single import SingleChange
from screening.images.read import read_image
from screening.images.single import single_chromosome
from screening.karyogram.crops import cell_scale, standardised
from screening.page_settings import StructureReading
from screening.reading_settings import ReadingSettings
from screening.worklist.discover import PictureFile
from screening.worklist.guard import reason_of
from screening.worklist.singles_structure import changes_of

if TYPE_CHECKING:
    from screening.predict.chromosomes import ChromosomeClassifier
    from screening.predict.structure import StructureReader

COLUMNS = (
    "image", "class", "p", "confidence", "p_std", "case", "relative_length", "not_one",
    "p_changed", "change", "where", "problem",
)  # fmt: skip
_LARGEST_CELL = 110
MIN_SIDE = 5
"""Least width and height of a picture of one chromosome, px."""


@dataclass(frozen=True)
class Named:
    """One line of chromosomes.csv. `name`: class, NOT_A_CHROMOSOME, or "" when the file could not
    be read (`problem` says why); `p`: probability of the class; `confidence`: share of the passes
    that vote for it; `p_std`: standard deviation of p over the passes; `relative`: length in
    percent of the haploid autosomes, None when the case does not tell; `not_one`: probability that
    it is no single chromosome; `changed`: what its structure reads as, None when that is not read.
    """

    image: str
    case: str
    name: str = ""
    p: float | None = None
    confidence: float | None = None
    p_std: float | None = None
    relative: float | None = None
    not_one: float | None = None
    changed: SingleChange | None = None
    problem: str = ""

    def cells(self) -> dict[str, str | float | None]:
        """Return the line as chromosomes.csv has it."""
        return {
            "image": self.image, "class": self.name, "p": self.p, "confidence": self.confidence,
            "p_std": self.p_std, "case": self.case, "relative_length": self.relative,
            "not_one": self.not_one,
            "p_changed": self.changed.p if self.changed else None,
            "change": self.changed.kind if self.changed else "",
            "where": self.changed.where if self.changed else "", "problem": self.problem,
        }  # fmt: skip


def name_singles(
    images: Sequence[PictureFile],
    classifier: ChromosomeClassifier,
    settings: ReadingSettings,
    cells: bool = True,
    structure: StructureReader | None = None,
) -> Iterator[Named]:
    """Yield the answer for each picture, whole cells first, case by case.

    `cells`: the pictures of a case may be the chromosomes of one cell; where their lengths agree
    with that, each one's relative length and its company help to tell its class, and the network
    adapts to the cell's look. The lengths of the others help where those of their case, or else of
    all of them, agree on one scale. `structure`: tells which ones are rearranged, None: nobody
    does.
    """
    cases: dict[str, list[PictureFile]] = defaultdict(list)
    for found in images:
        cases[found.case].append(found)
    how = settings.structure
    # What is no whole cell is read together: a folder of single pictures may tell their scale.
    rest: list[_Read] = []
    for case, group in cases.items():
        read, one_cell = _case(case, group, classifier, settings, cells)
        if one_cell:
            yield from _told(read, structure, how, True, True)
        else:
            rest += read
    yield from _told(_by_lengths(rest) if cells else rest, structure, how, False, cells)


@dataclass(frozen=True, eq=False)
class _Read:
    """An answer. Of a chromosome also its picture, its length along the axis in pixels, what its p
    (25,) comes from and that of each pass (passes, 25); None for no chromosome."""

    named: Named
    picture: np.ndarray | None = None
    length: float = float("nan")
    p: np.ndarray | None = None
    each: np.ndarray | None = None


def _by_lengths(read: Sequence[_Read]) -> list[_Read]:
    """Return the answers after the lengths have spoken: at the scale of a picture's own case, or
    where that says nothing at the scale of all."""
    shown = [i for i, one in enumerate(read) if one.p is not None]
    if not shown:
        return list(read)
    p = np.array([read[i].p for i in shown], np.float32)
    lengths = np.array([read[i].length for i in shown], np.float32)
    every = likelihood_of_lengths(p, lengths)
    cases: dict[str, list[int]] = defaultdict(list)
    for k, i in enumerate(shown):
        cases[read[i].named.case].append(k)
    made = list(read)
    for at in cases.values():
        own = likelihood_of_lengths(p[at], lengths[at]) if len(cases) > 1 else None
        if own is None and every is not None:
            own = every[at]
        if own is not None:
            for k, likelihood in zip(at, own, strict=True):
                made[shown[k]] = _weighed(read[shown[k]], likelihood)
    return made


def _weighed(one: _Read, likelihood: np.ndarray) -> _Read:
    """Return an answer weighed with the likelihood (24,) of its length as each class."""
    assert one.each is not None
    each = weighed(one.each.astype(np.float32), likelihood)
    p = each.mean(0)
    best = int(p[:-1].argmax())
    named = replace(
        one.named,
        name=CHROMOSOMES[best],
        p=float(p[best]),
        confidence=float((each.argmax(1) == best).mean()),
        p_std=float(each[:, best].std()),
    )
    return replace(one, named=named, p=p)


def _told(
    read: Sequence[_Read],
    reader: StructureReader | None,
    how: StructureReading,
    one_cell: bool,
    one_scale: bool,
) -> Iterator[Named]:
    """Yield the answers, with what the structure of the chromosomes reads as if there is a reader
    of it."""
    if reader is None:
        yield from (one.named for one in read)
        return
    pictures = [one.picture for one in read if one.picture is not None]
    p = [one.p for one in read if one.p is not None]
    changes = iter(changes_of(pictures, np.array(p), reader, how, one_cell, one_scale))
    for one in read:
        told = "" if one.picture is None else next(changes)
        if isinstance(told, str):
            yield replace(one.named, problem=told or one.named.problem)
        else:
            yield replace(one.named, changed=told)


def _case(
    case: str,
    group: Sequence[PictureFile],
    classifier: ChromosomeClassifier,
    settings: ReadingSettings,
    cells: bool,
) -> tuple[list[_Read], bool]:
    """Return what is read of a case, and whether it is one whole cell."""
    pictures: list[np.ndarray] = []
    at: dict[str, int] = {}
    problems: dict[str, str] = {}
    for found in group:
        picture, problem = _picture(found)
        if problem:
            problems[found.name] = problem
        else:
            at[found.name] = len(pictures)
            pictures.append(picture)
    crops, lengths, _ = standardised(pictures)
    scale = cell_scale(lengths) if cells and len(pictures) <= _LARGEST_CELL else float("nan")
    one_cell = bool(np.isfinite(scale))
    said = classifier.of_crops(crops, lengths * scale, one_cell)
    p = classes_in_cell(said.p, settings) if one_cell else said.p
    read = []
    for found in group:
        if found.name in problems:
            read.append(_Read(Named(found.name, case, problem=problems[found.name])))
            continue
        i = at[found.name]
        not_one = float(p[i, -1])
        best = int(p[i, :-1].argmax())
        rejected = not_one > 0.5
        named = Named(
            image=found.name,
            case=case,
            name=NOT_A_CHROMOSOME if rejected else CHROMOSOMES[best],
            p=not_one if rejected else float(p[i, best]),
            confidence=float(said.votes[i]),
            p_std=float(said.p_std[i]),
            relative=None if np.isnan(said.relative[i]) else float(said.relative[i]),
            not_one=not_one,
        )
        if rejected:
            read.append(_Read(named))
        else:
            each = said.each[:, i].astype(np.float16)  # kept of every picture until the last
            read.append(_Read(named, pictures[i], float(lengths[i]), p[i], each))
    return read, one_cell


def _picture(found: PictureFile) -> tuple[np.ndarray, str]:
    """The chromosome's picture and "", or nothing and what is wrong with it."""
    none = np.empty((0, 0), np.uint8)
    if found.problem:
        return none, found.problem
    try:
        picture = single_chromosome(read_image(found.path, min_side=MIN_SIDE))
    except Exception as error:
        return none, reason_of(error)
    if min(picture.shape) < 3:
        return none, "holds no ink: expected one chromosome, dark on light or light on dark"
    return picture, ""
