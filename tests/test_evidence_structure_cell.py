"""What the pairs of a cell say together."""

from __future__ import annotations

import numpy as np
import pytest

from screening.classes import AUTOSOMES
from screening.evidence.structure_cell import TRANSLOCATIONS, cell_doubt
from screening.synthesis.rearrangements import KNOWN

QUIET = dict.fromkeys(AUTOSOMES, -3.0)


def test_two_small_findings_that_explain_each_other_weigh_more_than_strangers():
    quiet = cell_doubt(QUIET)
    known = cell_doubt(QUIET | {"9": 1.0, "22": 1.0})
    strangers = cell_doubt(QUIET | {"9": 1.0, "20": 1.0})
    alone = cell_doubt(QUIET | {"9": 1.0})
    assert quiet.log_odds < alone.log_odds < strangers.log_odds < known.log_odds
    assert known.classes == ("9", "22") and known.known and known.share > 0.5
    assert not strangers.known


def test_one_strong_finding_needs_no_other():
    found = cell_doubt(QUIET | {"5": 8.0})
    assert found.classes == ("5",) and not found.known and found.share > 0.8
    assert found.log_odds == pytest.approx(8 + np.log(0.5 / 22), abs=0.1)


def test_a_single_x_leaves_its_hypotheses_out():
    few = cell_doubt({"9": 0.0})
    assert few.classes == ("9",) and np.isfinite(few.log_odds)
    with pytest.raises(ValueError, match="at least one pair"):
        cell_doubt({})


def test_the_translocations_are_those_that_are_simulated():
    named = {name: known.weight for name, known in KNOWN.items() if name.startswith("t(")}
    assert named == TRANSLOCATIONS
