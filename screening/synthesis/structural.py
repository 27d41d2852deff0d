"""Cells with a known structural abnormality, and shams that are cut and joined without one.

A chromosome is sampled along its medial axis, cut across it at its breakpoints and joined to the
next piece: lined up, brought to the same width and tone, and blended over a fifth of its width.
All this leaves traces that a network could learn instead of the bands. So a sham takes the
same homologs of a normal cell, cuts them at the same places, re-samples the piece that would have
come from elsewhere in the same way, and puts the very same segment back. Where a deletion makes a
new end, the sham's end is made anew as well. Left as they are in both: the other chromosomes.

What cannot be made alike: a fusion leaves one chromosome fewer, and the sham has none fewer; a new
end that is a normal end stands where that class' end stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from screening.bands import band_table
from screening.errors import ScreeningError
from screening.karyogram.crops import LENGTH_SHARE, Outline, outline_of, sample, walk
from screening.karyogram.layout import CENTROMERE
from screening.synthesis.metaphase import Chromosome, Metaphase
from screening.synthesis.rearrangements import (
    ACROCENTRIC,
    Piece,
    rearrangement,
    structural_sexes,
)
from screening.synthesis.resample import resample
from screening.synthesis.simulate import check_complete
from screening.synthesis.warp import crop, warp

_STRAIGHT = 0.85
"""Least height of a chromosome over the longer homolog's length, and of the slimmer homolog's width
over its own (of whole pictures: 1.2 times as much): which end of a folded one is up, who knows."""

_LEAST_END = 0.4
"""Least distance of a break from the end of a chromosome, in widths."""

_REACH = 0.72
"""How far from its axis a chromosome may reach, in widths; what lies beyond is another arm."""

_BLEND = 0.2
"""Rows over which two pieces fade into one another, in widths."""

_CAP = 0.4
"""Height of a new end's rounding, in widths."""

_PAPER = 250


def structural(cell: Metaphase, name: str, rng: np.random.Generator) -> Metaphase:
    """Return `cell`, a complete normal one, with the structural abnormality of that ISCN name.

    The rearranged chromosomes stand under the class of their centromere (a Robertsonian one under
    the first it names) and carry their ISCN name in `derived`; `Metaphase.structural` holds `name`.
    ScreeningError for an incomplete or abnormal cell, an unknown name, or one that this cell's sex
    chromosomes do not allow.
    """
    return _rearranged(cell, name, rng, real=True)


def structural_sham(cell: Metaphase, name: str, rng: np.random.Generator) -> Metaphase:
    """Return `cell` with the same karyotype, cut where `name` would have cut it and rejoined."""
    return _rearranged(cell, name, rng, real=False)


def _rearranged(cell: Metaphase, name: str, rng: np.random.Generator, real: bool) -> Metaphase:
    check_complete(cell)
    if cell.sex not in structural_sexes([name]):
        raise ScreeningError(
            f"{name} can be simulated in a {' or '.join(structural_sexes([name])) or 'no'} cell, "
            f"received {cell.sex}; choose another cell or abnormality"
        )
    plan = rearrangement(name)
    chosen = {used: _choose(cell, used, rng) for used in plan.uses}
    originals = {used: _Picture.of(cell.chromosomes[at]) for used, at in chosen.items()}
    changed = list(cell.chromosomes)
    for made in plan.derivatives:
        host = originals[made.name]
        parts = [
            _part(piece, cell, originals, rng) for piece in (made.pieces if real else made.sham)
        ]
        old = cell.chromosomes[chosen[made.name]]
        changed[chosen[made.name]] = Chromosome(
            _finished(_joined(parts, host, rng), rng),
            made.name,
            f"{old.origin}~{int(rng.integers(16**6)):06x}",
            made.iscn if real else "",
        )
    kept = {made.name for made in plan.derivatives}
    lost = {at for used, at in chosen.items() if real and used not in kept}
    chromosomes = tuple(one for at, one in enumerate(changed) if at not in lost)
    return replace(cell, chromosomes=chromosomes, structural=(name,) if real else ())


@dataclass(frozen=True, eq=False)
class _Picture:
    """A chromosome's ink, its axis, and where along it the centromere lies (fraction)."""

    name: str
    ink: np.ndarray
    outline: Outline
    centromere: float

    @classmethod
    def of(cls, chromosome: Chromosome) -> _Picture:
        outline = outline_of(chromosome.image)
        if outline is None:
            raise ScreeningError(
                f"expected a picture of chromosome {chromosome.name}, received a blank one: "
                f"{chromosome.origin}; leave its cell out"
            )
        ink = (255 - chromosome.image).astype(np.float32)
        return cls(chromosome.name, ink, outline, _waist(chromosome, outline))

    def along(self, fraction: float) -> float:
        """Pixels from the upper end of the axis to a place of the band table.

        A break keeps away from the rounded end of the chromosome: there is nothing to join there.
        """
        length = self.outline.length
        centre = band_table()[self.name].centromere
        at = float(np.interp(fraction, [0, centre, 1], [0, self.centromere, 1])) * length
        if fraction in (0, 1):
            return at
        least = min(_LEAST_END * self.outline.width, 0.4 * length)
        return float(np.clip(at, least, length - least))


