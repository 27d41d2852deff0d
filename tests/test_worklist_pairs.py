"""Homologs of a cell compared: figures where the cell is doubted, none where it is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from screening.classes import CHROMOSOMES
from screening.karyogram.locate import FoundChromosome
from screening.page_settings import StructureReading
from screening.predict.pairs import PairsSaid
from screening.record import Chromosome, Reading
from screening.report.pair_figure import _CHANGED, _TOP
from screening.worklist import pairs
from screening.worklist.pairs import compare_homologs

STEPS, PARTS = 40, 12
DOUBTING = StructureReading(doubt=0.0)
NAMES = ["9", "9", "?", "21", "21", "Y", "3"]


class Reader:
    """Doubts the second homolog of every pair as far as `odds`; `turned`: reads all head down."""

    def __init__(self, odds: float = 5.0, turned: bool = False) -> None:
        self.odds, self.turned = odds, turned

    def read(self, strips, pairs, classes) -> PairsSaid:
        count = len(pairs)
        places = np.full((count, 2, STEPS, len(CHROMOSOMES), PARTS), -20.0, np.float32)
        row = np.arange(STEPS)
        part = row * PARTS // STEPS
        for k, (first, _) in enumerate(pairs):
            places[k, :, row, classes[first], part[::-1] if self.turned else part] = 0.0
        rows = np.full((count, 2, STEPS), -9.0)
        rows[:, 1, : STEPS // 4] = 9.0
        return PairsSaid(
            np.full((3, count), self.odds, np.float32), np.tile([0.0, 1.0], (count, 1)), rows,
            places, np.ones((count, 2, STEPS), bool), np.full((count, 2, 8), 0.5),
        )  # fmt: skip


def cell(tall: int = 60) -> tuple[Reading, list[FoundChromosome], np.ndarray]:
    """Chromosomes dark at their upper quarter."""
    paper = np.full((100, 30 * len(NAMES)), 255, np.uint8)
    found = []
    for i in range(len(NAMES)):
        wide = max(4, tall // 4)
        paper[5 : 5 + tall, 30 * i + 5 : 30 * i + 5 + wide] = 180
        paper[5 : 5 + tall // 4, 30 * i + 5 : 30 * i + 5 + wide] = 60
        axis = np.array([[wide / 2, 0], [wide / 2, tall]], np.float32)
        mask = np.ones((tall, wide), bool)
        found.append(FoundChromosome(30 * i + 5, 5, wide, tall, mask, axis, tall, wide))
    return Reading(tuple(Chromosome(name, 0.9) for name in NAMES)), found, paper


def picture(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


@pytest.mark.parametrize("tall", [60, 19])
def test_a_doubted_cell_has_a_figure_of_each_pair_that_is_told(tall):
    got = compare_homologs(Reader(), *cell(tall), DOUBTING)
    told = got.structure.pairs
    assert {pair.name for pair in told} == {"9", "21"}
    assert all(pair.first < pair.second == pair.changed for pair in told)
    for pair, (caption, jpeg) in zip(told, got.figures, strict=True):
        assert f"chromosomes {pair.name} differ" in caption and "log-odds" in caption
        drawn = picture(jpeg)
        right = drawn[: _TOP - 4, drawn.shape[1] // 2 :]
        assert (abs(right - _CHANGED).sum(-1) < 90).any()


def test_what_is_not_doubted_has_none_and_makes_none(monkeypatch):
    monkeypatch.setattr(pairs, "_figure", lambda *_: pytest.fail("made for nobody"))
    got = compare_homologs(Reader(-5.0), *cell(), DOUBTING)
    assert got.structure.compared == 2 and got.figures == ()
    assert compare_homologs(Reader(), Reading(), [], cell()[2], DOUBTING).structure is None


def test_on_a_page_that_is_turned_round_the_short_arm_is_up_too():
    def upper_and_lower(turned: bool) -> tuple[float, float]:
        figures = compare_homologs(Reader(turned=turned), *cell(), DOUBTING).figures
        drawn = picture(figures[0][1])[_TOP:-8, 40:70].mean(-1)
        return drawn[: len(drawn) // 4].mean(), drawn[-len(drawn) // 4 :].mean()

    (upper, lower), (other_upper, other_lower) = map(upper_and_lower, (False, True))
    assert upper < lower - 50 and other_lower < other_upper - 50


def test_the_network_comes_in_half_precision_too():
    import keras

    from screening.models.structure import Aligned

    layer = Aligned(width=2, dtype="float16")
    layer.build([(None, 4, 6), (None, 4, 6), (None, 4), (None, 4)])
    assert keras.backend.standardize_dtype(layer.near.dtype) == "float16"
