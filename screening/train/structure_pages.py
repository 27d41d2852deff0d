"""Strips of chromosomes whose structure is known, as the program finds them on composed pages.

A normal cell gets some rearrangements and as many shams on other chromosomes, is composed to a worn
page, found there and straightened: bends, overlaps, bad cuts and poor bands are then what they will
be. Every row of a strip knows which chromosome it shows and where on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from screening.atomic import replaced_file
from screening.bands import band_table
from screening.classes import AUTOSOMES, CHROMOSOMES, class_index
from screening.errors import ScreeningError
from screening.images.normalise import normalise
from screening.images.page import Page
from screening.karyogram.locate import Locator
from screening.karyogram.strip import ROWS, cell_strips
from screening.karyogram.whole import ink_mask
from screening.models.structure_outputs import PARTS, PLACES
from screening.synthesis.compose import compose
from screening.synthesis.metaphase import Chromosome, Metaphase
from screening.synthesis.rearrangements import (
    ACROCENTRIC,
    Piece,
    changed_part,
    length_of,
    rearrangement,
)
from screening.synthesis.structural import structural, structural_sham
from screening.synthesis.style import clinical_style, random_style
from screening.train.segment_pages import harder

UNTOUCHED, SHAM = "untouched", "sham"
KINDS = (UNTOUCHED, SHAM, "del", "dup", "inv", "t", "i", "add")
"""What was done to a chromosome, by its index in `Strips.kind`; from the third on it is changed."""

OUTSIDE = PLACES
"""Label of a row that shows no chromosome; others are class index times PARTS plus the part."""

SIZES = (0.05, 0.7)
"""Least and largest part of a chromosome that is lost, doubled, turned or exchanged."""

_KIND_SHARES = {"del": 0.28, "dup": 0.17, "inv": 0.22, "t": 0.22, "i": 0.06, "add": 0.05}
_SAME = 0.5  # intersection over union of boxes: the same chromosome
_JUNCTION = 3  # rows to each side of a place where something is missing

Splicer = Callable[[Metaphase, str, np.random.Generator, bool], Metaphase]
"""(cell, ISCN name, rng, real): the cell with the rearrangement, or its sham."""


@dataclass(frozen=True, eq=False)
class Strips:
    """Strips uint8 (n, ROWS, COLUMNS) and the truth about each.

    `labels` uint16 (n, ROWS): see OUTSIDE; `changed` bool (n, ROWS): rows that are foreign,
    turned, doubled, or beside a loss; `classes` uint8, `pages` int32, `kinds` uint8 and `sizes`
    float32 (n,): class, page, index in KINDS, changed part; `quality` float32 (n, QUALITY), as of
    `CellStrips`.
    """

    strips: np.ndarray
    labels: np.ndarray
    changed: np.ndarray
    classes: np.ndarray
    pages: np.ndarray
    kinds: np.ndarray
    sizes: np.ndarray
    quality: np.ndarray

    def __len__(self) -> int:
        return len(self.strips)

    def save(self, path: Path) -> None:
        """Write them to `path`, an .npz."""
        with replaced_file(path) as part, part.open("wb") as file:
            np.savez(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, paths: Sequence[Path]) -> Strips:
        """Return those of several files in their order."""
        parts = []
        for path in paths:
            with np.load(path, allow_pickle=False) as stored:
                parts.append(cls(**{f.name: stored[f.name] for f in fields(cls)}))
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence[Strips]) -> Strips:
        """Return all parts one after another; pages are numbered on."""
        numbered, first = [], 0
        for part in parts:
            numbered.append(replace(part, pages=part.pages + first))
            first = int(numbered[-1].pages.max(initial=first - 1)) + 1
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in numbered]) for f in fields(cls)}
        )

    def pairs(self) -> np.ndarray:
        """Return int (m, 2): the places of both homologs of each page and class that has two."""
        key = self.pages.astype(np.int64) * 32 + self.classes
        order = np.argsort(key, kind="stable")
        _, first, count = np.unique(key[order], return_index=True, return_counts=True)
        two = first[count == 2]
        return np.stack([order[two], order[two + 1]], 1)


def by_simulator(cell: Metaphase, name: str, rng: np.random.Generator, real: bool) -> Metaphase:
    """Return what the exact simulator (`synthesis.structural`) makes of the cell."""
    return (structural if real else structural_sham)(cell, name, rng)


def random_change(rng: np.random.Generator, among: Sequence[str]) -> str:
    """Return the ISCN name of a rearrangement of one of the classes `among` (two for a
    translocation), kinds, breaks and sizes drawn widely; "" when the draw is none."""
    kind = str(rng.choice(list(_KIND_SHARES), p=list(_KIND_SHARES.values())))
    if len(among) < 2:
        return ""
    one, other = map(str, rng.choice(among, 2, replace=False))
    if kind == "t":
        order = ["X", "Y", *AUTOSOMES]
        pair = sorted((one, other), key=order.index)
        bands = [_band(n, rng.uniform(0.05, 0.95)) for n in pair]
        name = f"t({';'.join(pair)})({';'.join(bands)})"
    elif kind == "i":
        arm = "q" if one in ACROCENTRIC or rng.random() < 0.7 else "p"
        name = f"i({one})({arm}10)"
    elif kind == "add":
        name = f"add({one})({_band(one, rng.uniform(0.02, 0.98))})"
    else:
        size = rng.uniform(*SIZES)
        start = rng.uniform(0, 1 - size)
        ends = [_band(one, start), _band(one, start + size)]
        if kind == "del" and rng.random() < 0.4:
            name = f"del({one})({_band(one, size if rng.random() < 0.4 else 1 - size)})"
        else:
            name = f"{kind}({one})({''.join(ends)})"
    try:
        plan = rearrangement(name)
    except ScreeningError:
        return ""
    sizes = [changed_part(d.name, d.pieces) for d in plan.derivatives]
    return name if SIZES[0] <= max(sizes) <= 1.2 else ""


def row_labels(name: str, pieces: Sequence[Piece], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels uint16 and the changed rows bool (rows,) of a chromosome of class `name`
    that is made of the pieces, from end to end."""
    edges = np.cumsum([0.0, *(length_of(p) for p in pieces)])
    at = (np.arange(rows) + 0.5) / rows * edges[-1]
    number = np.minimum(np.searchsorted(edges, at, side="right") - 1, len(pieces) - 1)
    labels, changed, reached = np.zeros(rows, np.uint16), np.zeros(rows, bool), 0.0
    for k, piece in enumerate(pieces):
        own = number == k
        part = (at[own] - edges[k]) / max(edges[k + 1] - edges[k], 1e-6)
        where = piece.start + (piece.end - piece.start) * part
        first = class_index(piece.name) * PARTS
        labels[own] = first + np.clip(where * PARTS, 0, PARTS - 1).astype(int)
        odd = piece.name != name or piece.start > piece.end
        changed[own] = odd or (where < reached)
        if not odd:
            if piece.start > reached + 0.01 or (k == len(pieces) - 1 and piece.end < 0.99):
                edge = edges[k] if piece.start > reached + 0.01 else edges[-1]
                changed |= np.abs(at - edge) <= _JUNCTION / rows * edges[-1]
        if piece.name == name:
            reached = max(reached, piece.start, piece.end)
    return labels, changed


