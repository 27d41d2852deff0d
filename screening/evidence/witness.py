"""The seam for evidence: what a witness is, what it looks at, and what it may say.

A kind of evidence is one module in `witnesses/` and one line in its `KNOWN`. Fitting, routing and
the page go through the witnesses that a bundle names; nothing else knows them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from screening.evidence.slots import Page
from screening.reading_settings import ReadingSettings
from screening.record import Feature, Reading


@dataclass(frozen=True, eq=False)
class Sight:
    """What there is to look at of one picture; None where a picture or a bundle lacks it.

    `p`: the network's p(abnormal) of each pass, (passes,), `changed`: its log-odds of a gain or
    loss where it sees the most likely one. `reading`: the cell's reading, and what
    it was made from: `page`, where the n objects stand; `classes` (n, 25) probabilities;
    `relative` (n,) lengths in percent of the haploid autosomes, nan unknown; `crops` uint8
    (n, h, w), straightened; `odds`: log-odds of an abnormal complement by the classes of each
    pass, (passes,) or empty.
    """

    p: np.ndarray | None = None
    reading: Reading | None = None
    page: Page | None = None
    classes: np.ndarray | None = None
    relative: np.ndarray | None = None
    crops: np.ndarray | None = None
    odds: tuple[float, ...] = ()
    changed: float | None = None


@dataclass(frozen=True)
class Testimony:
    """What a witness says of one picture: `features` for the fusion, each 0 when it speaks for
    nothing; `doubts`, each of which keeps the picture from low priority; `notes`, which do not."""

    features: Mapping[str, Feature] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Witness(Protocol):
    """One kind of evidence: `name` as bundles have it, `labels`: each of its features in words for
    people, `may_lower`: whether it may make a picture look more normal."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def may_lower(self) -> bool: ...

    def look(self, sight: Sight, settings: ReadingSettings) -> Testimony:
        """Return what it has to say; an empty testimony where there is nothing to look at."""
        ...


def hear(witnesses: Iterable[Witness], sight: Sight, settings: ReadingSettings) -> Testimony:
    """Return what all witnesses say together, in their order."""
    heard = [witness.look(sight, settings) for witness in witnesses]
    features: dict[str, Feature] = {}
    for one in heard:
        features |= one.features
    return Testimony(
        features,
        tuple(doubt for one in heard for doubt in one.doubts),
        tuple(note for one in heard for note in one.notes),
    )
