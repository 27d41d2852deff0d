"""A single chromosome: unchanged only as far as a likely class reads as unchanged; what is told."""

from __future__ import annotations

import numpy as np
import pytest

from screening.classes import class_index
from screening.evidence.structure_single import (
    LIKELY,
    likely_classes,
    p_changed,
    pairs_alone,
    single_change,
)
from screening.page_settings import StructureReading


def test_each_strip_stands_once_beside_one_of_its_class():
    classes = np.array([3, 5, 3, 5, 5, 9])
    pairs = pairs_alone(classes)
    assert (classes[pairs[:, 0]] == classes[pairs[:, 1]]).all()
    assert set(pairs.ravel().tolist()) == set(range(6)) and len(pairs) == 4
    assert pairs_alone(np.zeros(0, int)).shape == (0, 2)


def test_classes_are_weighed_given_a_chromosome():
    p = np.full((1, 25), 0.0)
    p[0, [4, 7, 9, 24]] = 0.3, 0.15, 0.05, 0.5
    best, weights = likely_classes(p)
    assert best.tolist() == [[4, 7, 9]]
    assert weights[0] == pytest.approx([0.6, 0.3, 0.1])


def test_one_probable_class_that_reads_as_unchanged_is_enough():
    sure = np.array([[0.98, 0.01, 0.01]])
    torn = np.array([[0.5, 0.3, 0.2]])
    quiet = np.array([[-6.0, 6.0, 6.0]])
    assert p_changed(quiet, sure)[0] < 0.05 < p_changed(quiet, torn)[0]
    assert p_changed(np.full((1, LIKELY), 6.0), sure)[0] > 0.99


def test_the_partner_or_the_bands_are_told_from_one_half_on():
    rows = np.full((40, 24, 12), -12.0)
    for row in range(40):
        name, place = ("9", row * 8 // 24) if row < 24 else ("22", 6 + (row - 24) * 6 // 16)
        rows[row, class_index(name), place] = 0.0
    how = StructureReading()
    told = single_change(0.8, rows, "9", how)
    assert (told.kind, told.where) == ("t", "22")
    lost = single_change(0.8, rows[:24], "9", how)
    assert lost.kind == "del" and lost.where.startswith("q")
    assert single_change(0.49, rows, "9", how).kind == ""


def test_rows_that_are_unsure_of_their_class_name_nothing():
    rows = np.full((40, 24, 12), -12.0)
    for row in range(40):
        name, place = ("9", row * 8 // 24) if row < 24 else ("22", 6 + (row - 24) * 6 // 16)
        rows[row, class_index(name), place] = np.log(0.7)
        rows[row, class_index("1"), place] = np.log(0.3)
    told = single_change(0.8, rows, "9", StructureReading())
    assert (told.p, told.kind, told.where) == (0.8, "", "")
    assert single_change(0.8, rows[:0], "9", StructureReading()).kind == ""
