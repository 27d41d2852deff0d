"""Sizes on a page: two homologs in one piece, and a chromosome left out."""

import numpy as np

from evidence_pages import chromosomes
from screening.classes import RELATIVE_LENGTH
from screening.evidence.sizes import _line, excesses, size_doubts
from screening.reading_settings import Sizes
from screening.record import Chromosome


def _cell(*, left_out: str = "", seed: int = 0) -> tuple[list[Chromosome], np.ndarray]:
    """46 chromosomes with areas on a line of slope 1.2, and one more object, "?", in a slot."""
    names = chromosomes("", "XY")
    objects = [Chromosome(name, 0.99, name) for name in names]
    if left_out:
        objects.append(Chromosome("?", 0.9, left_out))
    table = [RELATIVE_LENGTH[one.position] for one in objects]
    noise = np.random.default_rng(seed).normal(0, 0.05, len(table))
    return objects, np.exp(3.0 + 1.2 * np.log(table) + noise)


def test_a_normal_page_has_no_doubt_whatever_its_scale():
    for seed in range(5):
        objects, areas = _cell(seed=seed)
        assert size_doubts(objects, areas, Sizes()) == ()
        assert size_doubts(objects, 40 * areas, Sizes()) == ()
        assert np.abs(excesses(objects, areas, Sizes())).max() < 0.25


def test_a_small_chromosome_as_large_as_two_is_a_doubt():
    objects, areas = _cell()
    at = [i for i, one in enumerate(objects) if one.name == "21"]
    areas[at[1]] *= 2
    (doubt,) = size_doubts(objects, areas, Sizes())
    assert "21 is as large as two" in doubt
    # Both large: the page's own look, or another class; not one piece that holds two.
    areas[at[0]] *= 2
    assert size_doubts(objects, areas, Sizes()) == ()


def test_large_chromosomes_vary_without_a_doubt():
    objects, areas = _cell()
    at = [i for i, one in enumerate(objects) if one.name == "4"]
    areas[at[1]] *= 1.8
    assert size_doubts(objects, areas, Sizes()) == ()


def test_print_read_as_a_chromosome_is_a_doubt():
    objects, areas = _cell()
    areas[[one.name for one in objects].index("X")] *= 0.4
    assert "too small for a chromosome X" in size_doubts(objects, areas, Sizes())[0]


def test_an_object_left_out_is_a_doubt_when_it_is_large_enough():
    objects, areas = _cell(left_out="21")
    assert "as large as a chromosome 21" in size_doubts(objects, areas, Sizes())[0]
    areas[-1] *= 0.3
    assert size_doubts(objects, areas, Sizes()) == ()


def test_too_few_chromosomes_have_no_line():
    objects, areas = _cell()
    assert size_doubts(objects[:12], areas[:12], Sizes()) == ()
    assert size_doubts([], np.zeros(0), Sizes()) == ()
    assert size_doubts([Chromosome("?", 1.0, "")] * 46, areas, Sizes()) == ()


def test_the_line_is_that_of_repeated_medians():
    from scipy.stats import siegelslopes

    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.integers(0, 20, 46) / 7
        y = 2 * x + rng.normal(0, 1, 46)
        expected = siegelslopes(y, x)
        assert _line(x, y) == (expected.slope, expected.intercept)
