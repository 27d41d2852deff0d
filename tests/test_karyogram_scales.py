"""Scales of single chromosomes from a folder that may hold several laboratories."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from screening.classes import CHROMOSOMES, RELATIVE_LENGTH
from screening.karyogram.scales import FEWEST, scales_of


def laboratory(
    unit: float, width: float, count: int, rng: np.random.Generator, spread: float = 0.1
):
    """Names and axes of so many chromosomes at a scale of `unit` pixels a percent."""
    names = [str(name) for name in rng.choice(CHROMOSOMES, count)]
    axes = [
        SimpleNamespace(
            length=RELATIVE_LENGTH[name] * unit * np.exp(rng.normal(0, spread)),
            width=np.full(9, width * np.exp(rng.normal(0, 0.06))),
        )
        for name in names
    ]  # fmt: skip
    return names, axes


def test_laboratories_in_one_folder_have_each_its_own_scale():
    rng = np.random.default_rng(0)
    small, large = laboratory(9, 12, 150, rng), laboratory(14, 30, 60, rng)
    found = scales_of([*small[0], *large[0]], [*small[1], *large[1]])
    for own, unit, width in ((found[:150], 9, 12), (found[150:], 14, 30)):
        units, widths = np.array([one or (np.nan, np.nan) for one in own]).T
        assert np.isnan(units).mean() < 0.1
        assert np.nanmedian(units) == pytest.approx(unit, rel=0.05)
        assert np.nanmedian(widths) == pytest.approx(width, rel=0.05)


def test_one_laboratory_is_not_taken_apart():
    names, axes = laboratory(9, 12, 200, np.random.default_rng(1))
    scales = set(scales_of(names, axes))
    assert len(scales) == 1 and scales.pop()[0] == pytest.approx(9, rel=0.05)


@pytest.mark.parametrize(("count", "spread"), [(FEWEST - 1, 0.1), (60, 0.6)])
def test_few_pictures_and_such_that_disagree_have_none(count, spread):
    names, axes = laboratory(9, 12, count, np.random.default_rng(2), spread)
    found = scales_of(names, axes)
    assert len(found) == count and sum(one is None for one in found) > 0.6 * count


def test_pictures_that_are_all_alike_have_one_scale():
    axis = SimpleNamespace(length=100.0, width=np.full(9, 12.0))
    assert len(set(scales_of(["9"] * 40, [axis] * 40))) == 1


def test_the_order_of_the_pictures_does_not_matter():
    rng = np.random.default_rng(3)
    small, large = laboratory(9, 12, 80, rng), laboratory(14, 30, 60, rng)
    names, axes = small[0] + large[0], small[1] + large[1]
    order = rng.permutation(len(names))
    found = scales_of(names, axes)
    turned = scales_of([names[i] for i in order], [axes[i] for i in order])
    same = [turned[k] == pytest.approx(found[i]) for k, i in enumerate(order)]
    assert np.mean(same) > 0.95


def test_nothing_has_no_scale():
    assert scales_of([], []) == []