@dataclass(frozen=True, eq=False)
class _Part:
    """A piece, the picture it is taken from, and its length in pixels of the cell."""

    piece: Piece
    picture: _Picture
    length: float

    def sampled(
        self, t: np.ndarray, columns: np.ndarray, host: _Picture, narrow: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """Ink float32 (n, m) at fractions `t` of the piece and `columns` of pixels across the
        host's axis, in the host's tone; outside 0–1 the picture goes on where it came from.
        `narrow` (n,): factor by which each row is made narrower."""
        piece, outline = self.piece, self.picture.outline
        start, end = self.picture.along(piece.start), self.picture.along(piece.end)
        # A turned segment is turned in the plane of the slide: left and right change too.
        turned = -1.0 if end < start else 1.0
        at = (start + (end - start) * t - outline.length / 2).astype(np.float32)
        points, normals = walk(outline.axis, at, spread=outline.width)
        factor = turned * outline.width / host.outline.width * np.broadcast_to(narrow, t.shape)
        across = factor[:, None] * columns[None]
        grid = points[:, None] + across[..., None] * normals[:, None]
        ink = cv2.remap(
            self.picture.ink,
            np.ascontiguousarray(grid[..., 0], np.float32),
            np.ascontiguousarray(grid[..., 1], np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
        )
        return np.interp(ink, _levels(outline), _levels(host.outline)).astype(np.float32)


def _part(
    piece: Piece, cell: Metaphase, originals: dict[str, _Picture], rng: np.random.Generator
) -> _Part:
    measure = originals.get(piece.name) or _Picture.of(
        cell.chromosomes[_choose(cell, piece.name, rng)]
    )
    length = abs(measure.along(piece.end) - measure.along(piece.start))
    length = measure.outline.length if piece.whole else length
    if not piece.again:
        return _Part(piece, measure, length)
    # Either homolog, whether it is the rearranged one or not: as in the sham.
    source = cell.chromosomes[_choose(cell, piece.name, rng)]
    return _Part(piece, _Picture.of(resample(source, rng)), length)


def _choose(cell: Metaphase, name: str, rng: np.random.Generator) -> int:
    """The place of one homolog that is straight enough to be cut; of the straightest if none is."""
    places = [at for at, one in enumerate(cell.chromosomes) if one.name == name]
    outlines = [outline_of(cell.chromosomes[at].image) for at in places]
    longest = max((o.length for o in outlines if o), default=1.0)
    slimmest = min((o.width for o in outlines if o), default=1.0)
    across = [cell.chromosomes[at].image.shape[1] for at in places]
    # A folded homolog is shorter or wider than the other, or does not rise from end to end.
    straight = [
        min((o.axis[-1, 1] - o.axis[0, 1]) / longest, slimmest / o.width, 1.2 * min(across) / wide)
        if o
        else 0.0
        for o, wide in zip(outlines, across, strict=True)
    ]
    usable = [at for at, share in zip(places, straight, strict=True) if share >= _STRAIGHT]
    if not usable:
        return places[int(np.argmax(straight))]
    return usable[int(rng.integers(len(usable)))]


def _waist(chromosome: Chromosome, outline: Outline) -> float:
    """Where the chromosome is narrowest near the place of its centromere, fraction of the axis.

    Short arms of acrocentrics have a stalk that is narrower: there the standard's index stands.
    """
    expected = CENTROMERE[chromosome.name]
    if chromosome.name in ACROCENTRIC:
        return expected
    canvas = sample(chromosome.image, outline)
    rows = canvas.shape[0]
    at = (np.arange(rows) - (rows - 1) / 2) / (LENGTH_SHARE * rows) + 0.5
    width = cv2.GaussianBlur((canvas > 60).sum(1).astype(np.float32)[:, None], (1, 0), 0.1, None, 2)
    near = np.abs(at - expected) < 0.08
    cost = width[:, 0] / max(float(np.median(width)), 1.0) + 20 * (at - expected) ** 2
    return float(at[near][cost[near].argmin()])


def _levels(outline: Outline) -> np.ndarray:
    """Ink of paper, light bands, dark bands and black, increasing."""
    light = max(outline.light, 4.0)
    dark = max(outline.dark, light + 12)
    return np.array([0.0, light, dark, max(255.0, dark + 1)])


def _joined(parts: Sequence[_Part], host: _Picture, rng: np.random.Generator) -> np.ndarray:
    """Ink float32 (h, w) of the pieces one under the other, straight, with room around."""
    width = host.outline.width
    columns = np.arange(-np.ceil(0.95 * width), np.ceil(0.95 * width) + 1, dtype=np.float32)
    margin = int(np.ceil(0.3 * width)) + 2
    edges = np.cumsum([0.0, *(part.length for part in parts)])
    rows = np.arange(-margin, np.ceil(edges[-1]) + margin)
    fade = max(2.0, _BLEND * width)
    joined = np.zeros((len(rows), len(columns)), np.float32)
    raw = [part.sampled((rows - e) / max(part.length, 1e-3), columns, host)
           for part, e in zip(parts, edges, strict=False)]  # fmt: skip
    shifts, narrow = [0.0], [np.ones(len(rows)) for _ in parts]
    for k, edge in enumerate(edges[1:-1]):
        # Axes are drawn through noise, and arms differ in width: pieces meet middle on middle and
        # as wide as each other, which wears off within a width.
        meet = np.abs(rows - edge) <= fade
        above, below = raw[k][meet], raw[k + 1][meet]
        shifts.append(shifts[-1] + _middle(below, columns) - _middle(above, columns))
        ratio = np.clip(_breadth(below, host) / _breadth(above, host), 1 / 3, 3) ** 0.5
        near = np.exp(-(((rows - edge) / (0.6 * width)) ** 2))
        narrow[k] += (1 / ratio - 1) * near
        narrow[k + 1] += (ratio - 1) * near
    for k, part in enumerate(parts):
        weight = np.ones(len(rows))
        if k > 0:
            weight *= np.clip((rows - edges[k]) / fade + 0.5, 0, 1)
        if k < len(parts) - 1:
            weight *= np.clip((edges[k + 1] - rows) / fade + 0.5, 0, 1)
        t = (rows - edges[k]) / max(part.length, 1e-3)
        ink = part.sampled(t, columns + np.float32(shifts[k]), host, narrow[k])
        joined += weight.astype(np.float32)[:, None] * ink
    joined *= np.clip((_REACH * width - np.abs(columns)) / 2 + 0.5, 0, 1)
    for end, piece in (("upper", parts[0].piece), ("lower", parts[-1].piece)):
        if 0 < (piece.start if end == "upper" else piece.end) < 1:
            inside = rows if end == "upper" else edges[-1] - rows
            joined *= _rounding(joined, inside, columns, width, rng)
    return joined


def _middle(ink: np.ndarray, columns: np.ndarray) -> float:
    total = float(ink.sum())
    return float((ink.sum(0) * columns).sum()) / total if total > 0 else 0.0


def _breadth(ink: np.ndarray, host: _Picture) -> float:
    """Mean number of the host's body pixels in a row."""
    return max(2.0, float((ink > 0.5 * host.outline.light).sum(1).mean()))


def _rounding(
    ink: np.ndarray, inside: np.ndarray, columns: np.ndarray, width: float, rng: np.random.Generator
) -> np.ndarray:
    """Factor 0–1 for every pixel that gives the ink a round end; `inside`: rows from that end."""
    cap = _CAP * width * rng.uniform(0.7, 1.2)
    near = (inside >= 0) & (inside <= 2 * cap)
    level = 0.3 * float(np.percentile(ink[near], 95)) if near.any() else 1.0
    body = ink[near] > level
    half = 0.5 * float(np.median(body.sum(1))) + 0.5 if near.any() else 1.0
    centre = _middle(ink[near], columns)
    depth = np.clip(inside / cap, 0, 1)
    limit = half * np.sqrt(np.clip(1 - (1 - depth) ** 2, 0, 1))
    limit = np.where(inside < 0, -3.0, np.where(inside >= cap, 1e3, limit))
    sharp = np.clip(limit[:, None] - np.abs(columns - centre)[None] + 0.5, 0, 1)
    # As soft as the other edges, which are softer the larger the picture.
    return cv2.GaussianBlur(sharp.astype(np.float32), (0, 0), max(0.7, 0.08 * width))


def _finished(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture, uint8 dark on white, a little bent as chromosomes are, cropped."""
    picture = 255 - np.clip(np.rint(ink), 0, 255).astype(np.uint8)
    picture[picture >= _PAPER] = 255
    bent = warp(
        np.ascontiguousarray(crop(picture)),
        bend=rng.normal(0, 0.02),
        waves=rng.normal(0, (0.010, 0.006), (5, 2)),
    )
    return np.ascontiguousarray(bent)
