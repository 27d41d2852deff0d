"""The number of chromosomes, by itself."""

from __future__ import annotations

from screening.evidence.witness import Sight, Testimony
from screening.reading_settings import ReadingSettings

NORMAL = 46


class Count:
    """Says how far the number of chromosomes is from 46."""

    name = "count"
    labels = {"count": "number of chromosomes"}
    may_lower = True

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return its testimony on one picture."""
        reading = sight.reading
        if reading is None:
            return Testimony()
        found = reading.found() if reading.whole else len(reading.chromosomes)
        return Testimony({"count": float(abs(found - NORMAL))})
