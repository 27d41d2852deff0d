"""Sentences about a reading: what keeps a page from the end of the work list, and what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from screening.classes import NOT_A_CHROMOSOME
from screening.evidence.slots import UNORDERED, UPRIGHT
from screening.reading_settings import Doubts
from screening.record import Reading

NO_KARYOTYPE = "the chromosomes do not add up to a karyotype: too many gains and losses"
TONED_MARK = "a mark among the chromosomes is toned like one: a marker chromosome?"


def doubts_of(reading: Reading, limits: Doubts) -> tuple[str, ...]:
    """Return why the page must be seen by a person."""
    objects = reading.chromosomes
    doubts = []
    if not reading.whole:
        doubts.append(f"{len(objects)} objects found: not the chromosomes of one whole cell")
    elif not reading.karyotypes:
        doubts.append(NO_KARYOTYPE)
    if reading.orientation not in (UPRIGHT, UNORDERED):
        doubts.append(f"the chromosomes stand as in a karyogram that is {reading.orientation}")
    elif reading.layout_score < limits.good_layout:
        doubts.append("the order of the chromosomes does not read as a karyogram")
    if reading.disorder > limits.most_disorder:
        doubts.append("the lengths of the chromosomes do not fall in the order of a karyogram")
    if not reading.whole:
        return tuple(doubts)
    found, expected = reading.found(), sum(reading.counts.values())
    if found != expected:
        doubts.append(
            f"{found} chromosomes found, {expected} expected: homologs that touch, or a "
            "chromosome that was not found"
        )
    doubtful = [one.name for one in objects if one.doubtful and one.name != NOT_A_CHROMOSOME]
    if len(doubtful) > limits.most_doubtful:
        doubts.append(f"{len(doubtful)} chromosomes could not be told: {_list(doubtful)}")
    if len(objects) - found > limits.most_rejected:
        doubts.append(f"{len(objects) - found} objects do not look like one chromosome")
    unsure = any(
        one.name == NOT_A_CHROMOSOME and one.probability < limits.surely_nothing for one in objects
    )
    if unsure and reading.p_normal < limits.normal_anyway:
        doubts.append("an object left out may be a chromosome")
    if reading.misplaced() > limits.most_misplaced:
        doubts.append(f"{reading.misplaced()} chromosomes stand in another chromosome's position")
    return tuple(doubts)


def notes_of(reading: Reading, poor: bool, limits: Doubts) -> tuple[str, ...]:
    """Return what a person should know besides: gains and losses, chromosomes in a wrong position;
    `poor`: the bands are hard to read."""
    if not reading.whole:
        return ()
    notes = []
    if reading.gains_and_losses and reading.karyotypes:
        iscn, probability = reading.karyotypes[0]
        changes = ", ".join(reading.gains_and_losses)
        notes.append(f"{changes}: {iscn} with a probability of {probability:.2f}")
    doubtful = [
        one.name for one in reading.chromosomes if one.doubtful and one.name != NOT_A_CHROMOSOME
    ]
    if 0 < len(doubtful) <= limits.most_doubtful:
        notes.append(f"doubtful to read: {_list(doubtful)}")
    notes += [
        f"a chromosome {one.name} stands in the position of {one.position}"
        for one in reading.chromosomes
        if one.misplaced
    ][: limits.most_misplaced]
    rejected = len(reading.chromosomes) - reading.found()
    if rejected:
        notes.append(f"{rejected} object{'s' * (rejected > 1)} left out: not one chromosome")
    if poor:
        notes.append("the bands are hard to read: count and places carry the reading")
    return tuple(notes)


def _list(names: Sequence[str]) -> str:
    counted = Counter(names)
    return ", ".join(name if n == 1 else f"{n} of {name}" for name, n in counted.items())
