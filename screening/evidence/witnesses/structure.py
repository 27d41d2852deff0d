"""The homologs of each class against each other, row by row: is the structure as it should be?"""

from __future__ import annotations

from screening import words
from screening.evidence.witness import Sight, Testimony
from screening.reading_settings import ReadingSettings


class PairStructure:
    """Keeps a cell from low priority in which a pair looks rearranged, or cannot be compared."""

    name = "structure"
    labels: dict[str, str] = {}
    may_lower = False

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return its testimony on one picture."""
        limits = settings.structure
        seen = None if sight.reading is None else sight.reading.structure
        if seen is None:
            return Testimony()
        doubts = []
        if seen.readable < limits.readable:
            doubts.append(words.UNREADABLE_STRUCTURE)
        if seen.log_odds >= limits.doubt:
            doubts.append(words.structural_doubt(seen))
        return Testimony(doubts=tuple(doubts))
