"""The network that looks at the whole picture, asked position by position."""

from __future__ import annotations

from screening.evidence.witness import Sight, Testimony
from screening.reading_settings import ReadingSettings


class Positions:
    """Says the log-odds of a gain or loss at the position where the network sees the most likely
    one, the same in every dropout pass."""

    name = "positions"
    labels = {"positions": "its most changed position"}
    may_lower = True

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return its testimony on one picture."""
        if sight.changed is None:
            return Testimony()
        return Testimony({"positions": sight.changed})
