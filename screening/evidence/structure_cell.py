"""What the pairs of one cell say together: partial findings explain each other.

Each pair's log odds of a change weigh the hypotheses that one pair is changed, that two exchanged
something, and that it is one of the translocations laboratories meet: a 9 that is a little long and
a 22 that is a little short are then one t(9;22), not two doubts too small to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from screening.iscn import chromosomes_of

TRANSLOCATIONS: Mapping[str, float] = {
    "t(9;22)(q34;q11.2)": 10, "t(15;17)(q24;q21)": 4, "t(11;22)(q23;q11.2)": 4,
    "t(8;14)(q24;q32)": 3, "t(8;21)(q22;q22)": 3, "t(11;14)(q13;q32)": 2, "t(14;18)(q32;q21)": 2,
    "t(4;11)(q21;q23)": 1.5, "t(1;19)(q23;p13)": 1,
}  # fmt: skip
"""How often, relatively, as in `synthesis.rearrangements.KNOWN`: rough figures of what laboratories
report."""

_ONE, _TWO, _KNOWN = 0.5, 0.25, 0.25
"""Prior shares of the three kinds of hypotheses; round, not fitted."""


@dataclass(frozen=True)
class CellDoubt:
    """`log_odds` that some chromosome of the cell is rearranged against none, up to a constant;
    `classes`: those that the most probable hypothesis concerns, `share` (0–1) its part of the odds,
    `known`: which of TRANSLOCATIONS it is, "" none."""

    log_odds: float
    classes: tuple[str, ...]
    share: float
    known: str


def cell_doubt(pairs: Mapping[str, float]) -> CellDoubt:
    """Return what the log odds of a change of each pair, by class, say of the cell.

    Classes without two homologs are left out of `pairs`. ValueError for none at all.
    """
    from scipy.special import logsumexp  # slow: not for a first page

    if not pairs:
        raise ValueError("expected the log odds of at least one pair, received none")
    names = tuple(pairs)
    both = list(combinations(names, 2))
    known = {
        name: w for name, w in TRANSLOCATIONS.items() if set(chromosomes_of(name)) <= set(names)
    }
    total = sum(TRANSLOCATIONS.values())
    found: list[tuple[tuple[str, ...], float, str]] = [
        ((name,), np.log(_ONE / len(names)) + pairs[name], "") for name in names
    ]
    for two in both:
        found.append((two, np.log(_TWO / len(both)) + sum(pairs[n] for n in two), ""))
    for name, weight in known.items():
        classes = tuple(chromosomes_of(name))
        odds = np.log(_KNOWN * weight / total) + sum(pairs[n] for n in classes)
        found.append((classes, odds, name))
    every = logsumexp([odds for _, odds, _ in found])
    classes, odds, which = max(found, key=lambda one: one[1])
    return CellDoubt(float(every), classes, float(np.exp(odds - every)), which)
