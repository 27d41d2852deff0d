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
from scipy.special import logsumexp

TRANSLOCATIONS: Mapping[tuple[str, str], float] = {
    ("9", "22"): 10, ("15", "17"): 4, ("11", "22"): 4, ("8", "14"): 3, ("8", "21"): 3,
    ("11", "14"): 2, ("14", "18"): 2, ("4", "11"): 1.5, ("1", "19"): 1,
}  # fmt: skip
"""How often, relatively, as in `synthesis.rearrangements.KNOWN`: rough figures of what laboratories
report."""

_ONE, _TWO, _KNOWN = 0.5, 0.25, 0.25
"""Prior shares of the three kinds of hypotheses; round, not fitted."""


@dataclass(frozen=True)
class CellDoubt:
    """`log_odds` that some chromosome of the cell is rearranged against none, up to a constant;
    `classes`: those that the most probable hypothesis concerns, `share` (0–1) its part of the odds,
    `known`: it is one of TRANSLOCATIONS."""

    log_odds: float
    classes: tuple[str, ...]
    share: float
    known: bool


def cell_doubt(pairs: Mapping[str, float]) -> CellDoubt:
    """Return what the log odds of a change of each pair, by class, say of the cell.

    Classes without two homologs are left out of `pairs`. ValueError for none at all.
    """
    if not pairs:
        raise ValueError("expected the log odds of at least one pair, received none")
    names = tuple(pairs)
    both = list(combinations(names, 2))
    known = {pair: w for pair, w in TRANSLOCATIONS.items() if all(name in pairs for name in pair)}
    total = sum(TRANSLOCATIONS.values())
    found: list[tuple[tuple[str, ...], float, bool]] = [
        ((name,), np.log(_ONE / len(names)) + pairs[name], False) for name in names
    ]
    for two in both:
        found.append((two, np.log(_TWO / len(both)) + sum(pairs[n] for n in two), False))
    for two, weight in known.items():
        odds = np.log(_KNOWN * weight / total) + sum(pairs[n] for n in two)
        found.append((two, odds, True))
    every = logsumexp([odds for _, odds, _ in found])
    classes, odds, is_known = max(found, key=lambda one: one[1])
    return CellDoubt(float(every), classes, float(np.exp(odds - every)), is_known)
