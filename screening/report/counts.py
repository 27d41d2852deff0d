"""How many chromosomes of each class a cell has, beside how many a normal one would have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from screening.classes import CHROMOSOMES, DENVER_GROUPS, MARKER, NOT_A_CHROMOSOME


@dataclass(frozen=True)
class ClassCount:
    """One class: `found` chromosomes, `expected` in a normal cell."""

    name: str
    found: int
    expected: int

    @property
    def differs(self) -> bool:
        """Return whether there are more or fewer than expected."""
        return self.found != self.expected


@dataclass(frozen=True)
class CountGroup:
    """One Denver group, or the sex chromosomes, or what has no class: its letter and counts."""

    letter: str
    counts: tuple[ClassCount, ...]


def class_counts(counts: Mapping[str, int]) -> dict[str, ClassCount]:
    """Return the count of each of the 24 classes, then of markers and unnamed ones if there are.

    Two of every autosome are expected. Any Y makes it X and Y, one of each; else it is two X. So
    45,X lacks an X, as ISCN's reader would ask first, and 47,XXY has one too many.
    """
    male = counts.get("Y", 0) > 0
    expected = dict.fromkeys(CHROMOSOMES, 2) | {"X": 1 if male else 2, "Y": int(male)}
    found = {name: ClassCount(name, counts.get(name, 0), expected[name]) for name in CHROMOSOMES}
    extra = {n: ClassCount(n, counts[n], 0) for n in (MARKER, NOT_A_CHROMOSOME) if counts.get(n, 0)}
    return found | extra


def count_groups(counts: Mapping[str, int]) -> tuple[CountGroup, ...]:
    """Return `class_counts` in Denver's order A to G, then X and Y, then what has no class."""
    known = class_counts(counts)
    groups = [
        CountGroup(letter, tuple(known[name] for name in names if name not in ("X", "Y")))
        for letter, names in DENVER_GROUPS.items()
    ]
    groups.append(CountGroup("sex", (known["X"], known["Y"])))
    rest = tuple(count for name, count in known.items() if name not in CHROMOSOMES)
    return (*groups, CountGroup("other", rest)) if rest else tuple(groups)
