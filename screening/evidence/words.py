"""Sentences about a reading: what keeps a page from the end of the work list, and what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from screening.evidence.slots import UNORDERED, UPRIGHT, Slots
from screening.reading_settings import Doubts

if TYPE_CHECKING:
    from screening.evidence.reading import Read

NO_KARYOTYPE = "the chromosomes do not add up to a karyotype: too many gains and losses"
TONED_MARK = "a mark among the chromosomes is toned like one: a marker chromosome?"


def doubts_of(
    objects: Sequence[Read],
    slots: Slots,
    disorder: float,
    expected: int,
    limits: Doubts,
    p_normal: float = 0.0,
) -> tuple[str, ...]:
    """Return why the page must be seen by a person; `expected`: chromosomes of the complement that
    was read, `disorder` as of `reading`, `p_normal`: posterior of a normal complement."""
    doubts = []
    if slots.reading not in (UPRIGHT, UNORDERED):
        doubts.append(f"the chromosomes stand as in a karyogram that is {slots.reading}")
    elif slots.score < limits.good_layout:
        doubts.append("the order of the chromosomes does not read as a karyogram")
    if disorder > limits.most_disorder:
        doubts.append("the lengths of the chromosomes do not fall in the order of a karyogram")
    found = [one for one in objects if one.name != "?"]
    if objects and len(found) != expected:
        doubts.append(
            f"{len(found)} chromosomes found, {expected} expected: homologs that touch, or a "
            "chromosome that was not found"
        )
    doubtful = [one.name for one in found if one.doubtful]
    if len(doubtful) > limits.most_doubtful:
        doubts.append(f"{len(doubtful)} chromosomes could not be told: {_list(doubtful)}")
    if len(objects) - len(found) > limits.most_rejected:
        doubts.append(f"{len(objects) - len(found)} objects do not look like one chromosome")
    unsure = any(one.name == "?" and one.probability < limits.surely_nothing for one in objects)
    if unsure and p_normal < limits.normal_anyway:
        doubts.append("an object left out may be a chromosome")
    missorted = [one for one in found if one.missorted]
    if len(missorted) > limits.most_misplaced:
        doubts.append(f"{len(missorted)} chromosomes stand in another chromosome's slot")
    return tuple(doubts)


def notes_of(
    objects: Sequence[Read],
    karyotypes: Sequence[tuple[str, float]],
    changes: Sequence[str],
    poor: bool,
    limits: Doubts,
) -> tuple[str, ...]:
    """Return what a person should know besides: gains and losses, chromosomes in a wrong slot;
    `poor`: the bands are hard to read."""
    notes = []
    if changes and karyotypes:
        iscn, probability = karyotypes[0]
        notes.append(f"{', '.join(changes)}: {iscn} with a probability of {probability:.2f}")
    doubtful = [one.name for one in objects if one.doubtful and one.name != "?"]
    if 0 < len(doubtful) <= limits.most_doubtful:
        notes.append(f"doubtful to read: {_list(doubtful)}")
    notes += [
        f"a chromosome {one.name} stands in the slot of {one.slot}"
        for one in objects
        if one.missorted
    ][: limits.most_misplaced]
    rejected = sum(one.name == "?" for one in objects)
    if rejected:
        notes.append(f"{rejected} object{'s' * (rejected > 1)} left out: not one chromosome")
    if poor:
        notes.append("the bands are hard to read: count and places carry the reading")
    return tuple(notes)


def _list(names: Sequence[str]) -> str:
    counted = Counter(names)
    return ", ".join(name if n == 1 else f"{n} of {name}" for name, n in counted.items())