@dataclass(frozen=True)
class _Truth:
    kind: str
    size: float
    pieces: tuple[Piece, ...]


def changed_cell(
    cell: Metaphase,
    rng: np.random.Generator,
    changes: int,
    splicer: Splicer = by_simulator,
    names: Sequence[str] = (),
) -> tuple[Metaphase, list[_Truth]]:
    """Return the cell with `changes` rearrangements and shams, half of each, no class twice.

    Each changed chromosome's `derived` is its number in the list of truths. `names`: the
    rearrangements in place of drawn ones, all real.
    """
    left = [n for n in CHROMOSOMES if cell.counts()[n] == 2]
    truths: list[_Truth] = []
    for number in range(len(names) or changes):
        name = names[number] if names else ""
        for _ in range(20):
            name = name or random_change(rng, left)
        if not name:
            continue
        plan, real = rearrangement(name), bool(names) or number % 2 == 0
        left = [n for n in left if n not in plan.uses]
        before = {one.origin for one in cell.chromosomes}
        cell = replace(splicer(cell, name, rng, real), structural=())
        made = {d.name: d.pieces for d in plan.derivatives}
        chromosomes = []
        for one in cell.chromosomes:
            if one.origin not in before:
                pieces = made[one.name] if real else (Piece(one.name, 0, 1),)
                kind = name.partition("(")[0] if real else SHAM
                size = changed_part(one.name, made[one.name])
                one = replace(one, derived=str(len(truths)))
                truths.append(_Truth(kind, size, pieces))
            chromosomes.append(one)
        cell = replace(cell, chromosomes=tuple(chromosomes))
    return cell, truths


