"""Company tells a chromosome's class where its looks do not, and forces nothing into pairs."""

import numpy as np

from screening.classes import CHROMOSOMES
from screening.evidence.in_cell import classes_in_cell
from screening.reading_settings import ReadingSettings


def _cell(names: list[str], sure: float = 0.97) -> np.ndarray:
    p = np.full((len(names), 25), (1 - sure) / 24)
    p[np.arange(len(names)), [CHROMOSOMES.index(n) for n in names]] = sure
    return p


def _names(*extra: str) -> list[str]:
    return [n for n in CHROMOSOMES[:22] for _ in range(2)] + ["X", "Y", *extra]


def test_the_one_of_which_a_homolog_is_missing():
    names = _names()
    p = _cell(names)
    i = names.index("9")
    p[i] = 0.0
    p[i, [CHROMOSOMES.index("9"), CHROMOSOMES.index("10")]] = 0.45, 0.55
    q = classes_in_cell(p, ReadingSettings())
    assert q[i].argmax() == CHROMOSOMES.index("9")
    np.testing.assert_allclose(q.sum(1), 1, atol=1e-6)


def test_a_clear_trisomy_stays_one():
    names = _names("21")
    q = classes_in_cell(_cell(names), ReadingSettings())
    assert [CHROMOSOMES[k] for k in q.argmax(1)] == names


def test_part_of_a_cell_is_left_as_it_is():
    p = _cell(_names()[:20])
    np.testing.assert_array_equal(classes_in_cell(p, ReadingSettings()), p)
