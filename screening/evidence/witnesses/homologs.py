"""The two homologs of each pair against each other: a hint of a structural change."""

from __future__ import annotations

from screening.evidence.homologs import compare_homologs
from screening.evidence.witness import Sight, Testimony
from screening.reading_settings import ReadingSettings


class HomologPairs:
    """Says how far the most different pair exceeds what every page has."""

    name = "homologs"
    labels = {"homologs": "differences within pairs"}
    may_lower = False

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return its testimony on one picture."""
        if sight.reading is None or sight.classes is None or sight.crops is None:
            return Testimony()
        pairs = compare_homologs(sight.classes, sight.relative, sight.crops, settings.homologs)
        notes = (pairs.note,) if pairs.note else ()
        return Testimony({"homologs": pairs.feature} if sight.reading.whole else {}, notes=notes)
