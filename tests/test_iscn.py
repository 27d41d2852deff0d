"""ISCN strings of counts: examples from the standard, and its grammar for anything simulated."""

from __future__ import annotations

import numpy as np
import pytest
from iscn_authenticator import validate_karyotype

from screening.classes import AUTOSOMES, CHROMOSOMES, RELATIVE_LENGTH, class_index
from screening.iscn import karyotype, karyotypes_in, say_the_same

TWO = dict.fromkeys(AUTOSOMES, 2)


@pytest.mark.parametrize(
    ("change", "markers", "expected"),
    [
        ({"X": 2}, 0, "46,XX"),
        ({"X": 1, "Y": 1}, 0, "46,XY"),
        ({"X": 1}, 0, "45,X"),
        ({"X": 2, "Y": 1}, 0, "47,XXY"),
        ({"X": 2, "21": 3}, 0, "47,XX,+21"),
        ({"X": 1, "Y": 1, "18": 3, "21": 1}, 0, "46,XY,+18,-21"),
        ({"X": 1, "Y": 1}, 1, "47,XY,+mar"),
        ({"X": 2}, 2, "48,XX,+2mar"),
        ({**dict.fromkeys(AUTOSOMES, 3), "X": 2, "Y": 1}, 0, "69,XXY"),
        ({"X": 2, "8": 4}, 0, "48,XX,+8,+8"),
    ],
)
def test_examples(change, markers, expected):
    assert karyotype({**TWO, **change}, markers) == expected


def test_every_gain_and_loss_is_valid_iscn():
    rng = np.random.default_rng(0)
    for _ in range(200):
        counts = {**TWO, "X": int(rng.integers(1, 4)), "Y": int(rng.integers(0, 3))}
        for name in rng.choice(AUTOSOMES, int(rng.integers(0, 3)), replace=False):
            counts[str(name)] += int(rng.choice([-1, 1]))
        text = karyotype(counts, int(rng.integers(0, 3)))
        assert validate_karyotype(text).valid, text


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="0 or more"):
        karyotype({"1": -1})


def test_classes_are_the_24_in_order():
    assert [class_index(name) for name in CHROMOSOMES] == list(range(24))
    assert sum(RELATIVE_LENGTH[name] for name in AUTOSOMES) == pytest.approx(100, abs=1)
    with pytest.raises(ValueError, match="received 'Z'"):
        class_index("Z")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Result: 47, XY, +21 (GTG)", ["47,XY,+21"]),
        ("Case: 19-8911\n46,XX\nPage 2", ["46,XX"]),
        ("46,xy, t(9;22)(q34;q11.2).", ["46,XY,t(9;22)(q34;q11.2)"]),
        ("46.XY", ["46,XY"]),  # how a comma of a small picture is read
        ("mos 47,XX,+21[5]/46,XX[15]", ["47,XX,+21", "46,XX"]),
        ("46,XX 46,XX", ["46,XX"]),
        ("46,XX, normal female, 47,XX,+mar", ["46,XX", "47,XX,+mar"]),
        ("Metaphase 46 x1000, 06.08.2001, 1246,XX, 46,XN, 46,XYlophone, slide 2-46,XX", []),
    ],
)
def test_karyotypes_are_found_in_what_a_laboratory_prints(text, found):
    assert list(karyotypes_in(text)) == found


def test_karyotypes_say_the_same_in_any_order_and_with_normal_variants():
    assert say_the_same("48,XX,+18,+21", "48,XX,+21,+18")
    assert say_the_same("46,XY,9qh+,21pstk+,inv(9)(p12q13)", "46,XY")
    assert not say_the_same("46,XX", "46,XY")
    assert not say_the_same("46,XX,t(9;22)(q34;q11.2)", "46,XX")
    assert not say_the_same("46,XX,inv(9)(p24q22)", "46,XX")
