"""Complements: the prior is one, their names are ISCN, changes are told as people do."""

from __future__ import annotations

import numpy as np
import pytest
from iscn_authenticator import validate_karyotype

from screening.evidence.karyotypes import (
    COLUMNS,
    gains_and_losses,
    is_normal,
    iscn_of,
    log_prior,
    normal_complements,
)
from screening.reading_settings import Prior


def complement(change: dict[str, int], sex: str = "XX") -> np.ndarray:
    counts = {**dict.fromkeys(COLUMNS[:22], 2), "X": sex.count("X"), "Y": sex.count("Y"), "mar": 0}
    return np.array([counts[name] + change.get(name, 0) for name in COLUMNS])


def prior_of(one: np.ndarray) -> float:
    return float(log_prior(one[None], Prior())[0])


@pytest.fixture(scope="module")
def common() -> np.ndarray:
    """Normal cells, each with any single gain, loss or two markers, XXYY and whole sets more."""
    found = [*normal_complements(), *neighbours(normal_complements())]
    found += [complement({"mar": 2}, sex) for sex in ("XX", "XY")] + [complement({}, "XXYY")]
    sets = {1: ("XXX", "XXY", "XYY"), 2: ("XXXX", "XXYY")}
    found += [
        complement(dict.fromkeys(COLUMNS[:22], more), sex)
        for more, sexes in sets.items()
        for sex in sexes
    ]
    return np.unique(found, axis=0)


def test_the_prior_of_the_common_complements_sums_to_nearly_one(common):
    prior = np.exp(log_prior(common, Prior()))
    assert 0.97 < prior.sum() < 1.01
    assert prior[is_normal(common)].sum() > 0.8
    assert (prior > 0).all()


def test_the_prior_knows_what_is_common():
    cells = [complement({}), complement({"21": 1}), complement({"18": 1}), complement({"1": 1}),
             complement({"1": 1, "2": 1, "3": -1})]  # fmt: skip
    prior = log_prior(np.array(cells), Prior())
    assert (np.diff(prior) < 0).all()
    assert prior_of(complement({}, "X")) < prior_of(complement({}, "XY"))
    triploid = np.array([complement(dict.fromkeys(COLUMNS[:22], 1), "XXY")])
    many = np.array([complement(dict.fromkeys(COLUMNS[:16], 1))])
    assert prior_of(triploid[0]) > prior_of(many[0]) + 5


def neighbours(complements: np.ndarray) -> np.ndarray:
    """All complements (m, 25) with one chromosome more or less than one of (b, 25)."""
    steps = np.vstack([np.eye(25, dtype=np.int64), -np.eye(25, dtype=np.int64)])
    around = (complements[:, None, :] + steps[None]).reshape(-1, 25)
    return np.unique(around[(around >= 0).all(1)], axis=0)


def test_only_two_complements_are_normal():
    assert is_normal(normal_complements()).all()
    around = neighbours(normal_complements())
    # XX has no Y and neither has a marker to lose; 45,X and 47,XXY are next to both.
    assert len(around) == 2 * 25 * 2 - 3 - 2
    assert not is_normal(around).any()


def test_every_common_complement_has_a_valid_name(common):
    names = [iscn_of(one) for one in common]
    assert {"46,XX", "46,XY", "47,XX,+21", "45,X", "69,XXY", "48,XX,+2mar"} <= set(names)
    # The grammar knows no cell without a chromosome X, and there is none.
    invalid = {name for name in names if not validate_karyotype(name).valid}
    assert invalid == {"45,Y"}


@pytest.mark.parametrize(
    ("change", "sex", "told"),
    [
        ({}, "XX", ()),
        ({}, "XY", ()),
        ({"21": 1}, "XY", ("+21",)),
        ({"7": -1, "9": 1}, "XX", ("-7", "+9")),
        ({}, "X", ("-X",)),
        ({}, "XXY", ("+X",)),
        ({}, "XYY", ("+Y",)),
        ({"8": 2}, "XX", ("+8", "+8")),
        ({"mar": 2}, "XX", ("+mar", "+mar")),
        (dict.fromkeys(COLUMNS[:22], 1), "XXY", ("3n",)),
    ],
)
def test_gains_and_losses(change, sex, told):
    assert gains_and_losses(complement(change, sex)) == told
