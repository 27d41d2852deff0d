"""The cell re-laid: every chromosome is there once, in order, and what is odd is marked."""

from __future__ import annotations

import numpy as np
import pytest

from screening.classes import CHROMOSOMES
from screening.report.counts import class_counts, count_groups
from screening.report.relay import TALLEST, NamedCrop, relaid, relay


def cell(counts: dict[str, int] | None = None, doubtful: str = "") -> list[NamedCrop]:
    """46,XX with changes; the grey of a chromosome tells its class (10, 15, … in class order)."""
    counts = dict.fromkeys(CHROMOSOMES, 2) | {"Y": 0} | (counts or {})
    crops = []
    for i, name in enumerate((*CHROMOSOMES, "mar", "?")):
        crop = np.full((TALLEST - 6 * i, 24), 10 + 5 * i, np.uint8)
        crops += [NamedCrop(name, 0.9, crop, name == doubtful)] * counts.get(name, 0)
    return crops


def ink(page: np.ndarray, index: int) -> np.ndarray:
    """Places (y, x) of the grey of class `index`; ink of letters and frames is coloured."""
    return np.argwhere((page == 10 + 5 * index).all(axis=2))


def test_every_chromosome_is_there_once_and_in_order():
    page = relay(cell({"21": 3}))
    assert page.dtype == np.uint8 and page.shape[2] == 3
    centres = []
    for i, name in enumerate(CHROMOSOMES):
        found = ink(page, i)
        assert len(found) == {"21": 3, "Y": 0}.get(name, 2) * 24 * (TALLEST - 6 * i)
        if len(found):
            centres.append((found[:, 0].max(), found[:, 1].mean()))
    rows = [bottom for bottom, _ in centres]
    assert rows == sorted(rows) and len(set(rows)) == 4
    assert all(b > a or y > x for (x, a), (y, b) in zip(centres, centres[1:], strict=False))


def red(page: np.ndarray) -> int:
    return int(((page[..., 0] > 150) & (page[..., 1] < 60) & (page[..., 2] < 60)).sum())


def amber(page: np.ndarray) -> int:
    return int((page == (178, 106, 0)).all(axis=2).sum())


@pytest.mark.parametrize("change", [{"21": 3}, {"5": 1}, {"X": 1}, {"mar": 1}, {"?": 2}, {"Y": 2}])
def test_what_is_not_as_expected_is_red(change):
    assert red(relay(cell())) == 0
    assert red(relay(cell({"X": 1, "Y": 1}))) == 0
    assert red(relay(cell(change))) > 30


def test_it_is_told_where_each_chromosome_and_each_class_stands():
    crops = cell({"21": 3, "13": 0})
    laid = relaid(crops)
    assert len(laid.boxes) == len(crops) and set(laid.slots) == set(CHROMOSOMES)
    for one, (x, y, w, h) in zip(crops, laid.boxes, strict=True):
        left, top, width, height = laid.slots[one.name]
        assert left <= x and x + w <= left + width and top <= y and y + h <= top + height
        assert laid.page[y : y + h, x : x + w].min() < 255


def test_doubtful_ones_are_framed():
    assert amber(relay(cell())) == 0
    assert amber(relay(cell(doubtful="7"))) > 100


@pytest.mark.parametrize("count", [0, 1, 92, 200])
def test_any_number_of_chromosomes(count):
    rng = np.random.default_rng(count)
    names = [*CHROMOSOMES, "mar", "?"]
    crops = [
        NamedCrop(str(rng.choice(names)), 0.5, rng.integers(0, 200, (h, h // 3), np.uint8), True)
        for h in rng.integers(6, 400, count)
    ]
    page = relay(crops)
    assert page.ndim == 3 and page.shape[0] > 100


def test_one_scale_for_all():
    sizes = {"1": (400, 60), "22": (80, 50)}
    crops = [NamedCrop(name, 1.0, np.zeros(size, np.uint8)) for name, size in sizes.items()]
    page = relay(crops)
    assert ((page == 0).all(axis=2)).sum() == 200 * 30 + 40 * 25


@pytest.mark.parametrize(
    "crop", [("23", np.zeros((9, 9), np.uint8)), ("1", np.zeros((9, 9, 3), np.uint8)),
             ("1", np.zeros((9, 9))), ("1", np.zeros((0, 9), np.uint8))],
)  # fmt: skip
def test_wrong_input_is_refused(crop):
    with pytest.raises(ValueError, match="received"):
        relay([NamedCrop(crop[0], 0.5, crop[1])])


def test_expected_counts_follow_the_sex():
    normal = dict.fromkeys(CHROMOSOMES, 2)
    odd = {
        (2, 0): "", (1, 1): "", (1, 0): "X", (3, 0): "X", (2, 1): "X", (1, 2): "Y",
    }  # fmt: skip
    for (x, y), expected in odd.items():
        counts = class_counts(normal | {"X": x, "Y": y})
        assert "".join(name for name, one in counts.items() if one.differs) == expected
    groups = count_groups(normal | {"Y": 0, "mar": 1, "?": 0})
    assert [g.letter for g in groups] == [*"ABCDEFG", "sex", "other"]
    assert [c.name for g in groups for c in g.counts] == [*CHROMOSOMES, "mar"]
