"""Batches for the reader of structure: pairs of strips, some rearranged anew, all changed in looks.

The second way of splicing works on strips alone, without the simulator's pictures: rows of other
strips, cut hard or faded, wider or narrower. Its shams are cut and joined alike. What is normal and
looks odd is made here as well: heterochromatin longer or shorter, inv(9), uneven stretching, a
neighbour's ink, a lost tip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from screening.bands import band_table
from screening.classes import CHROMOSOMES, RELATIVE_LENGTH, class_index
from screening.karyogram.strip import COLUMNS, ROWS, rows_per_percent
from screening.synthesis.rearrangements import ACROCENTRIC
from screening.train.structure_pages import KINDS, OUTSIDE, SHAM, SIZES, UNTOUCHED, Strips

SPLICED = 0.45
"""Share of the pairs without a rearrangement in which one strip is cut and joined here: as often
truly as in a sham."""

SHARES = {"del": 0.3, "dup": 0.2, "inv": 0.2, "t": 0.2, "i": 0.05, "ins": 0.05}
"""How often each kind is made of strips here, relatively."""

_WARP, _LENGTH = 0.025, 0.05
_HARDEST = 0.05
"""Share of the untouched pairs that are hard negatives."""
_JUNCTION = 3
_ROWS_PER_PERCENT = np.array([rows_per_percent(name) for name in CHROMOSOMES])
_USUAL_ROWS = _ROWS_PER_PERCENT * np.array([RELATIVE_LENGTH[name] for name in CHROMOSOMES])
_NINE = class_index("9")


@dataclass(frozen=True)
class Part:
    """A stretch of the strip at place `at` from `start` to `end`, fractions of its length; turned
    over when `start` is the larger. `changed`: it does not belong there."""

    at: int
    start: float
    end: float
    changed: bool = False


@dataclass(eq=False)
class _Strip:
    """One strip in work: float32 ink (ROWS, COLUMNS) and per row label and changed."""

    ink: np.ndarray
    labels: np.ndarray
    changed: np.ndarray

    @property
    def ends(self) -> tuple[int, int]:
        inside = np.flatnonzero(self.labels != OUTSIDE)
        return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, ROWS)


def variable_stretch(name: str) -> tuple[float, float] | None:
    """Return where chromosome `name` varies among normal people, fractions of its length: the
    heterochromatin of 1, 9, 16 and Y, the short arms of the acrocentrics; None elsewhere."""
    bands = band_table()[name]
    if name in ACROCENTRIC:
        return 0.0, bands.centromere
    if name not in ("1", "9", "16", "Y"):
        return None
    odd = [k for k, stain in enumerate(bands.stains) if stain == "gvar"]
    return float(bands.edges[odd[0]]), float(bands.edges[odd[-1] + 1])


_VARIABLE = [variable_stretch(name) for name in CHROMOSOMES]


class StructureSet:
    """Draws batches from strips: fresh splices and looks for each (seed, epoch).

    `steps` batches an epoch of `pairs` pairs each, half of those from the pages' rearrangements and
    shams. The same (seed, epoch) gives the same batches. `shares`: of the kinds that are made here.
    """

    def __init__(
        self,
        strips: Strips,
        pairs: int,
        steps: int,
        seed: int = 0,
        shares: Mapping[str, float] = SHARES,
    ) -> None:
        self.strips, self.size, self.steps, self.seed = strips, pairs, steps, seed
        self.shares = shares
        self.pairs = strips.pairs()
        kinds = strips.kinds[self.pairs]
        real = kinds > KINDS.index(SHAM)
        self.real = np.flatnonzero(real.any(1))
        self.sham = np.flatnonzero(~real.any(1) & (kinds == KINDS.index(SHAM)).any(1))
        self.plain = np.flatnonzero((kinds == KINDS.index(UNTOUCHED)).all(1))
        self._hard, self._hard_share = self.plain[:0], 0.0
        order = np.argsort(strips.pages, kind="stable")
        first = np.searchsorted(strips.pages[order], np.arange(int(strips.pages.max()) + 2))
        self._page = [order[a:b] for a, b in zip(first[:-1], first[1:], strict=True)]

    @property
    def batch(self) -> int:
        """Return how many pairs each batch has: about `pairs`, whole ones of each sort."""
        return sum(count for _, count in self._shares())

    def batches(self, epoch: int) -> Iterator[tuple[dict, dict]]:
        """Yield the epoch's (inputs, targets) of `build_structure_reader`."""
        rng = np.random.default_rng((self.seed, epoch))
        for _ in range(self.steps):
            chosen = [rng.choice(among, count) for among, count in self._shares()]
            yield self.made(np.concatenate(chosen), rng)

    def mine(self, changed: np.ndarray, share: float) -> None:
        """Draw `share` of a batch, at the cost of the other untouched pairs, from the hard
        negatives: those for which `changed`, one number for each of `plain`, is highest (Sung &
        Poggio 1998). A page's worst pair decides whether it is doubted, and a batch at random
        hardly ever has one."""
        most = max(1, round(_HARDEST * len(self.plain)))
        self._hard, self._hard_share = self.plain[np.argsort(-changed, kind="stable")[:most]], share

    def _shares(self) -> list[tuple[np.ndarray, int]]:
        """The sorts of pairs that there are, and how many of each a batch has."""
        shares = (
            (self.real, 0.3), (self.sham, 0.15),
            (self.plain, 0.55 - self._hard_share), (self._hard, self._hard_share),
        )  # fmt: skip
        return [(among, round(share * self.size)) for among, share in shares if len(among)]

    def made(self, chosen: np.ndarray, rng: np.random.Generator) -> tuple[dict, dict]:
        """Return inputs and targets of the pairs with these numbers, changed in looks."""
        count = len(chosen)
        ink = np.zeros((count, 2, ROWS, COLUMNS), np.float32)
        labels = np.full((count, 2, ROWS // 2), -1, np.int32)
        rows = np.zeros((count, 2, ROWS // 2), np.float32)
        quality = self.strips.quality[self.pairs[chosen]].copy()
        single = np.zeros((count, 2), np.float32)
        classes = self.strips.classes[self.pairs[chosen, 0]].astype(np.int32)
        for number, (pair, one) in enumerate(zip(self.pairs[chosen], classes, strict=True)):
            pair = pair if rng.random() < 0.5 else pair[::-1]
            quality[number] = self.strips.quality[pair]
            single[number] = self.strips.kinds[pair] > KINDS.index(SHAM)
            optics = _Optics.drawn(rng)
            spliced = not single[number].any() and rng.random() < SPLICED
            for side, at in enumerate(pair):
                strip = self._taken(at)
                if side == 0 and spliced:
                    real = rng.random() < 0.55
                    strip = self._spliced(at, pair[1], rng, real)
                    single[number, 0] = real
                elif not single[number, side]:
                    strip = self._variant(strip, one, rng)
                strip = _looks(strip, optics, rng)
                first, last = strip.ends
                quality[number, side, 0] = np.log((last - first) / _USUAL_ROWS[one])
                ink[number, side] = strip.ink
                step = strip.labels[::2].astype(np.int32)
                labels[number, side] = np.where(step == OUTSIDE, -1, step)
                rows[number, side] = strip.changed.reshape(-1, 2).any(1)
        quality[..., 0] += rng.normal(0, 0.02, (count, 1))  # the scale of the cell is estimated
        quality[..., 1:] *= rng.random((count, 1, 1)) > 0.1
        inputs = {"strips": ink, "quality": quality, "classes": classes}
        return inputs, {"dense": labels, "row": rows, "single": single, "pair": single.max(1)}

    def _taken(self, at: int) -> _Strip:
        s = self.strips
        return _Strip(s.strips[at].astype(np.float32), s.labels[at], s.changed[at])

    def _spliced(self, at: int, other: int, rng: np.random.Generator, real: bool) -> _Strip:
        """The strip cut and joined; `other`: its homolog, of which a sham may take a piece."""
        page, classes = self._page[self.strips.pages[at]], self.strips.classes
        foreign = int(rng.choice(page[classes[page] != classes[at]]))
        return self._joined(
            _plan(at, foreign, rng, self.shares) if real else _sham_plan(at, other, rng), at, rng
        )

    def _joined(self, parts: list[Part], host: int, rng: np.random.Generator) -> _Strip:
        """The parts one under the other at the scale of the host's class."""
        classes = self.strips.classes
        taken = {number: self._taken(number) for number in (host, *(p.at for p in parts))}
        rpp = _ROWS_PER_PERCENT[classes[host]]
        lengths = []
        for part in parts:
            first, last = taken[part.at].ends
            ratio = rpp / _ROWS_PER_PERCENT[classes[part.at]]
            lengths.append(max(1.0, abs(part.end - part.start) * (last - first) * ratio))
        edges = np.cumsum([0.0, *lengths]) * min(1.0, (ROWS - 4) / sum(lengths))
        rows = round(edges[-1])
        top = (ROWS - rows) // 2
        at = np.arange(rows) + 0.5
        fade = rng.choice([0.01, 1.0, 3.0, 5.0])
        made = _Strip(
            np.zeros((ROWS, COLUMNS), np.float32), np.full(ROWS, OUTSIDE, np.uint16),
            np.zeros(ROWS, bool),
        )  # fmt: skip
        width = _width(taken[host].ink)
        match = rng.random() < 0.8
        for k, part in enumerate(parts):
            source = taken[part.at]
            first, last = source.ends
            t = (at - edges[k]) / (edges[k + 1] - edges[k])
            row = first - 0.5 + (part.start + (part.end - part.start) * t) * (last - first)
            row = np.clip(row, first, last - 1).astype(np.float32)
            narrow = np.clip(_width(source.ink) / width, 0.6, 1.6) if match else 1.0
            column = (np.arange(COLUMNS) - 11.5) * narrow * (-1 if part.start > part.end else 1)
            grid = np.broadcast_to((column + 11.5).astype(np.float32), (rows, COLUMNS))
            ink = cv2.remap(
                source.ink, np.ascontiguousarray(grid),
                np.ascontiguousarray(np.broadcast_to(row[:, None], grid.shape)), cv2.INTER_LINEAR,
            )  # fmt: skip
            weight = np.ones(rows)
            if k:
                weight *= np.clip((at - edges[k]) / fade + 0.5, 0, 1)
            if k < len(parts) - 1:
                weight *= np.clip((edges[k + 1] - at) / fade + 0.5, 0, 1)
            made.ink[top : top + rows] += weight[:, None].astype(np.float32) * ink
            own = top + np.flatnonzero((at >= edges[k]) & (at < edges[k + 1]))
            made.labels[own] = source.labels[np.rint(row[own - top]).astype(int)]
            made.changed[own] |= part.changed
            lost = k and not part.changed and part.start > parts[k - 1].end + 0.04
            if lost and not parts[k - 1].changed and part.at == parts[k - 1].at:
                made.changed[max(0, own[:1].sum() - _JUNCTION) : own[:1].sum() + _JUNCTION] = True
        for end, missing in ((0, parts[0].start > 0.04), (1, parts[-1].end < 0.96)):
            start = min(parts[0].start, parts[0].end) if not end else 1 - parts[-1].end
            if start > 0.004 and rng.random() < 0.8:
                _round(made.ink[top : top + rows], end, 0.4 * width * rng.uniform(0.6, 1.3))
            if missing and not parts[-end].changed:
                edge = top + rows if end else top
                made.changed[max(edge - _JUNCTION, 0) : edge + _JUNCTION] = True
        made.changed &= made.labels != OUTSIDE
        return made

    def _variant(self, strip: _Strip, one: int, rng: np.random.Generator) -> _Strip:
        """A normal strip as people and slides differ: variable stretches, inv(9)."""
        stretch = _VARIABLE[one]
        if stretch is None or rng.random() > 0.35:
            return strip
        first, last = strip.ends
        low, high = (first + f * (last - first) for f in stretch)
        if one == _NINE and rng.random() < 0.2:
            middle, reach = (low + high) / 2, rng.uniform(0.5, 0.9) * (high - low)
            rows = np.arange(ROWS)
            turned = np.abs(rows - middle) <= reach
            at = np.where(turned, 2 * middle - rows, rows)
        else:
            factor = np.exp(rng.normal(0, 0.3))
            more = (high - low) * (factor - 1)
            knots = [first - 50, low, high, last + 50]
            moved = np.array(knots) + np.array([-more / 2, -more / 2, more / 2, more / 2])
            at = np.interp(np.arange(ROWS), moved, knots)
        return _moved(strip, np.clip(at, 0, ROWS - 1))


def _plan(
    at: int, foreign: int, rng: np.random.Generator, shares: Mapping[str, float]
) -> list[Part]:
    """The parts of a rearranged chromosome."""
    kind = rng.choice(list(shares), p=np.array([*shares.values()]) / sum(shares.values()))
    size = rng.uniform(*SIZES)
    start = rng.uniform(0.0, 1 - size)
    end = start + size
    if kind == "del":
        if rng.random() < 0.5:
            return [Part(at, size, 1)] if rng.random() < 0.4 else [Part(at, 0, 1 - size)]
        return _whole(Part(at, 0, start), Part(at, end, 1))
    if kind == "dup":
        again = Part(at, start, end, True) if rng.random() < 0.75 else Part(at, end, start, True)
        return _whole(Part(at, 0, end), again, Part(at, end, 1))
    if kind == "inv":
        return _whole(Part(at, 0, start), Part(at, end, start, True), Part(at, end, 1))
    if kind == "i":
        centre = rng.uniform(0.15, 0.6)
        if rng.random() < 0.7:
            return [Part(at, 1, centre, True), Part(at, centre, 1)]
        return [Part(at, 0, centre), Part(at, centre, 0, True)]
    share = rng.uniform(*SIZES)
    if kind == "ins":
        low = rng.uniform(0, 1 - 0.5 * share)
        return _whole(Part(at, 0, start), Part(foreign, low, low + 0.5 * share, True),
                      Part(at, start, 1))  # fmt: skip
    outward = (1 - share, 1.0) if rng.random() < 0.6 else (share, 0.0)
    if rng.random() < 0.6:
        return [Part(at, 0, 1 - size), Part(foreign, *outward, True)]
    return [Part(foreign, outward[1], outward[0], True), Part(at, size, 1)]


def _sham_plan(at: int, other: int, rng: np.random.Generator) -> list[Part]:
    """Cut and joined to what it was, with its own piece or the homolog's, or with new ends."""
    if rng.random() < 0.25:
        low, high = rng.uniform(0, 0.03, 2)
        return [Part(at, low, 1 - high)]
    low, high = np.sort(rng.uniform(0.02, 0.98, 2))
    source = at if rng.random() < 0.5 else other
    middle = [Part(at, 0, low), Part(source, low, high), Part(at, high, 1)]
    return [*middle[:2], Part(source, high, 1)] if rng.random() < 0.4 else middle


def _whole(*parts: Part) -> list[Part]:
    return [p for p in parts if abs(p.end - p.start) > 0.01]


def _width(ink: np.ndarray) -> float:
    inked = (ink > 50).sum(1)
    return float(np.median(inked[inked > 0])) if inked.any() else 10.0


def _round(ink: np.ndarray, end: int, height: float) -> None:
    """Round one end of the chromosome that fills the rows, in place."""
    depth = np.arange(len(ink)) + 0.5
    depth = np.clip((depth[::-1] if end else depth) / max(height, 1), 0, 1)
    half = 0.5 * _width(ink) + 0.5
    limit = np.where(depth < 1, half * np.sqrt(1 - (1 - depth) ** 2), 99)
    away = np.abs(np.arange(COLUMNS) - 11.5)
    ink *= np.clip(limit[:, None] - away + 0.5, 0, 1).astype(np.float32)


def _moved(strip: _Strip, at: np.ndarray, columns: np.ndarray | None = None) -> _Strip:
    """The strip with the row `at` (ROWS,) of the old one in each row, and columns (ROWS, COLUMNS)
    where given."""
    if columns is None:
        columns = np.broadcast_to(np.arange(COLUMNS, dtype=np.float32), (ROWS, COLUMNS))
    rows = np.ascontiguousarray(np.broadcast_to(at[:, None], columns.shape), np.float32)
    ink = cv2.remap(
        strip.ink, np.ascontiguousarray(columns, np.float32), rows, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=0,
    )  # fmt: skip
    nearest = np.clip(np.rint(at), 0, ROWS - 1).astype(int)
    labels = np.where((at < 0) | (at > ROWS - 1), OUTSIDE, strip.labels[nearest])
    return _Strip(ink, labels.astype(np.uint16), strip.changed[nearest] & (labels != OUTSIDE))


@dataclass(frozen=True)
class _Optics:
    """What both homologs of a slide share: blur (rows, columns), tone curve, noise, its grain."""

    blur: tuple[float, float]
    tone: float
    noise: float
    grain: bool

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _Optics:
        blur = tuple(rng.uniform(0.4, 1.7, 2)) if rng.random() < 0.25 else (0.0, 0.0)
        noise = rng.uniform(2, 18) if rng.random() < 0.3 else 0.0
        return cls(blur, float(np.exp(rng.normal(0, 0.25))), noise, rng.random() < 0.5)


def _looks(strip: _Strip, optics: _Optics, rng: np.random.Generator) -> _Strip:
    """The strip as it might have lain, and as another microscope and page would show it."""
    first, last = strip.ends
    length = max(last - first, 4)
    t = (np.arange(ROWS) - (ROWS - 1) / 2) / np.exp(rng.normal(0, _LENGTH))
    t += (first + last - 1) / 2 + rng.normal(0, 2)
    u = (t - first) / length
    for wave in (1, 2, 3):
        t = t + length * rng.normal(0, _WARP / wave) * np.sin(np.pi * wave * u + rng.uniform(0, 6))
    t = np.maximum.accumulate(t)
    middle = (COLUMNS - 1) / 2
    wide = np.exp(rng.normal(0, 0.1)) * (-1 if rng.random() < 0.5 else 1)
    shift = rng.normal(0, 0.5) + rng.normal(0, 0.6) * np.sin(np.pi * u + rng.uniform(0, 6))
    columns = middle + (np.arange(COLUMNS) - middle)[None] * wide + shift[:, None]
    strip = _moved(strip, t, columns)
    ink = strip.ink
    if optics.blur[0]:
        ink = cv2.GaussianBlur(ink, (0, 0), optics.blur[0], None, optics.blur[1])
    ink = 255 * np.clip(ink / 255, 0, 1) ** (optics.tone * np.exp(rng.normal(0, 0.08)))
    ink = ink * np.exp(rng.normal(0, 0.08))
    if rng.random() < 0.15:  # stained unevenly
        ink = ink * (1 + 0.2 * rng.normal() * np.sin(2 * np.pi * (u + rng.random())))[:, None]
    if optics.noise:
        noise = rng.standard_normal(ink.shape, np.float32)
        if optics.grain:
            noise = 2 * cv2.GaussianBlur(noise, (0, 0), 1)
        ink = ink + (ink > 12) * noise * optics.noise
    if rng.random() < 0.06:  # a neighbour's ink at the side
        row, reach = rng.uniform(first, last), rng.uniform(3, 10)
        side = rng.choice([0, COLUMNS - 1])
        inside = np.hypot((np.arange(ROWS) - row)[:, None] / reach,
                          (np.arange(COLUMNS) - side) / rng.uniform(3, 8)) < 1  # fmt: skip
        ink = np.where(inside, rng.uniform(60, 230), ink)
    strip.ink = np.clip(ink, 0, 255).astype(np.float32)
    return strip