def page_strips(
    cell: Metaphase, truths: Sequence[_Truth], rng: np.random.Generator, locator: Locator | None
) -> Strips:
    """Return the strips of a changed cell: of its page as `locator` finds it, None: of the single
    pictures as they are. What is not found is left out; ScreeningError when nothing is found."""
    if locator is None:
        shown = [(one, ink_mask(one.image), one.image) for one in cell.chromosomes]
    else:
        # Harder ones are as stout as the stoutest laboratories, which no training person is.
        style = clinical_style(rng) if rng.random() < 0.4 else harder(random_style(rng), rng)
        page = compose(cell, style, rng)
        paper = normalise(page.image)
        found = locator.locate(Page(paper)).chromosomes
        boxes = np.array([(b.x, b.y, b.w, b.h) for b in page.boxes], float)
        shown = []
        for one in found:
            at = _same(np.array(one.box, float), boxes)
            if at is not None:
                box = page.boxes[at]
                window = paper[one.y : one.y + one.h, one.x : one.x + one.w]
                # Its name and its mark are all that is wanted of it.
                shown.append((Chromosome(window, box.name, "", box.derived), one.mask, window))
    kept = [each for each in shown if each[1].any()]
    if not kept:
        raise ScreeningError("expected at least one chromosome, found none: leave this page out")
    return _packed(kept, truths)


def _packed(
    shown: Sequence[tuple[Chromosome, np.ndarray, np.ndarray]], truths: Sequence[_Truth]
) -> Strips:
    ones = [one for one, *_ in shown]
    made = cell_strips(
        [one.name for one in ones], [grey for *_, grey in shown], [mask for _, mask, _ in shown]
    )
    labels, changed, kinds, sizes = [], [], [], []
    for one, strip in zip(ones, made.strips, strict=True):
        truth = truths[int(one.derived)] if one.derived else None
        inside = np.flatnonzero(strip.any(1))
        first, last = (inside[0], inside[-1] + 1) if inside.size else (0, 1)
        pieces = truth.pieces if truth else (Piece(one.name, 0, 1),)
        label, change = np.full(ROWS, OUTSIDE, np.uint16), np.zeros(ROWS, bool)
        label[first:last], change[first:last] = row_labels(one.name, pieces, last - first)
        labels.append(label)
        changed.append(change)
        kinds.append(KINDS.index(truth.kind if truth else UNTOUCHED))
        sizes.append(truth.size if truth else 0.0)
    classes = np.array([class_index(one.name) for one in ones], np.uint8)
    return Strips(
        made.strips, np.stack(labels), np.stack(changed), classes,
        np.zeros(len(ones), np.int32), np.array(kinds, np.uint8), np.array(sizes, np.float32),
        made.quality,
    )  # fmt: skip


def _same(box: np.ndarray, boxes: np.ndarray) -> int | None:
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    common = np.clip(high - low, 0, None).prod(1)
    union = box[2:].prod() + boxes[:, 2:].prod(1) - common
    best = int((common / union).argmax())
    return best if common[best] >= _SAME * union[best] else None


def _band(name: str, fraction: float) -> str:
    """The band of the chromosome in whose middle a break is nearest to a fraction of its length."""
    bands = band_table()[name]
    usual = [k for k, stain in enumerate(bands.stains) if stain not in ("acen", "stalk")]
    middle = (bands.edges[:-1] + bands.edges[1:])[usual] / 2
    return bands.names[usual[int(np.abs(middle - fraction).argmin())]]
