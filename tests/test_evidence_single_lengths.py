"""What lengths say of the classes of single chromosomes, at a scale that nobody tells."""

from __future__ import annotations

import numpy as np
import pytest

from screening.classes import CHROMOSOMES, RELATIVE_LENGTH
from screening.evidence.single_lengths import FEWEST, likelihood_of_lengths, weighed

COUNT = 120
ONE, NINETEEN = CHROMOSOMES.index("1"), CHROMOSOMES.index("19")


@pytest.fixture(scope="module")
def folder():
    """True classes, what the bands say (half of them cannot tell 1 from 19), lengths at one scale,
    cells a tenth longer or shorter."""
    rng = np.random.default_rng(0)
    true = rng.integers(len(CHROMOSOMES), size=COUNT)
    true[: COUNT // 2] = np.where(np.arange(COUNT // 2) % 2, ONE, NINETEEN)
    p = np.full((COUNT, len(CHROMOSOMES) + 1), 0.01)
    p[np.arange(COUNT), true] = 0.9
    p[: COUNT // 2, [ONE, NINETEEN]] = 0.4, 0.45
    p /= p.sum(1, keepdims=True)
    relative = np.array([RELATIVE_LENGTH[CHROMOSOMES[i]] for i in true])
    return true, p, 11 * relative * np.exp(rng.normal(0, 0.1, COUNT))


def _right(p, true):
    return np.mean(p[:, :-1].argmax(1) == true)


def test_lengths_at_one_scale_tell_classes_that_look_alike(folder):
    true, p, lengths = folder
    assert _right(p, true) < 0.8
    for scale in (0.2, 1, 30):
        told = weighed(p, likelihood_of_lengths(p, scale * lengths))
        assert _right(told, true) == 1
        np.testing.assert_allclose(told[:, -1], p[:, -1])
        np.testing.assert_allclose(told.sum(1), 1)


def test_a_few_odd_lengths_change_nothing_of_themselves(folder):
    true, p, lengths = folder
    odd = lengths.copy()
    odd[-5:] *= 9
    told = weighed(p, likelihood_of_lengths(p, odd))
    assert _right(told, true) == 1
    np.testing.assert_allclose(told[-5:], p[-5:], atol=0.02)


@pytest.mark.parametrize("how", ["one size", "two sizes", "shuffled"])
def test_lengths_that_know_no_class_say_nothing(folder, how):
    _, p, lengths = folder
    rng = np.random.default_rng(1)
    made = {
        "one size": np.full(COUNT, 64.0),
        "two sizes": np.where(rng.random(COUNT) < 0.5, 64.0, 128.0),
        "shuffled": rng.permutation(lengths),
    }[how]
    assert likelihood_of_lengths(p, made) is None


def test_pictures_without_a_length_keep_their_classes(folder):
    _, p, lengths = folder
    blank = lengths.copy()
    blank[:3] = 0, np.nan, -1
    likelihood = likelihood_of_lengths(p, blank)
    np.testing.assert_array_equal(likelihood[:3], 1)
    np.testing.assert_allclose(weighed(p[:3], likelihood[:3]), p[:3])


def test_too_few_or_none_say_nothing(folder):
    _, p, lengths = folder
    assert likelihood_of_lengths(p[-FEWEST:], lengths[-FEWEST:]) is not None
    few = FEWEST - 1
    assert likelihood_of_lengths(p[-few:], lengths[-few:]) is None
    assert likelihood_of_lengths(p[:0], lengths[:0]) is None
    assert likelihood_of_lengths(np.zeros((0, 0)), lengths[:0]) is None


def test_the_order_of_the_pictures_does_not_matter(folder):
    _, p, lengths = folder
    order = np.random.default_rng(2).permutation(COUNT)
    one, other = likelihood_of_lengths(p, lengths), likelihood_of_lengths(p[order], lengths[order])
    np.testing.assert_allclose(other, one[order], rtol=1e-6)


def test_every_pass_is_weighed_alike(folder):
    _, p, lengths = folder
    likelihood = likelihood_of_lengths(p, lengths)
    each = np.stack([p, p]).astype(np.float32)
    made = weighed(each, likelihood)
    assert made.shape == each.shape and made.dtype == np.float32
    np.testing.assert_allclose(made[0], weighed(p, likelihood), rtol=1e-5)
