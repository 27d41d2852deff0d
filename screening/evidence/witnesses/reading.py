"""The cell's reading, chromosome by chromosome: what it makes probable, and how readable it was.

What it makes probable differs from dropout pass to dropout pass, as the classes do; the rest is of
the passes' mean.
"""

from __future__ import annotations

import numpy as np

from screening import words
from screening.evidence.banding import doubts_of_bands
from screening.evidence.reading import log_ratio
from screening.evidence.reasons import doubts_of, notes_of
from screening.evidence.sizes import size_doubts
from screening.evidence.witness import Sight, Testimony
from screening.reading_settings import ReadingSettings
from screening.record import Feature


class CellReading:
    """Says the log-odds of an abnormal complement, and what makes the page hard to read."""

    name = "reading"
    labels = {
        "reading": "reading of chromosomes",
        "margin": "lead of the most probable karyotype",
        "layout": "order of the chromosomes",
        "lengths": "lengths against the order",
        "doubtful": "doubtful chromosomes",
        "misplaced": "chromosomes in another’s position",
        "rejected": "objects left out",
        "misread": "bands that are hard to read",
    }
    may_lower = True

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return its testimony on one picture."""
        reading, limits = sight.reading, settings.conclusions
        if reading is None:
            return Testimony()
        doubts = doubts_of(reading, settings.doubts)
        if not reading.whole:
            return Testimony(
                {"reading": limits.most_log_odds, "layout": 1 - reading.layout_score}, doubts
            )
        page = sight.page
        if page is not None and page.areas is not None:
            doubts += size_doubts(reading.chromosomes, page.areas, settings.sizes)
        if page is not None and page.marks:
            doubts += (words.TONED_MARK,)
        doubts += doubts_of_bands(reading, settings)
        looks = settings.looks
        mean = float(log_ratio(1 - reading.p_normal, reading.p_normal, limits))
        features: dict[str, Feature] = {
            "reading": sight.odds or mean,
            "margin": reading.margin,
            "layout": 1 - reading.layout_score,
            "lengths": reading.disorder,
            "doubtful": float(reading.doubtful()),
            "misplaced": float(reading.misplaced()),
            "rejected": float(len(reading.chromosomes) - reading.found()),
            "misread": float(np.log10(reading.misread_rate / looks.misread[0])),
        }
        return Testimony(features, doubts, notes_of(reading, settings.doubts))
