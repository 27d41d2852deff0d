"""The witnesses that there are; a bundle names those that it hears.

A new kind of evidence: a module here with a class as of `evidence.witness.Witness`, and one line in
`KNOWN`.
"""

from __future__ import annotations

from collections.abc import Iterable

from screening.errors import BundleError
from screening.evidence.witness import Witness
from screening.evidence.witnesses.count import Count
from screening.evidence.witnesses.homologs import HomologPairs
from screening.evidence.witnesses.network import Network
from screening.evidence.witnesses.positions import Positions
from screening.evidence.witnesses.reading import CellReading
from screening.evidence.witnesses.structure import PairStructure

KNOWN: tuple[Witness, ...] = (
    Network(),
    Positions(),
    CellReading(),
    Count(),
    HomologPairs(),
    PairStructure(),
)


def witnesses_of(names: Iterable[str]) -> tuple[Witness, ...]:
    """Return the witnesses of a bundle; BundleError for one that this version does not know."""
    known = {witness.name: witness for witness in KNOWN}
    for name in names:
        if name not in known:
            raise BundleError(
                f"the bundle hears a witness {name!r}, this version knows {', '.join(known)}: use "
                "the version of screening that built it"
            )
    return tuple(known[name] for name in names)


def labels_of(witnesses: Iterable[Witness]) -> dict[str, str]:
    """Return what people call each feature of the witnesses."""
    return {name: words for witness in witnesses for name, words in witness.labels.items()}


def only_raising(witnesses: Iterable[Witness]) -> tuple[str, ...]:
    """Return the features of the witnesses that may not lower a score."""
    return tuple(labels_of(witness for witness in witnesses if not witness.may_lower))
