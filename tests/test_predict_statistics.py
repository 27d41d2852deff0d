"""Votes, spread and entropies against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from screening.errors import ScreeningError
from screening.predict.statistics import binary_entropy, summarise


def test_certain_and_split_images() -> None:
    certain, split = summarise(np.array([[0.0] * 4, [0.0, 0.0, 1.0, 1.0]]))
    assert (certain.mean, certain.std, certain.votes, certain.abnormal) == (0, 0, 1, False)
    assert (certain.entropy, certain.mutual_information) == (0, 0)
    # Every pass is sure and they disagree: one whole bit, all of it from the disagreement.
    assert (split.mean, split.std, split.votes) == (0.5, 0.5, 0.5)
    assert (split.entropy, split.mutual_information) == (1, 1)
    assert split.abnormal, "a tie counts as abnormal"


def test_agreeing_but_unsure_passes_have_no_mutual_information() -> None:
    (unsure,) = summarise(np.full((1, 10), 0.3))
    assert unsure.entropy == pytest.approx(-0.3 * np.log2(0.3) - 0.7 * np.log2(0.7))
    assert unsure.mutual_information == pytest.approx(0, abs=1e-12)
    assert unsure.votes == 1


def test_threshold_moves_the_votes_alone() -> None:
    p = np.array([[0.1, 0.2, 0.3, 0.4, 0.9]], np.float32)
    (half,), (low,) = summarise(p), summarise(p, threshold=0.25)
    assert (half.votes, half.abnormal) == (0.8, False)
    assert (low.votes, low.abnormal) == (0.6, True)
    assert half.mean == low.mean


def test_information_is_between_nothing_and_all_uncertainty() -> None:
    p = np.random.default_rng(0).beta(0.3, 0.5, (200, 30))
    for s in summarise(p):
        assert 0 <= s.mutual_information <= s.entropy <= 1
        assert 0.5 <= s.votes <= 1
    assert binary_entropy(np.array(0.5)) == 1


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 0)), [[np.nan]], [[1.5]]])
def test_what_is_no_probability_is_refused(bad) -> None:
    with pytest.raises(ScreeningError, match="expected"):
        summarise(np.asarray(bad))
