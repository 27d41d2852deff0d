"""What of a reading keeps a page from low priority, and what a person should know besides."""

from __future__ import annotations

from collections import Counter

from screening import words
from screening.classes import NOT_A_CHROMOSOME
from screening.evidence.slots import UNORDERED, UPRIGHT
from screening.reading_settings import Doubts
from screening.record import Reading


def doubts_of(reading: Reading, limits: Doubts) -> tuple[str, ...]:
    """Return why the page must be seen by a person."""
    objects = reading.chromosomes
    doubts = []
    if not reading.whole:
        doubts.append(words.not_a_cell(len(objects)))
    elif not reading.karyotypes:
        doubts.append(words.NO_KARYOTYPE)
    if reading.orientation not in (UPRIGHT, UNORDERED):
        doubts.append(words.turned(reading.orientation))
    elif reading.layout_score < limits.good_layout:
        doubts.append(words.UNREADABLE_ORDER)
    if reading.disorder > limits.most_disorder:
        doubts.append(words.UNORDERED_LENGTHS)
    if not reading.whole:
        return tuple(doubts)
    found, expected = reading.found(), sum(reading.counts.values())
    if found != expected:
        doubts.append(words.other_number(found, expected))
    if len(doubtful := _doubtful(reading)) > limits.most_doubtful:
        doubts.append(words.too_doubtful(doubtful))
    if len(objects) - found > limits.most_rejected:
        doubts.append(words.too_rejected(len(objects) - found))
    unsure = any(
        one.name == NOT_A_CHROMOSOME and one.probability < limits.surely_nothing for one in objects
    )
    if unsure and reading.p_normal < limits.normal_anyway:
        doubts.append(words.LEFT_OUT_CHROMOSOME)
    if reading.misplaced() > limits.most_misplaced:
        doubts.append(words.too_misplaced(reading.misplaced()))
    elif strays := _strays(reading):
        doubts.append(words.stray(*strays[0]))
    return tuple(doubts)


def notes_of(reading: Reading, limits: Doubts) -> tuple[str, ...]:
    """Return what a person should know besides: gains and losses, chromosomes in a wrong
    position."""
    if not reading.whole:
        return ()
    notes = []
    if reading.gains_and_losses and reading.karyotypes:
        iscn, probability = reading.karyotypes[0]
        notes.append(words.karyotype(reading.gains_and_losses, iscn, probability))
    if 0 < len(doubtful := _doubtful(reading)) <= limits.most_doubtful:
        notes.append(words.doubtful(doubtful))
    notes += [
        words.misplaced(one.name, one.position) for one in reading.chromosomes if one.misplaced
    ][: limits.most_misplaced]
    rejected = len(reading.chromosomes) - reading.found()
    if rejected:
        notes.append(words.rejected(rejected))
    return tuple(notes)


def _strays(reading: Reading) -> list[tuple[str, str]]:
    """Return (name, position) of misplaced chromosomes whose own position got none in exchange:
    a hasty person exchanges two, but a piece of one chromosome leaves a gap where it would be."""
    moved = [(one.name, one.position) for one in reading.chromosomes if one.misplaced]
    gaps = Counter(name for name, _ in moved) - Counter(position for _, position in moved)
    return [(name, position) for name, position in moved if name in gaps]


def _doubtful(reading: Reading) -> list[str]:
    return [o.name for o in reading.chromosomes if o.doubtful and o.name != NOT_A_CHROMOSOME]
