"""A cell read anew by the classes that a person gave to its chromosomes, without the networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from screening.classes import CHROMOSOMES, MARKER, NOT_A_CHROMOSOME, NOT_A_CHROMOSOME_INDEX
from screening.errors import ScreeningError
from screening.iscn import karyotype
from screening.reading_settings import ReadingSettings
from screening.record import Reading, Seen
from screening.report.counts import class_counts

_SURE = 0.9999
"""Probability of a class that a person gave: of the others each keeps a little, as logs are
taken."""


@dataclass(frozen=True)
class Reread:
    """What a cell amounts to by a person's classes: `counts` and the karyotype `iscn` by nothing
    but counting them, and `reading`, what all the evidence says with the corrected chromosomes held
    to be what the person said (None: the record does not keep enough to read it anew)."""

    names: tuple[str, ...]
    counts: Mapping[str, int]
    iscn: str
    reading: Reading | None

    @property
    def gains_and_losses(self) -> tuple[str, ...]:
        """Return what there is more or less of than expected, by nothing but counting."""
        return tuple(
            f"{'+' if one.found > one.expected else '-'}{one.name}"
            for one in class_counts(self.counts).values()
            if one.differs
        )


def reread(reading: Reading, classes: Mapping[str, str], settings: ReadingSettings) -> Reread:
    """Return what a cell amounts to once the chromosomes at the places in `classes` are what a
    person says; ScreeningError for a place or a class that there is not."""
    known = {*CHROMOSOMES, MARKER, NOT_A_CHROMOSOME}
    places = {str(place) for place in range(len(reading.chromosomes))}
    for place, name in classes.items():
        if place not in places or name not in known:
            raise ScreeningError(
                f"expected a chromosome of this cell and a class (1 to 22, X, Y, {MARKER} or "
                f"{NOT_A_CHROMOSOME}), received {place} and {name!r}"
            )
    names = tuple(
        classes.get(str(place), one.name) for place, one in enumerate(reading.chromosomes)
    )
    counts = Counter(names)
    left_out, markers = counts.pop(NOT_A_CHROMOSOME, 0), counts.get(MARKER, 0)
    del left_out
    known_counts = {name: n for name, n in counts.items() if name in CHROMOSOMES}
    iscn = karyotype(known_counts, markers) if counts else ""
    return Reread(names, dict(counts), iscn, _read(reading, classes, settings))


def _read(
    reading: Reading, classes: Mapping[str, str], settings: ReadingSettings
) -> Reading | None:
    from screening.evidence.reading import read_cell  # slow to import, and not for the first page
    from screening.evidence.slots import Page

    seen = [one.seen for one in reading.chromosomes if one.seen is not None]
    if len(seen) != len(reading.chromosomes) or not seen:
        return None
    page = Page(
        np.array([one.box for one in seen], np.float64),
        np.array([one.row for one in seen], np.int64),
        np.array([one.group for one in seen], np.int64),
        np.array([one.area for one in seen], np.float64),
        reading.marks,
    )
    p = np.stack([_classes(one, classes.get(str(i))) for i, one in enumerate(seen)])
    relative = np.array(
        [np.nan if one.relative is None else one.relative for one in seen], np.float64
    )
    held = {int(place): _option(name) for place, name in classes.items()}
    return read_cell(p, page, relative, settings, held)


def _option(name: str) -> int:
    """The column of `assignment.OPTIONS` of a class."""
    return (*CHROMOSOMES, MARKER, NOT_A_CHROMOSOME).index(name)


def _classes(seen: Seen, name: str | None) -> np.ndarray:
    """The probabilities of the classes of one chromosome, all but sure where a person named it. A
    marker is none of them: each is as probable."""
    p = np.array(seen.classes, np.float64)
    if name is not None:
        p = np.full(len(p), (1 - _SURE) / (len(p) - 1))
        if name == MARKER:
            p[:] = 1 / NOT_A_CHROMOSOME_INDEX
            p[NOT_A_CHROMOSOME_INDEX] = 1e-6
        else:
            p[NOT_A_CHROMOSOME_INDEX if name == NOT_A_CHROMOSOME else CHROMOSOMES.index(name)] = (
                _SURE
            )
    return p / p.sum()
