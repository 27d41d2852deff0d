"""The homologs of each class against each other, row by row: is the structure as it should be?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from screening import words
from screening.evidence.banding import doubts_of_bands
from screening.evidence.witness import Sight, Testimony
from screening.reading_settings import ReadingSettings

MOST_CHANGES = 1
"""Gains and losses beside which a translocation is still named: with more, what looks like an
exchange may be one of them, or what was taken for a chromosome may be none."""


class PairStructure:
    """Keeps a cell from low priority in which a pair looks rearranged, or cannot be compared."""

    name = "structure"
    labels: dict[str, str] = {}
    may_lower = False

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return its testimony on one picture."""
        limits, reading = settings.structure, sight.reading
        seen = None if reading is None else reading.structure
        if reading is None or seen is None:
            return Testimony()
        unsure = seen.readable < limits.readable or bool(doubts_of_bands(reading, settings))
        if unsure or len(reading.gains_and_losses) > MOST_CHANGES:
            seen = replace(seen, suggestion="")
        doubts = []
        if seen.readable < limits.readable or _length(sight) < limits.shortest:
            doubts.append(words.UNREADABLE_STRUCTURE)
        if seen.log_odds >= limits.doubt:
            doubts.append(words.structural_doubt(seen))
        return Testimony(doubts=tuple(doubts))


def _length(sight: Sight) -> float:
    """Median length of what stands on the page, pixels; infinite where nobody measured it."""
    if sight.page is None or not len(sight.page.boxes):
        return np.inf
    return float(np.median(sight.page.boxes[:, 3]))
