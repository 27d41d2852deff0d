"""The path through the rows: what was joined to what is read off what each row shows."""

from __future__ import annotations

import numpy as np
import pytest

from screening.classes import class_index
from screening.errors import ScreeningError
from screening.evidence.structure_path import JUMP, read_path

PARTS = 12
NINE, TWENTYTWO = class_index("9"), class_index("22")


def rows(*pieces: tuple[int, float, float], sure: float = 0.8, per_whole: int = 40) -> np.ndarray:
    """Log probabilities of rows that show the pieces (class, from, to)."""
    made = []
    for index, start, end in pieces:
        count = round(per_whole * abs(end - start))
        for at in start + (end - start) * (np.arange(count) + 0.5) / count:
            p = np.full((24, PARTS), (1 - sure) / (24 * PARTS - 1))
            p[index, min(int(at * PARTS), PARTS - 1)] = sure
            made.append(p)
    return np.log(np.array(made))


def told(path) -> list[tuple[int, float, float]]:
    return [(s.index, round(s.start, 1), round(s.end, 1)) for s in path.segments]


def test_a_normal_chromosome_gains_nothing_by_jumping():
    path = read_path(rows((NINE, 0, 1)), NINE)
    assert path.gain == 0 and len(path.segments) == 1
    (only,) = path.segments
    assert (only.index, only.first, only.last) == (NINE, 0, 40)
    assert only.start < 0.1 and only.end > 0.9


@pytest.mark.parametrize(
    "pieces",
    [
        [(NINE, 0, 0.3), (NINE, 0.7, 1)],
        [(NINE, 0, 0.7), (NINE, 0.4, 1)],
        [(NINE, 0, 0.3), (NINE, 0.7, 0.3), (NINE, 0.7, 1)],
        [(NINE, 0, 0.6), (TWENTYTWO, 0.5, 1)],
        [(NINE, 1, 0.4), (NINE, 0.4, 1)],
    ],
    ids=["deletion", "duplication", "inversion", "translocation", "isochromosome"],
)
def test_what_was_joined_is_read_off_the_path(pieces):
    path = read_path(rows(*pieces), NINE)
    assert path.gain > 2 * JUMP
    assert len(path.segments) == len(pieces)
    for segment, (index, start, end) in zip(path.segments, pieces, strict=True):
        assert segment.index == index
        assert segment.start == pytest.approx(start, abs=0.1)
        assert segment.end == pytest.approx(end, abs=0.1)
    assert [s.last for s in path.segments[:-1]] == [s.first for s in path.segments[1:]]


def test_a_lost_end_is_a_change_and_a_worn_tip_is_none():
    lost = read_path(rows((NINE, 0, 0.6)), NINE)
    assert 0.5 * JUMP < lost.gain <= 2 * JUMP
    assert told(lost) == [(NINE, 0.0, 0.6)]
    assert read_path(rows((NINE, 0.05, 0.95)), NINE).gain == 0


def test_another_class_is_no_part_of_this_one():
    other = read_path(rows((TWENTYTWO, 0, 1)), NINE)
    assert other.gain > 20 and {s.index for s in other.segments} == {TWENTYTWO}


def test_one_row_misread_is_no_change():
    shown = rows((NINE, 0, 1))
    shown[20] = rows((TWENTYTWO, 0, 1))[3]
    assert read_path(shown, NINE).gain == 0
    unsure = rows((NINE, 0, 1), sure=0.05)
    assert read_path(unsure, NINE).gain < JUMP


def test_nothing_to_read_is_refused():
    with pytest.raises(ScreeningError, match="at least two rows"):
        read_path(np.zeros((1, 24, PARTS)), NINE)
