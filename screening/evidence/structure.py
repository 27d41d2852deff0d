"""What a cell's pairs of homologs say of structural changes: how probable, which one, what, where.

The odds are the network's (`predict.structure`), pair by pair, and are weighed together for the
cell (`structure_cell`); what changed and where is read off the path of the odd one's rows
(`structure_path`). Pairs are judged whose class has exactly two chromosomes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening.bands import bands_between
from screening.classes import CHROMOSOMES
from screening.evidence.structure_cell import cell_doubt
from screening.evidence.structure_path import Segment, read_path
from screening.page_settings import StructureReading
from screening.predict.pairs import PairsSaid
from screening.record import PairChange, Structure


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
        suggestion=cell.known if cell.share >= how.named else "",
        odds={name: round(value, 3) for name, value in odds.items()},
    )


def change_of(places: np.ndarray, name: str, how: StructureReading) -> PairChange:
    """Return what the rows of one chromosome of class `name` read as, without odds: log
    probabilities (rows, 24, parts) of those that show ink. Nothing for fewer than two rows."""
    blank = PairChange(name, 0, 0, 0, 0.0, 0.0)
    if len(places) < 2:
        return blank
    path = read_path(places, CHROMOSOMES.index(name), how.jump)
    kind, start, end, partner = _told(path.segments, name, len(places), how.least)
    where = bands_between(name, start, end) if kind else ""
    return PairChange(name, 0, 0, 0, 0.0, 0.0, kind, start, end, where, partner)


def _change(
    said: PairsSaid, k: int, two: tuple[int, int], name: str, odds: float, how: StructureReading
) -> PairChange:
    side = int(said.single[k].argmax())
    read = change_of(said.places[k, side][said.inked[k, side]], name, how)
    return PairChange(
        name, *two, two[side], float(odds), float(said.each[:, k].std()),
        read.kind, read.start, read.end, read.bands, read.partner,
    )  # fmt: skip


def _told(
    segments: Sequence[Segment], name: str, rows: int, least: float
) -> tuple[str, float, float, str]:
    """What was joined to what: kind, where on the class's own length, and the foreign class."""
    own = CHROMOSOMES.index(name)
    parts = [s for s in segments if s.last - s.first >= least * rows / 2]
    foreign = [s for s in parts if s.index != own]
    if foreign:
        most = max(foreign, key=lambda s: s.last - s.first)
        if most.last - most.first >= least * rows:
            start, end = _lost([s for s in parts if s.index == own])
            return "t", start, end, CHROMOSOMES[most.index]
    turned = [s for s in parts if s.index == own and s.start > s.end]
    if turned:
        most = max(turned, key=lambda s: s.start - s.end)
        if most.start - most.end >= least:
            return "inv", most.end, most.start, ""
    reached, gaps, doubled = 0.0, [], []
    for s in [s for s in parts if s.index == own]:
        low, high = sorted((s.start, s.end))
        gaps.append((low - reached, reached, low))
        doubled.append((min(reached, high) - low, low, min(reached, high)))
        reached = max(reached, high)
    gaps.append((1 - reached, reached, 1.0))
    lost, more = max(gaps), max(doubled, default=(0.0, 0.0, 0.0))
    if max(lost[0], more[0]) < least:
        return "", 0.0, 1.0, ""
    return ("del", *lost[1:], "") if lost[0] >= more[0] else ("dup", *more[1:], "")


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
