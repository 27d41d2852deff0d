"""What a cell's pairs of homologs say of structural changes: how probable, which one, what, where.

The odds are the network's (`predict.structure`), pair by pair, and are weighed together for the
cell (`structure_cell`); which one is odd, and where, is read off its rows, and what off the lengths
of both. Pairs are judged whose class has exactly two chromosomes. What a single one is made of
is read off the path of its rows (`structure_path`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from screening.bands import bands_between
from screening.classes import CHROMOSOMES
from screening.evidence.structure_cell import cell_doubt
from screening.evidence.structure_path import Segment, read_path
from screening.page_settings import StructureReading
from screening.predict.pairs import PairsSaid
from screening.record import PairChange, Structure

_FEWEST = 10
"""Pairs from which on it shows what all of a cell have."""

_END = 0.06
"""Part of a chromosome's length from its end within which rows belong to the end."""


def pairs_of(names: Sequence[str]) -> np.ndarray:
    """Return int (m, 2): the places of both homologs of every class that has exactly two."""
    found = [[i for i, one in enumerate(names) if one == name] for name in CHROMOSOMES]
    return np.array([two for two in found if len(two) == 2], np.int64).reshape(-1, 2)


def structure_of(
    said: PairsSaid,
    pairs: np.ndarray,
    names: Sequence[str],
    how: StructureReading,
    places: Sequence[int],
) -> Structure | None:
    """Return what the pairs int (m, 2) of places in `names` say together; None without any.

    `places`: where in the cell's reading each of the names stands.
    """
    if not len(pairs):
        return None
    mean = np.clip(said.each.mean(0), -how.bounded, how.bounded)
    # Badly straightened, bent or overlapped as it lay, a pair differs whatever its structure.
    explained = said.quality[..., 1]
    odd = (explained < np.median(explained) - how.unexplained).any(1)
    mean = np.where(odd, np.minimum(mean, 0.0), mean)
    # Of another laboratory, or out of focus, all pairs look a little odd.
    if len(mean) >= _FEWEST:
        mean -= max(0.0, float(np.median(mean)) - how.usual)
    classes = [names[first] for first, _ in pairs]
    odds = dict(zip(classes, mean.tolist(), strict=True))
    cell = cell_doubt(odds)
    ranked = sorted(range(len(pairs)), key=lambda k: (classes[k] not in cell.classes, -mean[k]))
    told = [k for k in ranked[: how.told] if mean[k] > 0 or classes[k] in cell.classes]
    return Structure(
        log_odds=cell.log_odds,
        readable=_readable(said, pairs, names),
        compared=len(pairs),
        pairs=tuple(
            _change(said, k, (places[pairs[k, 0]], places[pairs[k, 1]]), classes[k], mean[k], how)
            for k in told
        ),
        # A name needs a doubt: without one it would be the best of many unlikely ones.
        suggestion=cell.known if cell.share >= how.named and cell.log_odds >= how.doubt else "",
        odds={name: round(value, 3) for name, value in odds.items()},
    )


@dataclass(frozen=True)
class RowsRead:
    """What the rows of one chromosome read as: `kind` "del", "dup", "inv", "t" or "" when they do
    not tell, `bands` where, `partner` the class of which a piece is seen ("" none)."""

    kind: str = ""
    start: float = 0.0
    end: float = 1.0
    bands: str = ""
    partner: str = ""


def change_of(places: np.ndarray, name: str, how: StructureReading) -> RowsRead:
    """Return what the rows of one chromosome of class `name` read as: log probabilities
    (rows, 24, parts) of those that show ink. Nothing for fewer than two rows."""
    if len(places) < 2:
        return RowsRead()
    path = read_path(places, CHROMOSOMES.index(name), how.jump)
    kind, start, end, partner = _told(path.segments, name, len(places), how.least)
    where = bands_between(name, start, end) if kind else ""
    return RowsRead(kind, start, end, where, partner)


