"""The network that looks at the whole picture, pass by pass."""

from __future__ import annotations

from screening.evidence.fusion import log_odds
from screening.evidence.witness import Sight, Testimony
from screening.reading_settings import ReadingSettings


class Network:
    """Says the log-odds of its p(abnormal), one for each dropout pass."""

    name = "network"
    labels = {"network": "whole-picture network"}
    may_lower = True

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return its testimony on one picture."""
        if sight.p is None or not len(sight.p):
            return Testimony()
        return Testimony({"network": tuple(log_odds(sight.p).tolist())})
