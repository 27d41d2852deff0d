"""Rearrangements spliced as plain pictures are: a way of joining that no training sees."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from screening.synthesis.metaphase import Chromosome, Metaphase
from screening.synthesis.rearrangements import Piece, rearrangement
from screening.synthesis.warp import crop


def by_pictures(cell: Metaphase, name: str, rng: np.random.Generator, real: bool) -> Metaphase:
    """Return the cell with the rearrangement, or its sham, cut and joined as plain pictures are:
    straight across the upright picture, middle on middle, without an axis or a tone curve."""
    plan = rearrangement(name)
    upright = {
        used: max(
            (c for c in cell.chromosomes if c.name == used),
            key=lambda c: c.image.shape[0] / c.image.shape[1] * rng.uniform(0.9, 1.1),
        )
        for used in plan.uses
    }
    changed = {}
    for made in plan.derivatives:
        host = upright[made.name]
        pieces = made.pieces if real else made.sham
        parts = [_cut(piece, cell, upright, host) for piece in pieces]
        ink = _stacked(parts, int(rng.integers(1, 4)))
        picture = np.where(ink > 6, 255 - ink, 255).astype(np.uint8)
        changed[host.origin] = Chromosome(
            np.ascontiguousarray(crop(picture)), made.name, f"{host.origin}~{name}"
        )
    return replace(cell, chromosomes=tuple(changed.get(c.origin, c) for c in cell.chromosomes))


def _cut(
    piece: Piece, cell: Metaphase, upright: dict[str, Chromosome], host: Chromosome
) -> np.ndarray:
    """The piece's ink as wide as the host."""
    source = upright.get(piece.name) or next(c for c in cell.chromosomes if c.name == piece.name)
    ink = 255 - source.image
    tall = len(ink)
    low, high = sorted((round(piece.start * tall), round(piece.end * tall)))
    low = min(low, tall - 1)  # of a piece thinner than a row, at the very end
    part = ink[low : max(high, low + 2)]
    if piece.start > piece.end:
        part = part[::-1, ::-1]
    wide = [float(np.median((255 - c.image > 40).sum(1))) for c in (host, source)]
    size = [max(3, round(part.shape[1] * wide[0] / max(wide[1], 1))), len(part)]
    if piece.whole:
        size[1] = tall
    return cv2.resize(np.ascontiguousarray(part), size, interpolation=cv2.INTER_LINEAR)


def _stacked(parts: list[np.ndarray], common: int) -> np.ndarray:
    """The parts one under the other, their middles in line where they meet, `common` rows mixed."""
    width = 3 * max(p.shape[1] for p in parts)
    made = np.zeros((0, width), np.float32)
    for part in parts:
        near = part[: 4 if len(made) else 1].sum(0) + 1e-3
        middle = float((near * np.arange(part.shape[1])).sum() / near.sum())
        goal = width / 2
        if len(made):
            last = made[-4:].sum(0) + 1e-3
            goal = float((last * np.arange(width)).sum() / last.sum())
        left = int(np.clip(round(goal - middle), 0, width - part.shape[1]))
        placed = np.zeros((len(part), width), np.float32)
        placed[:, left : left + part.shape[1]] = part
        mixed = min(common, len(made), len(placed) - 1) if len(made) else 0
        if mixed:
            share = ((np.arange(mixed) + 1) / (mixed + 1))[:, None]
            made[-mixed:] = (1 - share) * made[-mixed:] + share * placed[:mixed]
        made = np.concatenate([made, placed[mixed:]])
    return np.pad(made, 2)