def _change(
    said: PairsSaid, k: int, two: tuple[int, int], name: str, odds: float, how: StructureReading
) -> PairChange:
    from scipy.special import expit  # slow: not for a first page

    rows = expit(said.rows[k]) * said.inked[k]
    side = int(rows.max(1).argmax()) if rows.max() >= how.row else int(said.single[k].argmax())
    blank = PairChange(name, *two, two[side], float(odds), float(said.each[:, k].std()))
    inside = np.flatnonzero(said.inked[k, side])
    odd = np.flatnonzero(rows[side] >= how.row)
    if not odd.size:
        return blank
    # The stretch from the first to the last row that differs, in fractions of what is there.
    count = inside[-1] - inside[0] + 1
    low, high = (odd[0] - inside[0]) / count, (odd[-1] + 1 - inside[0]) / count
    ratio = float(said.quality[k, side, 0] - said.quality[k, 1 - side, 0])
    kind, (start, end) = "bands", (low, high)
    if ratio <= -how.unequal:
        # What is missing lies where the rows differ: so much is left above, so much below.
        kind, left = "shorter", float(np.exp(ratio))
        middle = (low + high) / 2
        # A new end differs as a whole.
        middle = 0.0 if low <= _END and middle < 0.5 else middle
        middle = 1.0 if high >= 1 - _END and middle > 0.5 else middle
        start, end = middle * left, 1 - (1 - middle) * left
    elif ratio >= how.unequal:
        kind = "longer"
    start, end = float(np.clip(start, 0, 1)), float(np.clip(end, 0, 1))
    return replace(blank, kind=kind, start=start, end=end, bands=bands_between(name, start, end))


def _told(
    segments: Sequence[Segment], name: str, rows: int, least: float
) -> tuple[str, float, float, str]:
    """What was joined to what: kind, where on the class's own length, and the foreign class."""
    own = CHROMOSOMES.index(name)
    parts = [s for s in segments if s.last - s.first >= least * rows / 2]
    shown = sum(s.last - s.first for s in parts if s.index == own)
    foreign = [s for s in parts if s.index != own]
    if foreign:
        # Of which nothing reads as its own class is misread, not exchanged.
        most = max(foreign, key=lambda s: s.last - s.first)
        if shown < least * rows:
            return "", 0.0, 1.0, ""
        if most.last - most.first >= least * rows:
            start, end = _lost([s for s in parts if s.index == own])
            return "t", start, end, CHROMOSOMES[most.index]
    turned = [s for s in parts if s.index == own and s.start > s.end]
    if turned:
        most = max(turned, key=lambda s: s.start - s.end)
        if most.start - most.end >= least:
            return "inv", most.end, most.start, ""
    reached, doubled = 0.0, [(0.0, 0.0, 0.0)]
    whole = [s for s in parts if s.index == own]
    for low, high in (sorted((s.start, s.end)) for s in whole):
        doubled.append((min(reached, high) - low, low, min(reached, high)))
        reached = max(reached, high)
    lost, more = _lost(whole), max(doubled)
    if max(lost[1] - lost[0], more[0]) < least:
        return "", 0.0, 1.0, ""
    return ("del", *lost, "") if lost[1] - lost[0] >= more[0] else ("dup", *more[1:], "")


def _lost(own: Sequence[Segment]) -> tuple[float, float]:
    """The longest stretch of the class that its own segments do not show."""
    reached, gaps = 0.0, []
    for low, high in sorted(tuple(sorted((s.start, s.end))) for s in own):
        gaps.append((low - reached, reached, low))
        reached = max(reached, high)
    gaps.append((1 - reached, reached, 1.0))
    return max(gaps)[1:]


def _readable(said: PairsSaid, pairs: np.ndarray, names: Sequence[str]) -> float:
    """Mean probability that the rows give to their own class; the median over the chromosomes."""
    found = []
    for (k, side), place in np.ndenumerate(pairs):
        own = said.places[k, side, :, CHROMOSOMES.index(names[place])]
        inked = said.inked[k, side]
        if inked.any():
            found.append(float(np.exp(own[inked]).sum(-1).mean()))
    return float(np.median(found)) if found else 0.0
