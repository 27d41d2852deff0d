"""ISCN strings of counts: examples from the standard, and its grammar for anything simulated."""

from __future__ import annotations

import numpy as np
import pytest
from iscn_authenticator import validate_karyotype

from screening.classes import AUTOSOMES, CHROMOSOMES, RELATIVE_LENGTH, class_index
from screening.iscn import karyotype

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
